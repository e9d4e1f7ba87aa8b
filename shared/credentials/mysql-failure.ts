import { describeCause, type ErrorDetail, ExchangeError, NotMinted, type Reason, unavailable } from '../errors.ts'
import { tooLate } from './mysql-statements.ts'
import { asNotMinted } from './not-minted.ts'

/** ER_CANNOT_USER: the account is there already, or not there any more. */
export const cannotUser = 1396

/**
 * The number with which the server answered, or undefined where it did not answer: the numbers of dead sockets are
 * negative, and the driver's own errors have none.
 */
export function answerOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errno' in error)) return undefined
  return typeof error.errno === 'number' && error.errno > 0 ? error.errno : undefined
}

/** Who we are was not believed: ER_ACCESS_DENIED_ERROR, without password, and of a locked account on either engine. */
export function refusesLogin(error: unknown): boolean {
  return [1045, 1698, 3118, 4151].includes(answerOf(error) ?? 0)
}

/**
 * The failure of a mint that had made nothing: it had not sent its statements, the server refused the first of them, or
 * what was made was dropped again and seen absent.
 */
export function failureWithoutAccount(error: unknown): NotMinted {
  if (error instanceof ExchangeError) return asNotMinted(error)
  if (isFull(error)) return new NotMinted('slow_down', 'target_full', described(error))
  const reason = answerOf(error) === tooLate ? 'mint_too_late' : reasonOf(error)
  return new NotMinted('temporarily_unavailable', reason, described(error))
}

/** The failure of a mint that may have made something. */
export function failureUnclear(error: unknown): ExchangeError {
  return unavailable('target_unavailable', described(error))
}

/** Somebody else is this account's minter. */
export function failureOfTakenName(error: unknown): ExchangeError {
  return new ExchangeError('server_error', 'internal', described(error))
}

/** The failure of a login. Statements fail with the same numbers: a role that is not ours to give, say. */
export function failureOfLogin(error: unknown): unknown {
  return refusesLogin(error) ? unavailable('target_unavailable', described(error)) : error
}

/** The failure of anything that can be asked again. */
export function failureOfQuery(error: unknown): ExchangeError {
  return error instanceof ExchangeError ? error : unavailable(reasonOf(error), described(error))
}

/** The failure of a revocation. Once `signal` broke its connection off, the driver's error tells nothing of the server. */
export function failureOfRevocation(error: unknown, signal: AbortSignal): ExchangeError {
  return signal.aborted && !(error instanceof ExchangeError) ? unavailable('deadline') : failureOfQuery(error)
}

/**
 * Answers of a server that is going away, full, waiting for a lock or not letting us in: shutdown, killed, interrupted,
 * too many connections, blocked or unknown host, resource limits, no network, lock and statement time-outs.
 */
const unavailableAnswers = [
  1040, 1042, 1053, 1077, 1078, 1079, 1129, 1130, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1226, 1317, 1927,
  1969, 3024, 3159,
]

/** ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED: it bears no more, and asking again later helps. */
function isFull(error: unknown): boolean {
  return [1040, 1203, 1226].includes(answerOf(error) ?? 0)
}

/** A server that is down, full or does not let us in is unavailable; one that says no to a statement refuses. */
function reasonOf(error: unknown): Reason {
  const answer = answerOf(error)
  const isUnavailable = answer === undefined || unavailableAnswers.includes(answer)
  return isUnavailable ? 'target_unavailable' : 'target_refused'
}

/** No `cause`: the driver's texts quote hosts, users and statements. The number, since it has no names for MariaDB's. */
function described(error: unknown): ErrorDetail {
  const answer = answerOf(error)
  return { retryAfter: 2, detail: { ...describeCause(error), ...(answer !== undefined && { answer }) } }
}
