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

/** What is loaded: a function of a host. */
export interface Loaded {
  readonly host: Host
  readonly path: string
}

/**
 * Loads several hosts with the very same forms. They take turns in short rounds, in the opposite order in every other
 * one, so that a machine that is busy with something else slows all; one round of each warms them up and is not counted.
 * The turns of each, in the order of the loads.
 */
export async function takeTurns(
  context: Context,
  { name, forms, loads }: { readonly name: string; readonly forms: readonly Form[]; readonly loads: readonly Loaded[] },
): Promise<readonly (readonly Turn[])[]> {
  const takers = loads.map(({ host, path }) => {
    const taken: Turn[] = []
    return { taken, take: () => turn(context, host, path, forms) }
  })
  for (const { take } of takers) await take()
  const { rounds } = context.plan
  for (let round = 0; round < rounds; round++) {
    for (const { taken, take } of round % 2 === 0 ? takers : takers.toReversed()) taken.push(await take())
    context.progress(`${name}: round ${round + 1} of ${rounds}`)
  }
  return takers.map(({ taken }) => taken)
}

/** What was seen of some turns, as a ratio to others in the same rounds. */
export function ratios(turns: readonly Turn[], others: readonly Turn[], of: (turn: Turn) => number): readonly number[] {
  return turns.map((turn, round) => of(turn) / (others[round] ? of(others[round]) : Number.NaN))
}

/** The throughput of an exchange as a ratio to the no-op's. */
export async function ratioToNoop(context: Context, name: string, forms: readonly Form[]): Promise<Measurement> {
  const { stage } = context
  const loads = [
    { host: await stage.noop(), path: '/noop' },
    { host: await stage.gateway(), path: '/token' },
  ]
  const [noop = [], exchange = []] = await takeTurns(context, { name, forms, loads })
  const rates = ratios(exchange, noop, ({ rate }) => rate)
  const detail = `exchange ${describeTurns(exchange)}; no-op ${describeTurns(noop)}`
  return { name, value: median(rates), unit: 'of the no-op', spread: spread(rates), detail }
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
