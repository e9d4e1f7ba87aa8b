import { type ExchangeError, toExchangeError } from './errors.ts'
import type { Instrument, Take, Telemetry } from './telemetry.ts'
import { exchangeWatcher, type WatchExchange } from './telemetry-exchange.ts'

/** Does work under a span of its own. What it throws goes on, and is told by its reason. */
export type InSpan = <T>(name: string, traceParent: string | null | undefined, work: () => Promise<T>) => Promise<T>

/** What is remembered, and may be found there or not. */
export type Cache = 'verified-tokens' | 'live-leases' | 'secrets'

/** What the parts of a gateway tell of themselves. Nothing in it throws or waits. */
export interface GatewayTelemetry {
  readonly watch: WatchExchange
  readonly inSpan: InSpan
  /** Counts what is looked for in a cache. */
  lookup(cache: Cache): (isFound: boolean) => void
  /** A request that proved no identity, or came too often: it has no record of its own. */
  refused(error: ExchangeError): void
  /** A lease that this instance reserved. */
  reserved(target: string): void
  /** A batch of so many records was sent. */
  batch(records: number): void
  /** A stream of the decision log was closed, since nobody can tell what it holds. */
  streamClosed(because: string): void
  revocations(run: { readonly revoked: number; readonly failed: number }): void
  leaseCounts(counts: Counts): void
  /** Tells, whenever somebody collects, of how many leases are remembered. */
  rememberedLeases(read: () => number): void
  /** Tells, whenever somebody collects, how old each issuer's keys are, in milliseconds. */
  keyAges(read: () => ReadonlyMap<string, number>): void
}

interface Counts {
  readonly live: ReadonlyMap<string, number>
  readonly stuck: ReadonlyMap<string, number>
  readonly overdue: ReadonlyMap<string, number>
}

const instruments = {
  lookups: instrument('causeway.cache.lookups', '{lookup}', 'What was looked for in memory, and whether it was there.'),
  refusals: instrument('causeway.refusals', '{request}', 'Requests that proved no identity, or came too often.'),
  reserved: instrument('causeway.leases.reserved', '{lease}', 'Leases that this instance reserved.'),
  remembered: instrument('causeway.leases.remembered', '{lease}', 'Live leases that this instance remembers.'),
  live: instrument('causeway.leases.live', '{lease}', 'Live leases, when the timer last looked.'),
  stuck: instrument('causeway.revocations.stuck', '{lease}', 'Leases whose revocation failed and is tried again.'),
  overdue: instrument(
    'causeway.revocations.overdue',
    '{lease}',
    'Leases due for over a minute that were not tried yet.',
  ),
  revocations: instrument('causeway.revocations', '{lease}', 'Revocations that the timer tried, by outcome.'),
  keyAge: instrument('causeway.issuer.keys.age', 's', "How long ago an issuer's keys were fetched."),
  batch: {
    ...instrument('causeway.record.batch.size', '{record}', 'Records that were sent together.'),
    boundaries: [1, 2, 5, 10, 20, 50, 100],
  },
  closed: instrument('causeway.record.streams.closed', '{stream}', 'Streams of the decision log that were closed.'),
}

/** Another instance may run the timer next: what this one saw longer ago than this says nothing. Milliseconds. */
const countsServe = 150_000

/** Makes the gateway's instruments. `monotonic` is in milliseconds. */
export function watchGateway(telemetry: Telemetry, monotonic: () => number): GatewayTelemetry {
  const counter = (what: Instrument): Take => telemetry.counter(what)
  const lookups = counter(instruments.lookups)
  const refusals = counter(instruments.refusals)
  const reserved = counter(instruments.reserved)
  const revocations = counter(instruments.revocations)
  const closed = counter(instruments.closed)
  const batch = telemetry.histogram(instruments.batch)
  let counted: { readonly counts: Counts; readonly at: number } | undefined
  const current = () => (counted && monotonic() - counted.at < countsServe ? counted.counts : undefined)
  telemetry.gauge(instruments.live, () => byTarget(current()?.live))
  telemetry.gauge(instruments.stuck, () => byTarget(current()?.stuck))
  telemetry.gauge(instruments.overdue, () => byTarget(current()?.overdue))

  return {
    watch: exchangeWatcher(telemetry, monotonic),
    inSpan: spanner(telemetry),
    lookup: cache => isFound => lookups(1, { cache, result: isFound ? 'hit' : 'miss' }),
    // As in the count that is recorded: a registered issuer's id, or `unknown`.
    refused: ({ code, reason, detail }) => refusals(1, { code, reason, issuer: String(detail['issuer'] ?? 'unknown') }),
    reserved: target => reserved(1, { target }),
    batch: records => batch(records),
    streamClosed: because => closed(1, { because }),
    revocations(run) {
      if (run.revoked > 0) revocations(run.revoked, { outcome: 'revoked' })
      if (run.failed > 0) revocations(run.failed, { outcome: 'failed' })
    },
    leaseCounts(counts) {
      counted = { counts, at: monotonic() }
    },
    rememberedLeases: read => telemetry.gauge(instruments.remembered, () => [[read()]]),
    keyAges: read =>
      telemetry.gauge(instruments.keyAge, () => Array.from(read(), ([issuer, age]) => [age / 1000, { issuer }])),
  }
}

function instrument(name: string, unit: string, description: string): Instrument {
  return { name, unit, description }
}

function byTarget(counts: ReadonlyMap<string, number> = new Map()) {
  return Array.from(counts, ([target, count]) => [count, { target }] as const)
}

function spanner(telemetry: Telemetry): InSpan {
  return async (name, traceParent, work) => {
    const span = telemetry.begin(name, traceParent)
    try {
      const came = await span.run(work)
      span.end(false)
      return came
    } catch (error) {
      const { code, reason } = toExchangeError(error)
      span.note({ code, reason })
      span.end(true)
      throw error
    }
  }
}
