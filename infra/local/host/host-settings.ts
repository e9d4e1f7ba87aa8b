import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const levels = ['trace', 'debug', 'information', 'warning', 'error', 'critical', 'none'] as const
const anyCase = (text: unknown) => (typeof text === 'string' ? text.toLowerCase() : text)

// -1 is host.json's word for "no limit".
const limit = z
  .int()
  .min(-1)
  .default(-1)
  .transform(count => (count === -1 ? Number.POSITIVE_INFINITY : count))

const http = z.object({
  routePrefix: z.string().default('api'),
  customHeaders: z.record(z.string(), z.string()).default({}),
  maxConcurrentRequests: limit,
  maxOutstandingRequests: limit,
})

const schema = z.object({
  version: z.literal('2.0'),
  extensions: z.object({ http: http.prefault({}) }).prefault({}),
  logging: z
    .object({
      logLevel: z.object({ default: z.preprocess(anyCase, z.enum(levels)).default('information') }).prefault({}),
    })
    .prefault({}),
})

/** The part of `host.json` that matters on one machine. */
export interface HostSettings {
  readonly routePrefix: string
  /** Names in lower case. */
  readonly customHeaders: Readonly<Record<string, string>>
  readonly maxConcurrentRequests: number
  readonly maxOutstandingRequests: number
  readonly logLevel: (typeof levels)[number]
}

/**
 * Reads `host.json` of an app. Ignored: `hsts` (ASP.NET sends it over https and never from localhost),
 * `functionTimeout` (the real host kills the worker), `healthMonitor`, `singleton` (one process runs the timers) and
 * telemetry. Requests are limited only where the file says so; the real defaults depend on the plan.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-host-json
 */
export async function readHostSettings(app: string): Promise<HostSettings> {
  const parsed = schema.safeParse(JSON.parse(await readFile(join(app, 'host.json'), 'utf8')))
  if (!parsed.success) throw new Error(`host.json: ${z.prettifyError(parsed.error)}`)
  const { extensions, logging } = parsed.data
  const customHeaders = Object.entries(extensions.http.customHeaders).map(([name, value]) => [
    name.toLowerCase(),
    value,
  ])
  return { ...extensions.http, customHeaders: Object.fromEntries(customHeaders), logLevel: logging.logLevel.default }
}
