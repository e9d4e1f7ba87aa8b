import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Server, Socket } from 'node:net'
import type { Certificate } from './certificate-authority.ts'

/** A server listening on loopback. `stop` ends open connections too, so that nothing outlives its owner. */
export interface Listener {
  readonly port: number
  readonly url: string
  stop(): Promise<void>
}

/** Where to listen: `port` 0 (the default) is any free port; with a certificate it speaks https, without it plain http. */
export interface ListenOptions {
  readonly port?: number
  readonly certificate?: Certificate
}

// Longer than clients are quiet. Node's own 5 s closes connections that a client is about to use again, and the client
// of Cosmos DB does not retry a write whose connection was reset.
const keepAliveTimeout = 65_000

/** Listens on 127.0.0.1 only. Throws "port N is in use" where it is. */
export async function listen(handle: RequestListener, options: ListenOptions = {}): Promise<Listener> {
  const { port = 0, certificate } = options
  const server = certificate
    ? createHttpsServer({ ...certificate, keepAliveTimeout }, handle)
    : createHttpServer({ keepAliveTimeout }, handle)
  const sockets = socketsOf(server)
  const bound = await bind(server, port)
  const url = `${certificate ? 'https' : 'http'}://localhost:${bound}`
  return { port: bound, url, stop: () => stop(server, sockets) }
}

/** Binds to loopback and tells the port. Throws "port N is in use" where it is. */
export function bind(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new Error(`port ${port} is in use`) : error)
    })
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

/** The server's own list knows no connection that is still at its TLS handshake. */
function socketsOf(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

function stop(server: HttpServer, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close(error =>
      error && 'code' in error && error.code !== 'ERR_SERVER_NOT_RUNNING' ? reject(error) : resolve(),
    )
    for (const socket of sockets) socket.destroy()
  })
}
