import type { Measurement, Part } from './part.ts'
import { exchangeOf } from './requests.ts'
import { describeTurns, ratios, type Turn, takeTurns } from './side-by-side.ts'
import { median, spread } from './statistics.ts'

/**
 * The exchange of a live lease, whose record is durable before it leaves, beside the no-op and beside the same gateway
 * with a log that writes each record by itself.
 */
export const durableExchange: Part = {
  names: ['exchange.durable.throughput_ratio', 'exchange.durable.vs_single_writes', 'exchange.durable.p99_ratio'],
  async run(context) {
    const { stage } = context
    const world = await stage.surroundings()
    const form = await exchangeOf(world, { serviceAccount: 'payments/api', target: 'orders-db' })
    const loads = [
      { host: await stage.noop(), path: '/noop' },
      { host: await stage.gateway(), path: '/token' },
      { host: await stage.singleWrites(), path: '/token' },
    ]
    const [noop = [], grouped = [], single = []] = await takeTurns(context, {
      name: 'exchange.durable',
      forms: [form],
      loads,
    })
    const seen = `exchange ${describeTurns(grouped)}`
    const p99 = ({ latency }: Turn) => latency.p99
    return [
      measured('exchange.durable.throughput_ratio', ratios(grouped, noop, rateOf), {
        unit: 'of the no-op',
        detail: `${seen}; no-op ${describeTurns(noop)}`,
      }),
      measured('exchange.durable.vs_single_writes', ratios(grouped, single, rateOf), {
        unit: 'times single writes',
        detail: `single writes ${describeTurns(single)}; they take ${costRatio(single, grouped)} of the processor time`,
      }),
      measured('exchange.durable.p99_ratio', ratios(grouped, noop, p99), {
        unit: "of the no-op's",
        detail: `single writes ${median(ratios(single, noop, p99)).toFixed(1)}`,
      }),
    ]
  },
}

const rateOf = ({ rate }: Turn) => rate

function measured(name: string, values: readonly number[], told: Pick<Measurement, 'unit' | 'detail'>): Measurement {
  return { name, value: median(values), spread: spread(values), ...told }
}

function costRatio(turns: readonly Turn[], others: readonly Turn[]): string {
  return `${median(ratios(turns, others, ({ cost = Number.NaN }) => cost)).toFixed(1)} times`
}
