import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { App } from './app.ts'
import { readBody, readUrl, toHttpData } from './http-request.ts'
import { answer, answerEmpty } from './http-response.ts'
import { invoke } from './invoke.ts'
import { describe } from './log.ts'
import { createRoutes, type FindRoute, type Match } from './routes.ts'
import { createThrottle, type Throttle } from './throttle.ts'
import { createTraceContext } from './trace-context.ts'

export interface HttpServer {
  readonly url: string
  /** Accepts nothing new; resolves when everything accepted has been answered. */
  close(): Promise<void>
}

export interface ServeOptions {
  /** 0 is any free port. */
  readonly port: number
  /** Bytes; a larger body answers 413. */
  readonly bodyLimit: number
}

interface Serving {
  readonly app: App
  readonly find: FindRoute
  readonly throttle: Throttle
  readonly bodyLimit: number
  /** What every response carries. */
  readonly headers: () => Readonly<Record<string, string>>
}

// What Kestrel takes; Node's own 16 KiB would refuse tokens that Azure lets through.
const maxHeaderSize = 32 * 1024
// Longer than clients keep a connection, so that it is always they who drop one.
const keepAliveTimeout = 65_000

/**
 * Serves the HTTP functions of an app on 127.0.0.1. As with Core Tools, no `authLevel` is enforced. Throws "port N is
 * in use" where it is.
 */
export async function serve(app: App, { port, bodyLimit }: ServeOptions): Promise<HttpServer> {
  const find = createRoutes(app.functions.values(), app.settings.routePrefix)
  const server = createServer({ maxHeaderSize, keepAliveTimeout })
  const { customHeaders } = app.settings
  // A connection that outlived the listener would keep the host from stopping.
  const headers = () => (server.listening ? customHeaders : { ...customHeaders, connection: 'close' })
  const serving: Serving = { app, find, throttle: createThrottle(app.settings), bodyLimit, headers }
  server.on('request', (request, response) => void serveRequest(serving, request, response))
  const bound = await bind(server, port)
  return { url: `http://localhost:${bound}`, close: () => new Promise(resolve => server.close(() => resolve())) }
}

function bind(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new Error(`port ${port} is in use`) : error)
    })
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

async function serveRequest(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { throttle, find, headers } = serving
  const url = readUrl(request)
  if (!url) return answerEmpty(response, 400, headers())
  const match = find(request.method ?? 'GET', url.pathname)
  if (!match) return answerEmpty(response, 404, headers())
  if (!(await throttle.enter())) return answerEmpty(response, 429, headers())
  try {
    await run(serving, match, url, request, response)
  } catch (error) {
    fail(serving, match, error, response)
  } finally {
    throttle.leave()
  }
}

async function run(
  { app, bodyLimit, headers }: Serving,
  { route, params }: Match,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request, bodyLimit)
  if (body === 'aborted') return
  if (body === 'too-large') return answerEmpty(response, 413, headers())
  const http = toHttpData(request, url, params, body)
  const traceContext = createTraceContext(http.headers?.['traceparent'], http.headers?.['tracestate'])
  const result = await invoke(app, { called: route.called, trigger: route.trigger, data: { http }, traceContext })
  answer(response, result?.http, headers())
}

function fail({ app, headers }: Serving, { route }: Match, error: unknown, response: ServerResponse): void {
  app.print('error', `function ${route.called.metadata.name} failed: ${describe(error)}`)
  if (response.headersSent) response.destroy()
  else answerEmpty(response, 500, headers())
}
