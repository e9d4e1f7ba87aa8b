import { describeCause, type ErrorDetail, ExchangeError, NotMinted, type Reason, unavailable } from '../errors.ts'
import { asNotMinted } from './not-minted.ts'
import { tooLate } from './postgresql-statements.ts'

/**
 * The SQLSTATE with which the server answered, or undefined where it did not answer. The shape tells, since `EPIPE`
 * from a dead socket has five capitals as well.
 */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The failure of a mint that had not sent its statements: nothing was made. */
export function failureBeforeMint(error: unknown): NotMinted {
  if (error instanceof ExchangeError) return asNotMinted(error)
  return isFull(error)
    ? new NotMinted('slow_down', 'target_full', described(error))
    : new NotMinted('temporarily_unavailable', reasonOf(error), described(error))
}

/** The failure of a mint whose statements were sent: an error answer means that they were rolled back. */
export function failureOfMint(error: unknown): ExchangeError {
  const state = sqlStateOf(error)
  if (state === undefined || endsTheSession(state)) return unavailable('target_unavailable', described(error))
  if (state === tooLate) return new NotMinted('temporarily_unavailable', 'mint_too_late', described(error))
  // duplicate_object, or unique_violation where two create it at once: somebody else is this account's minter.
  if (state === '42710' || state === '23505') return new ExchangeError('server_error', 'internal', described(error))
  return failureBeforeMint(error)
}

/** The failure of anything that can be asked again. */
export function failureOfQuery(error: unknown): ExchangeError {
  return error instanceof ExchangeError ? error : unavailable(reasonOf(error), described(error))
}

/** The failure of a revocation. Once `signal` broke its connection off, the driver's error tells nothing of the server. */
export function failureOfRevocation(error: unknown, signal: AbortSignal): ExchangeError {
  return signal.aborted && !(error instanceof ExchangeError) ? unavailable('deadline') : failureOfQuery(error)
}

/** Operator intervention, a lost connection, transaction_timeout: the server may say so after it has committed. */
function endsTheSession(state: string): boolean {
  return state.startsWith('57P') || state.startsWith('08') || state === '25P04'
}

/**
 * It bears no more, and asking again later helps: too_many_connections, or program_limit_exceeded, where the list of
 * those who have rights on an object is as long as a row may be.
 */
function isFull(error: unknown): boolean {
  return ['53300', '54000'].includes(sqlStateOf(error) ?? '')
}

/**
 * A server that is down, full or does not let us in is unavailable; one that says no to a statement refuses. So does one
 * that has no memory for a statement (out_of_memory): it is about this account, which has too much to drop at once.
 */
function reasonOf(error: unknown): Reason {
  const state = sqlStateOf(error)
  return state === undefined || endsTheSession(state) || /^(28|53(?!200))/.test(state)
    ? 'target_unavailable'
    : 'target_refused'
}

/** No `cause`: the driver's texts quote hosts, users and statements. `answer`: a socket's codes may look like SQLSTATEs. */
function described(error: unknown): ErrorDetail {
  const answer = sqlStateOf(error)
  return { retryAfter: 2, detail: { ...describeCause(error), ...(answer !== undefined && { answer }) } }
}
