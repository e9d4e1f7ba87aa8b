import { appendFileSync, writeFileSync } from 'node:fs'
import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'

// Loaded by `node --import` before a function app, as an operator loads an SDK: writes every span and number to a file.
const file = process.env['TEST_TELEMETRY_FILE'] ?? ''
writeFileSync(file, '')

const write = (told: object) => appendFileSync(file, `${JSON.stringify(told)}\n`)
/** `ExportResultCode.SUCCESS`. */
const success = 0

const spans: SpanExporter = {
  export(ended, done) {
    for (const span of ended) {
      const { name, attributes, status, events, links, parentSpanContext: parent } = span
      write({ span: name, attributes, status, events, links, context: span.spanContext(), parent })
    }
    done({ code: success })
  },
  shutdown: async () => {},
}

const numbers: PushMetricExporter = {
  export({ scopeMetrics }, done) {
    for (const { descriptor, dataPoints } of scopeMetrics.flatMap(({ metrics }) => metrics)) {
      write({ metric: descriptor.name, descriptor, dataPoints })
    }
    done({ code: success })
  },
  forceFlush: async () => {},
  shutdown: async () => {},
  selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE,
}

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
// The host's own traces are not sampled, and every span is wanted.
const spanProcessors = [new SimpleSpanProcessor(spans)]
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors, sampler: new AlwaysOnSampler() }))
const reader = new PeriodicExportingMetricReader({
  exporter: numbers,
  exportIntervalMillis: 1_000,
  exportTimeoutMillis: 500,
})
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
