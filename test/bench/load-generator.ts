import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Answered, Load, Report } from './load.ts'
import { quantile } from './statistics.ts'

// The process that makes the load. It speaks HTTP/1.1 over bare sockets, since `node:http` would use up a good part of
// the core that the measured process needs as well.

/** A caller that hears nothing for so long gives up, in milliseconds. */
const patience = 30_000

process.on('message', (load: Load) => {
  generate(load)
    .catch((error: unknown): Report => ({ failed: error instanceof Error ? error.message : String(error) }))
    .then(report => process.send?.(report))
    .catch(() => process.exit(1))
})
process.on('disconnect', () => process.exit(0))

/** What all callers of a load share. */
interface Run {
  readonly next: () => Buffer | undefined
  readonly expected: number
  readonly latencies: number[]
  refused?: string
}

async function generate({ url, forms, callers, until, expected = 200 }: Load): Promise<Report> {
  const place = new URL(url)
  const requests = forms.map(form => toRequest(place, form))
  const sockets = await Promise.all(Array.from({ length: callers }, () => open(place)))
  const before = process.cpuUsage()
  const startedAt = performance.now()
  const run: Run = { next: giver(requests, until), expected, latencies: [] }
  try {
    await Promise.all(sockets.map(socket => call(socket, run)))
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  const elapsed = performance.now() - startedAt
  const { user, system } = process.cpuUsage(before)
  if (run.refused !== undefined) return { refused: run.refused }
  return { done: summary(run.latencies, elapsed, (user + system) / 1000 / elapsed) }
}

function summary(latencies: readonly number[], elapsed: number, generatorShare: number): Answered {
  const at = (share: number) => quantile(latencies, share)
  return {
    answers: latencies.length,
    rate: (latencies.length / elapsed) * 1000,
    latency: { p25: at(0.25), p50: at(0.5), p75: at(0.75), p99: at(0.99) },
    generatorShare,
  }
}

/** Gives out requests in turn until it is over. */
function giver(requests: readonly Buffer[], until: Load['until']): Run['next'] {
  const ends = 'seconds' in until ? performance.now() + until.seconds * 1000 : Number.POSITIVE_INFINITY
  const limit = 'requests' in until ? until.requests : Number.POSITIVE_INFINITY
  let given = 0
  return () => (given < limit && performance.now() < ends ? requests[given++ % requests.length] : undefined)
}

async function open({ hostname, port }: URL): Promise<Socket> {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  return socket
}

function toRequest({ host, pathname }: URL, form: string): Buffer {
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `host: ${host}`,
    'content-type: application/x-www-form-urlencoded',
    `content-length: ${Buffer.byteLength(form)}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${form}`)
}

/** One caller: asks, waits for the whole answer, asks again. Stops all callers at the first answer that was not expected. */
function call(socket: Socket, run: Run): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let received: Buffer = Buffer.alloc(0)
  let sentAt = 0
  const ask = () => {
    const request = run.refused === undefined ? run.next() : undefined
    if (!request) return resolve()
    sentAt = performance.now()
    socket.write(request)
  }
  const take = (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const answer = readAnswer(received)
    if (!answer) return
    received = Buffer.alloc(0)
    if (answer.status === run.expected) run.latencies.push(performance.now() - sentAt)
    else run.refused ??= `${answer.status}: ${answer.body}`
    ask()
  }
  socket.on('data', chunk => {
    try {
      take(chunk)
    } catch (error) {
      reject(error)
    }
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the connection was closed before the answer was whole')))
  socket.setTimeout(patience, () => reject(new Error(`no answer for ${patience / 1000} s`)))
  ask()
  return promise
}

/** An answer that has a length, as all of the local host's have; undefined until it is whole. */
function readAnswer(received: Buffer): { readonly status: number; readonly body: string } | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = received.toString('latin1', 0, end)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) throw new Error('an answer without a content-length')
  const whole = end + 4 + Number(length)
  if (received.length < whole) return undefined
  const status = Number(head.slice(9, 12))
  return { status, body: received.toString('utf8', end + 4, whole).slice(0, 500) }
}
