import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { TLSSocket as ServerSocket, connect as secure, type TLSSocket } from 'node:tls'
import type { Certificate } from '../../infra/local/certificate-authority.ts'
import { bind } from '../../infra/local/listener.ts'
import type { LocalPostgresql } from '../../infra/local/postgresql/server.ts'
import type { Gate } from './gate.ts'
import { type Step, statementStep } from './steps.ts'

/** Stands before PostgreSQL and reads what passes: it ends the TLS of both sides. */
export interface PostgresqlProxy {
  readonly port: number
  /** The messages of the process that runs with these `PGOPTIONS` pass this gate; those of others go on as they come. */
  attach(gate: Gate): { readonly PGOPTIONS: string }
  stop(): Promise<void>
}

export async function startPostgresqlProxy(
  server: LocalPostgresql,
  certificate: Certificate,
): Promise<PostgresqlProxy> {
  const gates: Gate[] = []
  const sockets = new Set<Socket>()
  const listener = createServer(socket => {
    sockets.add(socket.once('close', () => sockets.delete(socket)).on('error', () => {}))
    carry(socket, { server, certificate, gates }).catch(() => socket.destroy())
  })
  const port = await bind(listener, 0)
  return {
    port,
    attach: gate => ({ PGOPTIONS: `-c crash.process=${gates.push(gate)}.` }),
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => listener.close(resolve))
    },
  }
}

interface Way {
  readonly server: LocalPostgresql
  readonly certificate: Certificate
  readonly gates: readonly Gate[]
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html : SSLRequest. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

async function carry(socket: Socket, { server, certificate, gates }: Way): Promise<void> {
  await once(socket, 'data')
  socket.pause()
  socket.write('S')
  const client = new ServerSocket(socket, { isServer: true, ...certificate })
  client.on('error', () => {})
  const [startup]: Buffer[] = await once(client, 'data')
  client.pause()
  const upstream = await connectSecurely(server)
  // Ended and not destroyed: what was passed on before its sender died still arrives.
  client.once('close', () => upstream.end())
  upstream.once('close', () => client.destroy())
  if (startup) exchangeMessages({ client, upstream, startup, gate: gateOf(startup, gates) })
}

async function connectSecurely({ host, port, certificate: ca }: LocalPostgresql): Promise<TLSSocket> {
  const socket = connect(port, host)
  socket.write(sslRequest)
  await once(socket, 'data')
  const upstream = secure({ socket, servername: host, ca, allowPartialTrustChain: true })
  upstream.on('error', () => {})
  await once(upstream, 'secureConnect')
  return upstream
}

function gateOf(startup: Buffer, gates: readonly Gate[]): Gate | undefined {
  const [, number] = /crash\.process=(\d+)\./.exec(startup.toString('latin1')) ?? []
  return gates[Number(number) - 1]
}

interface Connection {
  readonly client: TLSSocket
  readonly upstream: TLSSocket
  readonly startup: Buffer
  readonly gate: Gate | undefined
}

/** The driver sends nothing before it has the answer, so an answer belongs to the step that was begun last. */
function exchangeMessages({ client, upstream, startup, gate }: Connection): void {
  let step: Step | undefined
  const ask = inOrder(async chunk => {
    const begun = chunk === startup ? 'database login' : statementStep(chunk.toString('latin1'))
    step = begun ?? step
    if (begun) await gate?.pass(begun, 'before')
    upstream.write(chunk)
  })
  const answer = inOrder(async chunk => {
    const ended = isReady(chunk) ? step : undefined
    if (ended) step = undefined
    if (ended) await gate?.pass(ended, 'after')
    client.write(chunk)
  })
  ask(startup)
  client.on('data', ask).resume()
  upstream.on('data', answer)
}

/** Each chunk waits for the one before it. */
function inOrder(pass: (chunk: Buffer) => Promise<void>): (chunk: Buffer) => void {
  let last = Promise.resolve()
  return chunk => {
    last = last.then(() => pass(chunk))
  }
}

/** ReadyForQuery at its end: all that was asked for is done. */
function isReady(chunk: Buffer): boolean {
  return chunk.length >= 6 && chunk.readUInt8(chunk.length - 6) === 0x5a && chunk.readUInt32BE(chunk.length - 5) === 5
}
