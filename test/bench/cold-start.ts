import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context, Part } from './part.ts'
import { exchangeOf, type Form } from './requests.ts'
import { median, spread } from './statistics.ts'

/** From the start of a gateway's process to its first credential, beside a `node` that has nothing to do. */
export const coldStart: Part = {
  names: ['cold_start.ms', 'cold_start.ratio'],
  async run(context) {
    const { plan, stage, progress } = context
    const world = await stage.surroundings()
    const form = await exchangeOf(world, { serviceAccount: 'billing/batch', target: 'mainframe-ftp' })
    const starts: Start[] = []
    await start(context, form)
    for (let number = 1; number <= plan.starts; number++) {
      starts.push(await start(context, form))
      progress(`cold_start.ms: start ${number} of ${plan.starts}`)
    }
    const of = (pick: (start: Start) => number) => starts.map(pick)
    const answered = of(({ answered }) => answered)
    const ratios = of(({ answered, bare }) => answered / bare)
    const detail = `listening after ${median(of(({ listening }) => listening)).toFixed(0)} ms, the first exchange by itself ${median(of(({ answered, listening }) => answered - listening)).toFixed(0)} ms`
    const bare = `a bare node takes ${median(of(({ bare }) => bare)).toFixed(0)} ms`
    return [
      { name: 'cold_start.ms', value: median(answered), unit: 'ms', spread: spread(answered), detail },
      { name: 'cold_start.ratio', value: median(ratios), unit: 'of a bare node', spread: spread(ratios), detail: bare },
    ]
  },
}

/** Milliseconds since each process's own start. */
interface Start {
  /** A `node` that does nothing has ended. */
  readonly bare: number
  readonly listening: number
  /** The first `POST /token` was answered with 200. */
  readonly answered: number
}

async function start({ stage }: Context, form: Form): Promise<Start> {
  const bare = await bareNode()
  const startedAt = performance.now()
  const gateway = await stage.freshGateway()
  try {
    const listening = performance.now() - startedAt
    await firstAnswer(gateway.url, form)
    return { bare, listening, answered: performance.now() - startedAt }
  } finally {
    await gateway.stop()
  }
}

async function bareNode(): Promise<number> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`node -e 0 exited with ${code}`)
  return performance.now() - startedAt
}

/** How long a gateway may take to issue its first credential, and how long to wait before asking again. */
const patience = 30_000
const interval = 2

/** Asks until a credential is issued: a gateway that has only just started may say 503. */
async function firstAnswer(url: string, form: Form): Promise<void> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const givesUp = performance.now() + patience
  for (;;) {
    const response = await fetch(`${url}/token`, { method: 'POST', headers, body: form })
    const text = await response.text()
    if (response.status === 200) return
    const waits = response.status === 503 && performance.now() < givesUp
    if (!waits) throw new Error(`${url}/token: expected 200, got ${response.status}: ${text}`)
    await pause(interval)
  }
}
