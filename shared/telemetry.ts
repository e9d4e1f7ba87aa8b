import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  metrics,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'

/** What a span or a number is about: ids of documents and words of closed sets. Never a secret, a token, a claim or a host. */
export type Labels = Readonly<Record<string, string | number | undefined>>

/** Takes one number. */
export type Take = (value: number, labels?: Labels) => void

/** What an instrument is called, in what it counts (UCUM), and what that is. */
export interface Instrument {
  readonly name: string
  readonly unit: string
  readonly description: string
  /** Of a histogram: where its buckets end. */
  readonly boundaries?: readonly number[]
}

/** A piece of work that is watched. */
export interface Watched {
  /** Of the trace that it belongs to, where there is one. */
  readonly traceId: string | undefined
  note(labels: Labels): void
  /** A part of it that begins now. */
  begin(name: string): Watched
  /** Does the work within it, once; spans that others make meanwhile belong to it. */
  run<T>(work: () => Promise<T>): Promise<T>
  end(failed: boolean): void
}

/**
 * OpenTelemetry, by its API alone: an app that registers no SDK pays for calls that do nothing. Whatever the registered
 * SDK throws is swallowed here, so that nothing that is watched fails by being watched.
 */
export interface Telemetry {
  counter(instrument: Instrument): Take
  histogram(instrument: Instrument): Take
  /** `read` is called whenever somebody collects. */
  gauge(instrument: Instrument, read: () => Iterable<readonly [value: number, labels?: Labels]>): void
  /** Within the caller's trace, where its `traceparent` (W3C Trace Context) tells one. */
  begin(name: string, traceParent: string | null | undefined): Watched
}

const scope = 'causeway'

export function openTelemetry(): Telemetry {
  const meter = quietly(() => metrics.getMeter(scope))
  return {
    counter({ name, ...options }) {
      const counter = quietly(() => meter?.createCounter(name, options))
      return (value, labels) => void quietly(() => counter?.add(value, labels && attributesOf(labels)))
    },
    histogram({ name, boundaries, ...options }) {
      const advice = boundaries && { advice: { explicitBucketBoundaries: [...boundaries] } }
      const histogram = quietly(() => meter?.createHistogram(name, { ...options, ...advice }))
      return (value, labels) => void quietly(() => histogram?.record(value, labels && attributesOf(labels)))
    },
    gauge({ name, ...options }, read) {
      quietly(() => {
        meter?.createObservableGauge(name, options).addCallback(result => {
          quietly(() => {
            for (const [value, labels] of read()) result.observe(value, labels && attributesOf(labels))
          })
        })
      })
    },
    begin: (name, traceParent) => beginIn(quietly(() => parentOf(traceParent)) ?? ROOT_CONTEXT, name),
  }
}

function beginIn(parent: Context, name: string): Watched {
  const span = quietly(() => trace.getTracer(scope).startSpan(name, {}, parent))
  const own = quietly(() => span && trace.setSpan(parent, span)) ?? parent
  const isRecorded = quietly(() => span?.isRecording()) === true
  const watched: Watched = {
    traceId: traceIdOf(span) ?? traceIdOf(trace.getSpan(parent)),
    note: labels => void (isRecorded && quietly(() => span?.setAttributes(attributesOf(labels)))),
    // What is not recorded stands for its parts as well: whatever is said of it comes to nothing.
    begin: part => (isRecorded ? beginIn(own, part) : watched),
    run<T>(work: () => Promise<T>): Promise<T> {
      let came: Promise<T> | undefined
      const once = () => (came ??= (async () => work())())
      // Whether the context was entered or not, and whatever entering it threw: the work is done, once.
      void quietly(() => context.with(own, once))
      return once()
    },
    end(failed) {
      // Without a text: what failed is in the labels.
      if (failed) quietly(() => span?.setStatus({ code: SpanStatusCode.ERROR }))
      quietly(() => span?.end())
    },
  }
  return watched
}

/** The span of an instrumented host, where there is one; else what the host was told (W3C Trace Context section 3.2). */
function parentOf(traceParent: string | null | undefined): Context {
  const active = quietly(() => context.active())
  if (active && trace.getSpan(active)) return active
  const [, traceId = '', spanId = '', flags = ''] = traceParentForm.exec(traceParent ?? '') ?? []
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT
}

const traceParentForm = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

function traceIdOf(span: Span | undefined): string | undefined {
  const spanContext = quietly(() => span?.spanContext())
  return spanContext && isSpanContextValid(spanContext) ? spanContext.traceId : undefined
}

function attributesOf(labels: Labels): Attributes {
  const attributes: Attributes = {}
  for (const name in labels) if (labels[name] !== undefined) attributes[`${scope}.${name}`] = labels[name]
  return attributes
}

function quietly<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}
