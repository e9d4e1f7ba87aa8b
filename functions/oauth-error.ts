import type { HttpResponseInit, InvocationContext } from '@azure/functions'
import { describeCause, type ErrorCode, type ExchangeError, statusOf, toExchangeError } from '../shared/errors.ts'
import { jsonAnswer } from './answer.ts'

/** What a caller is told of an error. */
interface Told {
  readonly code: ErrorCode
  readonly description?: string | undefined
  readonly retryAfter?: number | undefined
}

/** An OAuth error (RFC 6749 section 5.2), with the id by which an operator finds it. */
export function errorAnswer({ code, description, retryAfter }: Told, decision: string): HttpResponseInit {
  const body = { error: code, ...(description && { error_description: asciiText(description) }), decision_id: decision }
  const headers = retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter)) }
  return jsonAnswer(statusOf[code], body, headers)
}

/** 405: this endpoint has one method (RFC 9110 section 15.5.6). */
export function methodNotAllowed(allow: string, decision: string): HttpResponseInit {
  const body = { error: 'invalid_request', error_description: `expected ${allow}`, decision_id: decision }
  return jsonAnswer(405, body, { allow })
}

/**
 * One line about what was no fault of the caller's: with Cosmos DB down there is no record that would tell. Never the text
 * of a foreign error: of a bug, only where it happened. What was the caller's own is counted or on the record, and a flood
 * of it prints nothing.
 */
export function logFailure(error: unknown, decision: string, context: InvocationContext): ExchangeError {
  const failure = toExchangeError(error)
  if (statusOf[failure.code] < 500) return failure
  const { code, reason, detail, cause } = failure
  const frames = code === 'server_error' && cause instanceof Error && cause.stack?.match(/^ {4}at .*$/gm)?.slice(0, 8)
  // As in the record, beside our own code and reason and never over them: an SDK's error has a `code` too.
  const described = { ...(cause !== undefined && describeCause(cause)), ...detail }
  context.warn(JSON.stringify({ level: 'warn', decision, code, reason, detail: described, ...(frames && { frames }) }))
  return failure
}

/** RFC 6749 section 5.2: visible ASCII without quotation mark and backslash. */
function asciiText(text: string): string {
  return text.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?')
}
