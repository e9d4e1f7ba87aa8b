/** The OAuth errors that a caller may see (RFC 6749 section 5.2, RFC 8693 section 2.2.2; `invalid_client` on `/revoke` alone). */
export type ErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_target'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'slow_down'
  | 'temporarily_unavailable'
  | 'server_error'

/** The closed causes that the log holds. The caller never sees one. */
export const reasons = [
  // the form
  'malformed_request',
  'unsupported_grant_type',
  // the subject token
  'token_malformed',
  'token_algorithm',
  'token_header',
  'issuer_unknown',
  'issuer_disabled',
  'issuer_ambiguous',
  'issuer_unreadable',
  'token_audience',
  'token_expired',
  'token_not_yet_valid',
  'token_too_old',
  'token_claims',
  'token_unbound',
  'token_key_unknown',
  'token_signature',
  'token_not_live',
  'actor_missing',
  'actor_not_allowed',
  'rate_limited',
  // the target and the decision
  'target_unknown',
  'target_ambiguous',
  'target_disabled',
  'target_unreadable',
  'token_type_mismatch',
  'rule_unreadable',
  'scope_unknown',
  'scope_missing',
  'scope_not_granted',
  'condition_not_met',
  'denied_by_rule',
  'locked_down',
  'no_rule',
  // what was needed and was not there
  'issuer_keys_unavailable',
  'token_review_unavailable',
  'documents_unavailable',
  'snapshot_stale',
  'record_unavailable',
  'record_too_large',
  'secret_not_found',
  'secret_disabled',
  'secret_expired',
  'secret_not_yet_valid',
  'secret_malformed',
  'secret_forbidden',
  'secret_reserved',
  'vault_unknown',
  'vault_throttled',
  'vault_unavailable',
  'lease_unavailable',
  'lease_pending',
  'lease_generations',
  'quota_exhausted',
  'accounts_over_budget',
  'mints_over_budget',
  'lease_lost',
  'scopes_not_combinable',
  'target_unavailable',
  'target_full',
  'target_refused',
  'server_changed',
  'sessions_busy',
  'mint_too_late',
  'deadline',
  'internal',
] as const
export type Reason = (typeof reasons)[number]

/** What an {@link ExchangeError} may carry beside its code and reason. */
export interface ErrorDetail {
  /** Helps the caller mend its own request. Never a target, vault, host or SDK message. */
  readonly description?: string
  /** Seconds after which asking again makes sense: `Retry-After`. */
  readonly retryAfter?: number
  /** For the log: SDK codes and statuses, bounded text, never a secret or a token. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>
  readonly cause?: unknown
}

/** The one error that crosses a folder: a code for the caller, a closed reason for the log. */
export class ExchangeError extends Error {
  readonly code: ErrorCode
  readonly reason: Reason
  readonly description: string | undefined
  readonly retryAfter: number | undefined
  readonly detail: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, reason: Reason, { description, retryAfter, detail, cause }: ErrorDetail = {}) {
    super(reason, { cause })
    this.name = 'ExchangeError'
    this.code = code
    this.reason = reason
    this.description = description
    this.retryAfter = retryAfter
    this.detail = detail ?? {}
  }
}

/** A mint that failed where it is certain that no account was made: the target was not reached, or rolled back. */
export class NotMinted extends ExchangeError {}

/** The same error with more for the log, where it is one of ours. */
export function withDetail(error: unknown, detail: ErrorDetail['detail']): unknown {
  if (!(error instanceof ExchangeError)) return error
  const { code, reason, description, retryAfter, cause } = error
  const told = { ...(description !== undefined && { description }), ...(retryAfter !== undefined && { retryAfter }) }
  return new ExchangeError(code, reason, { ...told, cause, detail: { ...detail, ...error.detail } })
}

/** HTTP status by code: the only such table. */
export const statusOf: Readonly<Record<ErrorCode, number>> = {
  invalid_request: 400,
  invalid_client: 400,
  invalid_target: 400,
  invalid_scope: 400,
  unsupported_grant_type: 400,
  slow_down: 429,
  temporarily_unavailable: 503,
  server_error: 500,
}

/** A dependency is down: 503, asking again soon is right. */
export function unavailable(reason: Reason, detail: ErrorDetail = {}): ExchangeError {
  return new ExchangeError('temporarily_unavailable', reason, { retryAfter: 2, ...detail })
}

/** Anything that is not an {@link ExchangeError} is a bug, and tells the caller nothing. */
export function toExchangeError(error: unknown): ExchangeError {
  return error instanceof ExchangeError ? error : new ExchangeError('server_error', 'internal', { cause: error })
}

/**
 * What the log may hold of a foreign error: its name, code and status, never its text, since SDK messages quote
 * requests, hosts and secrets. An unknown shape becomes `{ error: "unknown" }`.
 */
export function describeCause(cause: unknown): Readonly<Record<string, string | number>> {
  if (!(cause instanceof Error)) return { error: 'unknown' }
  const { code, statusCode, status } = cause as { code?: unknown; statusCode?: unknown; status?: unknown }
  const described: Record<string, string | number> = { error: cause.name.slice(0, 64) }
  if (typeof code === 'string' || typeof code === 'number') described['code'] = String(code).slice(0, 64)
  const http = statusCode ?? status
  if (typeof http === 'number') described['status'] = http
  return described
}
