import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { TLSSocket as ServerSocket, connect as secure } from 'node:tls'
import type { Certificate } from '../../infra/local/certificate-authority.ts'
import { bind } from '../../infra/local/listener.ts'
import type { Gate } from './gate.ts'
import { mysqlStep, type Step } from './steps.ts'

/** Stands before MariaDB and reads what passes: it ends the TLS of both sides. */
export interface MysqlProxy {
  readonly port: number
  /** What connects from now on passes this gate. */
  watch(gate: Gate | undefined): void
  stop(): Promise<void>
}

export interface MysqlProxyOptions {
  readonly server: { readonly port: number; readonly authority: string }
  readonly certificate: Certificate
}

export async function startMysqlProxy(options: MysqlProxyOptions): Promise<MysqlProxy> {
  const sockets = new Set<Socket>()
  let watching: Gate | undefined
  const listener = createServer(socket => {
    sockets.add(socket.once('close', () => sockets.delete(socket)).on('error', () => {}))
    carry(socket, watching, options).catch(() => socket.destroy())
  })
  return {
    port: await bind(listener, 0),
    watch(gate) {
      watching = gate
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => listener.close(resolve))
    },
  }
}

/** The server speaks first, and the client's answer asks for TLS: then both sides have it. */
async function carry(
  socket: Socket,
  gate: Gate | undefined,
  { server, certificate }: MysqlProxyOptions,
): Promise<void> {
  const plain = connect(server.port, 'localhost')
  const [greeting]: Buffer[] = await once(plain, 'data')
  socket.write(greeting ?? '')
  const [received = Buffer.alloc(4)]: Buffer[] = await once(socket, 'data')
  socket.pause()
  // What asks for TLS is one packet (three bytes of length, one of order). The handshake may have come along with it.
  const packet = 4 + received.readUIntLE(0, 3)
  plain.write(received.subarray(0, packet))
  if (received.length > packet) socket.unshift(received.subarray(packet))
  const client = new ServerSocket(socket, { isServer: true, ...certificate })
  const upstream = secure({ socket: plain, servername: 'localhost', ca: server.authority })
  client.on('error', () => {})
  upstream.on('error', () => {})
  // Ended and not destroyed: what was passed on before its sender died still arrives.
  client.once('close', () => upstream.end())
  upstream.once('close', () => client.destroy())
  await once(upstream, 'secureConnect')
  let step: Step | undefined
  const ask = async (chunk: Buffer) => {
    step = mysqlStep(chunk.toString('latin1'))
    if (step) await gate?.pass(step, 'before')
    upstream.write(chunk)
  }
  const answer = async (chunk: Buffer) => {
    if (step) await gate?.pass(step, 'after')
    client.write(chunk)
  }
  // The driver sends nothing before it has the answer, so nothing overtakes.
  client.on('data', chunk => void ask(chunk))
  upstream.on('data', chunk => void answer(chunk))
}
