import type { Part } from './part.ts'
import { exchangeOf } from './requests.ts'
import { type Turn, turn } from './side-by-side.ts'
import { median, spread } from './statistics.ts'

/**
 * What an exchange of a live lease costs the process that answers it, beside what a function that does nothing costs
 * its own: processor time for one answer, under the same load, in turns.
 */
export const liveLease: Part = {
  names: ['lease.live.cost_ratio'],
  async run(context) {
    const { plan, stage, progress } = context
    const form = await exchangeOf(await stage.surroundings(), { serviceAccount: 'payments/api', target: 'orders-db' })
    const [noop, gateway] = [await stage.noop(), await stage.gateway()]
    const ofNoop = () => turn(context, noop, '/noop', [form])
    const ofExchange = () => turn(context, gateway, '/token', [form])
    await ofNoop()
    await ofExchange()
    const ratios: number[] = []
    const costs: number[] = []
    for (let round = 0; round < plan.rounds; round++) {
      const [nothing, exchange] = [costOf(await ofNoop()), costOf(await ofExchange())]
      ratios.push(exchange / nothing)
      costs.push(exchange)
      progress(`lease.live.cost_ratio: round ${round + 1} of ${plan.rounds}`)
    }
    const detail = `${median(costs).toFixed(2)} ms of its processor time each`
    const unit = "of the no-op's cost"
    return [{ name: 'lease.live.cost_ratio', value: median(ratios), unit, spread: spread(ratios), detail }]
  },
}

/** Where the system does not tell processor time, the time that one answer takes of the whole. */
function costOf({ cost, rate }: Turn): number {
  return cost ?? 1_000 / rate
}
