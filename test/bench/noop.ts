import type { Part } from './part.ts'
import { describeTurns, type Turn, turn } from './side-by-side.ts'
import { median, spread } from './statistics.ts'

/** The host's own speed: how many requests a second a function answers that does nothing. */
export const noop: Part = {
  names: ['noop.rps'],
  async run(context) {
    const { plan, stage, progress } = context
    const host = await stage.noop()
    // As long as the form of an exchange.
    const forms = [new URLSearchParams({ subject_token: 'x'.repeat(1_200) }).toString()]
    await turn(context, host, '/noop', forms)
    const taken: Turn[] = []
    for (let round = 0; round < plan.rounds; round++) {
      taken.push(await turn(context, host, '/noop', forms))
      progress(`noop.rps: round ${round + 1} of ${plan.rounds}`)
    }
    const rates = taken.map(({ rate }) => rate)
    const share = median(taken.map(({ generatorShare }) => generatorShare * 100))
    const detail = `${describeTurns(taken)}; the load generator used ${share.toFixed(0)} % of a core`
    return [{ name: 'noop.rps', value: median(rates), unit: 'requests/s', spread: spread(rates), detail }]
  },
}
