import { startMintParts } from './mint-parts.ts'
import type { Context, Part } from './part.ts'
import { exchangesOfNewPods, type Form } from './requests.ts'
import { median, quantile, spread } from './statistics.ts'

/** Exchanges that open the connection to PostgreSQL and warm the rest up; not counted. */
const warmUp = 10
/** Mints and their parts take turns, so many of each. */
const turns = 10

/**
 * A whole exchange that makes a PostgreSQL login: every request is another pod's first. Beside it, in turns, the least
 * that any such gateway does ({@link startMintParts}).
 */
export const mintExchange: Part = {
  names: ['exchange.mint.ms', 'lease.mint.vs_parts_ratio'],
  async run(context) {
    const { plan, stage } = context
    const world = await stage.surroundings()
    const perTurn = Math.max(1, Math.round(plan.mints / turns))
    const forms = await exchangesOfNewPods(world, warmUp + turns * perTurn)
    const parts = await startMintParts(world)
    try {
      await minted(context, forms.slice(0, warmUp))
      await parts.run(warmUp)
      const whole: number[] = []
      const bare: number[] = []
      for (let turn = 0; turn < turns; turn++) {
        const from = warmUp + turn * perTurn
        whole.push(await minted(context, forms.slice(from, from + perTurn)))
        bare.push(median(await parts.run(perTurn)))
      }
      return report(whole, bare, turns * perTurn)
    } finally {
      parts.stop()
    }
  },
}

function report(whole: readonly number[], bare: readonly number[], mints: number) {
  const ratios = whole.map((mint, turn) => mint / (bare[turn] ?? Number.NaN))
  const [p25, p75] = [quantile(whole, 0.25), quantile(whole, 0.75)].map(ms => ms.toFixed(1))
  const ms = median(whole)
  const detail = `${mints} mints one after the other; half of the ${turns} turns within ${p25} to ${p75} ms`
  const beside = `the statements and two writes ${median(bare).toFixed(1)} ms`
  return [
    { name: 'exchange.mint.ms', value: ms, unit: 'ms', detail },
    {
      name: 'lease.mint.vs_parts_ratio',
      value: median(ratios),
      unit: 'of its parts',
      spread: spread(ratios),
      detail: beside,
    },
  ]
}

/** The median time of a mint, one after the other, in milliseconds. */
async function minted({ stage, progress }: Context, forms: readonly Form[]): Promise<number> {
  const url = `${(await stage.gateway()).url}/token`
  const { latency, answers } = await stage.load().run({ url, forms, callers: 1, until: { requests: forms.length } })
  progress(`exchange.mint.ms: ${answers} logins made`)
  return latency.p50
}
