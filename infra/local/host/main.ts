import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type App, startApp } from './app.ts'
import { exitWithParent, obeyParent } from './control.ts'
import { describe } from './log.ts'
import { type HttpServer, serve } from './server.ts'
import { createTimers, type Timers } from './timers.ts'

// The process `node infra/local/host/main.ts --app DIR --port N`: one function app, until it is told to stop.

// What the real host allows (WorkerConstants). Together they stay below the ten seconds after which a parent kills.
const drainGrace = 5_000
const terminateGrace = 4_000
// ScriptConstants.DefaultMaxRequestBodySize.
const defaultBodyLimit = 104_857_600

interface Running {
  readonly app: App
  readonly server: HttpServer
  readonly timers: Timers
}

async function start(): Promise<void> {
  const { app: directory, port } = parseArgs({
    options: { app: { type: 'string', default: '.' }, port: { type: 'string', default: '0' } },
  }).values
  const letGo = exitWithParent()
  const app = await startApp(resolve(directory))
  const timers = createTimers(app)
  const server = await serve(app, { port: Number(port), bodyLimit: readBodyLimit() })
  letGo()
  obeyParent({ runTimer: timers.run, stop: onlyOnce(() => stop({ app, server, timers })) })
  timers.start()
  process.stdout.write(`${JSON.stringify({ listening: server.url })}\n`)
}

/** The one setting of the app that is the host's. */
function readBodyLimit(): number {
  const text = process.env['FUNCTIONS_REQUEST_BODY_SIZE_LIMIT'] ?? String(defaultBodyLimit)
  if (!/^\d+$/.test(text)) throw new Error(`FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: "${text}" is not a number of bytes`)
  return Number(text)
}

/** What runs may end, then the app may clean up; each within its grace. Exits 0 only if the app did. */
async function stop({ app, server, timers }: Running): Promise<never> {
  const drained = Promise.all([server.close(), timers.stop()])
  if (!(await within(drainGrace, drained))) app.print('warning', 'stopping although functions are still running')
  try {
    if (await within(terminateGrace, app.terminate())) process.exit(0)
    app.print('error', 'the appTerminate hooks did not end in time')
  } catch (error) {
    app.print('error', `an appTerminate hook failed: ${describe(error)}`)
  }
  process.exit(1)
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), delay(milliseconds, false)])
}

function onlyOnce(act: () => Promise<never>): () => void {
  let begun = false
  return () => {
    if (begun) return
    begun = true
    void act()
  }
}

try {
  await start()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
