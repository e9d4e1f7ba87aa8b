import { type ErrorCode, type Reason, statusOf, toExchangeError } from './errors.ts'
import type { Instrument, Labels, Telemetry, Watched } from './telemetry.ts'

/** The steps of the route that take time. */
export type Step = 'verify' | 'target' | 'decide' | 'lease' | 'record' | 'mint'

/** Milliseconds by step, of the steps that are over. */
export type Timings = Readonly<Partial<Record<Step, number>>>

/** What is told of an exchange while it goes on: ids and words of closed sets. What an id names is a document of an operator's. */
export interface Told {
  readonly issuer?: string
  /** Only once it was found: until then it is the caller's text. */
  readonly target?: string
  readonly provider?: string
  readonly lease?: string
  /** In the record's words, where there is one. `refused`: no identity was proved, or too often. */
  readonly outcome?: 'issued' | 'denied' | 'failed' | 'refused'
  readonly code?: ErrorCode
  readonly reason?: Reason
}

/** The trail that one exchange leaves. Nothing in it throws or waits. */
export interface Trail {
  readonly traceId: string | undefined
  /** The route goes on; the step before it is over. */
  enter(step: Step): void
  note(told: Told): void
  timings(): Timings
}

/** What is watched: an exchange with the caller's `traceparent`. */
export interface WatchedExchange {
  readonly decision: string
  readonly traceParent?: string | null | undefined
}

/** Runs an exchange under one span, with a span for each step, and counts what it came to. */
export type WatchExchange = <T extends { readonly outcome: 'issued' | 'refused' }>(
  asked: WatchedExchange,
  run: (trail: Trail) => Promise<T>,
) => Promise<T>

/** Seconds, as OpenTelemetry's conventions for HTTP have them. */
const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

const exchanges: Instrument = {
  name: 'causeway.exchanges',
  unit: '{exchange}',
  description: 'Exchanges by outcome and reason.',
}
const duration: Instrument = {
  name: 'causeway.exchange.duration',
  unit: 's',
  description: 'How long exchanges took.',
  boundaries,
}
const stepDuration: Instrument = {
  name: 'causeway.exchange.step.duration',
  unit: 's',
  description: 'How long the steps of exchanges took.',
  boundaries,
}

/** `monotonic` is in milliseconds. */
export function exchangeWatcher(telemetry: Telemetry, monotonic: () => number): WatchExchange {
  const count = telemetry.counter(exchanges)
  const takeDuration = telemetry.histogram(duration)
  const takeStep = telemetry.histogram(stepDuration)

  return async ({ decision, traceParent }, run) => {
    const span = telemetry.begin('causeway.exchange', traceParent)
    const trail = openTrail(span, { monotonic, takeStep })
    const startedAt = monotonic()
    const end = (told: Told) => {
      const { lease, ...labels } = trail.end(told)
      span.note({ decision_id: decision, lease_id: lease, ...labels })
      span.end(labels.outcome === 'failed')
      const { outcome, provider } = labels
      takeDuration((monotonic() - startedAt) / 1000, { outcome, provider })
      count(1, labels)
    }
    try {
      const came = await span.run(() => run(trail))
      end(came.outcome === 'issued' ? { outcome: 'issued' } : {})
      return came
    } catch (error) {
      const { code, reason } = toExchangeError(error)
      end({ outcome: trail.isVerifying() && statusOf[code] < 500 ? 'refused' : 'failed', code, reason })
      throw error
    }
  }
}

interface TrailParts {
  readonly monotonic: () => number
  readonly takeStep: (seconds: number, labels: Labels) => void
}

interface OpenTrail extends Trail {
  isVerifying(): boolean
  /** Ends the last step, and tells all that was noted. */
  end(told: Told): Told & Record<string, string>
}

function openTrail(span: Watched, { monotonic, takeStep }: TrailParts): OpenTrail {
  const timings: Partial<Record<Step, number>> = {}
  let noted: Told & Record<string, string> = {}
  let current: { readonly step: Step; readonly part: Watched; readonly since: number; failed: boolean } | undefined

  /** The first failure is that of the step which goes on now, and not of the record that tells of it. */
  function note(told: Told): void {
    if (current && told.outcome === 'failed' && noted.outcome !== 'failed') current.failed = true
    noted = { ...noted, ...told }
  }

  function leave(): void {
    if (!current) return
    const { step, part, since, failed } = current
    const took = monotonic() - since
    // A step that is entered again, as the second record is, took both times together.
    timings[step] = Math.round(((timings[step] ?? 0) + took) * 1000) / 1000
    part.end(failed)
    takeStep(took / 1000, { step, provider: noted.provider })
  }

  return {
    traceId: span.traceId,
    enter(step) {
      leave()
      current = { step, part: span.begin(`causeway.exchange.${step}`), since: monotonic(), failed: false }
    },
    note,
    timings: () => ({ ...timings }),
    isVerifying: () => current?.step === 'verify',
    end(told) {
      note(told)
      leave()
      current = undefined
      return noted
    },
  }
}
