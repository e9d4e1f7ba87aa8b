import { connect, isIPv6, type Socket } from 'node:net'
import { type ExchangeError, type Reason, unavailable, withDetail } from '../errors.ts'

interface Place {
  readonly host: string
  readonly port: number
}

/** What may be at a server's address: something that takes connections, nothing, or nobody can tell. */
type Found = 'connects' | 'nothing' | 'unknown'

/** Adds what is at the server's address to the failure of a revocation. */
export type WithAnswer = (failure: ExchangeError, signal: AbortSignal) => Promise<unknown>

/** Of these the server was asked and told something, or nobody has the time to ask it. */
const told: ReadonlySet<Reason> = new Set(['target_refused', 'sessions_busy', 'server_changed', 'deadline'])

/** How long a connection may take, in milliseconds. */
const patience = 3_000

/**
 * Nobody listens, or there is no such name or host. Any other error may be a fault on our own side: no sockets, no ports
 * or no network left, or a resolver that does not answer.
 */
const showNothing: readonly unknown[] = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH']

/**
 * Tells, where nothing was heard of the server, with `answer` in the failure's detail that something takes connections at
 * its address (`connects`) or that nobody can tell (`unknown`). A certificate that does not count, a login that takes
 * too long or a secret that cannot be read are no sign that a server is gone: the account may be there, and work.
 *
 * It looks each time: what was not there a moment ago may be back. Where the signal ends it, the failure is 503 `deadline`.
 */
export function answersAt(place: Place, dial: (options: Place) => Socket = connect): WithAnswer {
  return async (failure, signal) => {
    if (told.has(failure.reason) || 'answer' in failure.detail) return failure
    const answer = await findAt(() => dial(place), signal)
    if (signal.aborted) return unavailable('deadline')
    return answer === 'nothing' ? failure : withDetail(failure, { answer })
  }
}

/** Whatever takes the connection is told nothing. */
function findAt(open: () => Socket, signal: AbortSignal): Promise<Found> {
  if (signal.aborted) return Promise.resolve('unknown')
  const { promise, resolve } = Promise.withResolvers<Found>()
  const isOver = setTimeout(() => resolve('nothing'), patience)
  const giveUp = () => resolve('unknown')
  signal.addEventListener('abort', giveUp, { once: true })
  const socket = open()
  socket.on('connect', () => resolve('connects')).on('error', error => resolve(foundBy(error)))
  return promise.finally(() => {
    clearTimeout(isOver)
    signal.removeEventListener('abort', giveUp)
    socket.destroy()
  })
}

/**
 * A name may stand for several addresses: nothing is there where none of them has anything. Where one of them says so, an
 * IPv6 address that there is no way to says nothing else: many a network has no IPv6.
 */
function foundBy(error: Error): Found {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
  const others = errors.filter(one => !showsNothing(one))
  return others.length < errors.length && others.every(isWithoutWay) ? 'nothing' : 'unknown'
}

function showsNothing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && showNothing.includes(error.code)
}

function isWithoutWay(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || !('address' in error)) return false
  return error.code === 'ENETUNREACH' && isIPv6(String(error.address))
}
