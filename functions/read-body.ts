import type { HttpRequest } from '@azure/functions'
import { ExchangeError } from '../shared/errors.ts'

/** A form of more bytes than this is refused. */
const formBytes = 64 * 1024

/** The body of a form post. Throws `invalid_request` for another media type or more than 64 KiB. */
export async function readForm(request: HttpRequest): Promise<string> {
  const mediaType = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/x-www-form-urlencoded') {
    throw malformed('expected a body of application/x-www-form-urlencoded')
  }
  return readBody(request, formBytes)
}

/** The body as text. Throws `invalid_request` for more than `maxBytes`. */
export async function readBody(request: HttpRequest, maxBytes: number): Promise<string> {
  const expected = `expected ${maxBytes / 1024} KiB at most`
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw malformed(expected)
  const body = await request.text()
  if (Buffer.byteLength(body) > maxBytes) throw malformed(expected)
  return body
}

/** The body as JSON; undefined where it is none, and the parser's words would quote it. Throws as {@link readBody} does. */
export async function readJson(request: HttpRequest, maxBytes: number): Promise<unknown> {
  const text = await readBody(request, maxBytes)
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function malformed(description: string): ExchangeError {
  return new ExchangeError('invalid_request', 'malformed_request', { description })
}
