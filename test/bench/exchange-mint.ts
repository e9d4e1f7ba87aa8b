import type { Part } from './part.ts'
import { exchangesOfNewPods } from './requests.ts'

/** Exchanges that open the connection to PostgreSQL and warm the rest up; not counted. */
const warmUp = 10

/** A whole exchange that makes a PostgreSQL login: every request is another pod's first. */
export const mintExchange: Part = {
  names: ['exchange.mint.ms'],
  async run({ plan, stage, progress }) {
    const forms = await exchangesOfNewPods(await stage.surroundings(), warmUp + plan.mints)
    const url = `${(await stage.gateway()).url}/token`
    const sequentially = (forms: readonly string[]) =>
      stage.load().run({ url, forms, callers: 1, until: { requests: forms.length } })
    await sequentially(forms.slice(0, warmUp))
    const { latency, answers } = await sequentially(forms.slice(warmUp))
    progress(`exchange.mint.ms: ${answers} logins made`)
    const { p25, p50, p75, p99 } = latency
    const detail = `${answers} mints one after the other; half of them within ${p25.toFixed(1)} to ${p75.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`
    return [{ name: 'exchange.mint.ms', value: p50, unit: 'ms', detail }]
  },
}
