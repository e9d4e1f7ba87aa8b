import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Cookie, HttpData, TypedData } from './programming-model.ts'

type Headers = Readonly<Record<string, string>>

/**
 * Answers with what the programming model made of a function's result; `custom` are the headers that host.json adds
 * where the function set none. A function that returned nothing answers 204.
 */
export function answer(response: ServerResponse, data: HttpData | null | undefined, custom: Headers): void {
  const status = data ? Number(data.statusCode) : 204
  const headers: OutgoingHttpHeaders = { ...custom, ...data?.headers }
  if (data?.cookies?.length) headers['set-cookie'] = data.cookies.map(toSetCookie)
  const body = readBytes(data?.body)
  if (mayHaveBody(status)) headers['content-length'] = body.byteLength
  response.writeHead(status, headers)
  response.end(body)
}

/** What the host answers by itself has no body. */
export function answerEmpty(response: ServerResponse, status: number, custom: Headers): void {
  response.writeHead(status, mayHaveBody(status) ? { ...custom, 'content-length': 0 } : custom)
  response.end()
}

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304
}

/** The programming model reads strings and streams to their end, and hands over bytes. */
function readBytes(body: TypedData | null | undefined): Uint8Array {
  return body?.bytes ?? body?.stream ?? Buffer.from(body?.string ?? body?.json ?? '')
}

const sameSite = { none: undefined, lax: 'Lax', strict: 'Strict', explicitNone: 'None' } as const

function toSetCookie(cookie: Cookie): string {
  const { name, value, expires, maxAge, domain, path, secure, httpOnly } = cookie
  const site = sameSite[cookie.sameSite ?? 'none']
  return [
    `${name}=${encodeURIComponent(value)}`,
    expires && `Expires=${new Date(expires.value.seconds * 1000).toUTCString()}`,
    maxAge && `Max-Age=${maxAge.value}`,
    domain && `Domain=${domain.value}`,
    path && `Path=${path.value}`,
    secure?.value && 'Secure',
    site && `SameSite=${site}`,
    httpOnly?.value && 'HttpOnly',
  ]
    .filter(Boolean)
    .join('; ')
}
