import { AzureMonitorMetricExporter, AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter'
import { metrics, trace } from '@opentelemetry/api'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'

/** Ends the export: what was collected until then is sent first. */
export type EndExport = () => Promise<void>

/** Milliseconds between two exports of numbers. */
const numbersEvery = 60_000

/**
 * Sends what the gateway tells of itself by OpenTelemetry's API to Application Insights: spans in batches, numbers once
 * a minute, from the background. With `telemetryMode` the Functions host exports its own spans and not those of its
 * workers: https://learn.microsoft.com/azure/azure-functions/opentelemetry-howto. What cannot be sent is dropped and never
 * written to a disk. Call it before the gateway is opened.
 */
export function exportTelemetry(connectionString: string): EndExport {
  const options = { connectionString, disableOfflineStorage: true }
  const spans = new BasicTracerProvider({
    spanProcessors: [new BatchSpanProcessor(new AzureMonitorTraceExporter(options))],
  })
  const exporter = new AzureMonitorMetricExporter(options)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: numbersEvery })
  const numbers = new MeterProvider({ readers: [reader] })
  trace.setGlobalTracerProvider(spans)
  metrics.setGlobalMeterProvider(numbers)
  return async () => {
    await Promise.allSettled([spans.shutdown(), numbers.shutdown()])
  }
}
