import type { Host } from '../../infra/local/host/spawn.ts'
import type { Answered } from './load.ts'
import type { Context, Measurement } from './part.ts'
import { processorTime } from './process-usage.ts'
import type { Form } from './requests.ts'
import { median, spread } from './statistics.ts'

/** One turn under load; `cost` is the processor time of the loaded process for one answer, in milliseconds. */
export interface Turn extends Answered {
  readonly cost: number | undefined
}

/** Loads one URL of a host with all callers for one round. */
export async function turn({ plan, stage }: Context, host: Host, path: string, forms: readonly Form[]): Promise<Turn> {
  const { callers, seconds } = plan
  const before = processorTime(host.pid)
  const answered = await stage.load().run({ url: host.url + path, forms, callers, until: { seconds } })
  const after = processorTime(host.pid)
  const used = before === undefined || after === undefined ? undefined : after - before
  return { ...answered, cost: used === undefined ? undefined : used / answered.answers }
}

/**
 * The throughput of an exchange as a ratio to the no-op's, which is sent the very same forms. They take turns in short
 * rounds, each first in every other one, so that a machine that is busy with something else slows both; one round of
 * each warms them up and is not counted.
 */
export async function ratioToNoop(context: Context, name: string, forms: readonly Form[]): Promise<Measurement> {
  const { plan, stage, progress } = context
  const loads = {
    noop: await turns(context, await stage.noop(), '/noop', forms),
    exchange: await turns(context, await stage.gateway(), '/token', forms),
  }
  const order = ['noop', 'exchange'] as const
  for (let round = 0; round < plan.rounds; round++) {
    for (const load of round % 2 === 0 ? order : order.toReversed()) await loads[load].take()
    progress(`${name}: round ${round + 1} of ${plan.rounds}`)
  }
  const [noop, exchange] = [loads.noop.taken, loads.exchange.taken]
  const ratios = exchange.map(({ rate }, round) => rate / (noop[round]?.rate ?? Number.NaN))
  const detail = `exchange ${describeTurns(exchange)}; no-op ${describeTurns(noop)}`
  return { name, value: median(ratios), unit: 'of the no-op', spread: spread(ratios), detail }
}

/** Takes turns after one that warms up and is not kept. */
async function turns(context: Context, host: Host, path: string, forms: readonly Form[]) {
  const taken: Turn[] = []
  await turn(context, host, path, forms)
  return { taken, take: async () => void taken.push(await turn(context, host, path, forms)) }
}

/** Medians of what turns have seen. */
export function describeTurns(turns: readonly Turn[]): string {
  const of = (pick: (turn: Turn) => number) => median(turns.map(pick))
  const costs = turns.flatMap(({ cost }) => cost ?? [])
  return [
    `${of(({ rate }) => rate).toFixed(0)}/s`,
    `p50 ${of(({ latency }) => latency.p50).toFixed(1)} ms`,
    `p99 ${of(({ latency }) => latency.p99).toFixed(1)} ms`,
    ...(costs.length > 0 ? [`${median(costs).toFixed(2)} ms of its processor time each`] : []),
  ].join(', ')
}
