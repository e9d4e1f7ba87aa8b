import type { HttpRequest } from '@azure/functions'
import { ExchangeError } from '../shared/errors.ts'

/** A body of more bytes than this is refused: forms and rules alike. */
const maxBytes = 64 * 1024

/** The body of a form post. Throws `invalid_request` for another media type or more than 64 KiB. */
export async function readForm(request: HttpRequest): Promise<string> {
  const mediaType = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/x-www-form-urlencoded') {
    throw malformed('expected a body of application/x-www-form-urlencoded')
  }
  return readBody(request)
}

/** The body as text. Throws `invalid_request` for more than 64 KiB. */
export async function readBody(request: HttpRequest): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw malformed('expected 64 KiB at most')
  const body = await request.text()
  if (Buffer.byteLength(body) > maxBytes) throw malformed('expected 64 KiB at most')
  return body
}

function malformed(description: string): ExchangeError {
  return new ExchangeError('invalid_request', 'malformed_request', { description })
}
