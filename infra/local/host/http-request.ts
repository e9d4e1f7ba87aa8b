import type { IncomingMessage } from 'node:http'
import type { HttpData } from './programming-model.ts'

// What Kestrel checks and Node does not: a Host with a slash in it would move the path.
const hostForm = /^[\w.:[\]-]+$/

/**
 * The address of a request, or undefined where it is not a valid one. Function code must not build on its host: here as
 * in Azure, the caller chose it.
 */
export function readUrl(request: IncomingMessage): URL | undefined {
  const target = request.url ?? '/'
  const host = request.headersDistinct['host']?.[0] ?? 'localhost'
  // Only the origin form (RFC 9112 section 3.2.1): nobody uses this host as a proxy.
  if (!target.startsWith('/') || !hostForm.test(host)) return undefined
  return URL.parse(`http://${host}${target}`) ?? undefined
}

/**
 * The request as the real host sends it to a worker: names in lower case, what was repeated joined with ",", a cookie
 * too. What Easy Auth would set (`x-ms-client-principal*`) passes untouched, as on any host without Easy Auth: it is
 * the caller's text.
 */
export function toHttpData(
  request: IncomingMessage,
  url: URL,
  params: Record<string, string>,
  body: Buffer | undefined,
): HttpData {
  return {
    method: request.method ?? 'GET',
    url: url.href,
    params,
    query: joinQuery(url),
    headers: joinHeaders(request),
    body: body ? { bytes: body } : null,
  }
}

function joinHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (values) headers[name] = values.join(',')
  }
  return addPeer(headers, request)
}

/** The App Service front end overwrites `client-ip` and appends to `x-forwarded-for`; both hold `ip:port`. */
function addPeer(headers: Record<string, string>, { socket }: IncomingMessage): Record<string, string> {
  const peer = `${socket.remoteAddress}:${socket.remotePort}`
  headers['client-ip'] = peer
  const forwarded = headers['x-forwarded-for']
  headers['x-forwarded-for'] = forwarded ? `${forwarded}, ${peer}` : peer
  return headers
}

const noQuery = Object.freeze({})

function joinQuery({ search, searchParams }: URL): Record<string, string> {
  if (search === '') return noQuery
  return Object.fromEntries(Array.from(searchParams.keys(), name => [name, searchParams.getAll(name).join(',')]))
}

/** A body that was read, or why not; a GET has none. */
export type Body = Buffer | undefined | 'too-large' | 'aborted'

/** Reads the whole body, as the real host does unless HTTP streams are on. What exceeds `limit` bytes is discarded. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Body> {
  const { 'content-length': length, 'transfer-encoding': chunked } = request.headersDistinct
  if (Number(length?.[0] ?? 0) > limit) return 'too-large'
  if (length === undefined && chunked === undefined) return undefined
  return collect(request, limit)
}

function collect(request: IncomingMessage, limit: number): Promise<Body> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) chunks.push(chunk)
      else resolve('too-large')
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', () => resolve('aborted'))
  })
}
