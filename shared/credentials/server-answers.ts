import { connect } from 'node:net'
import { type ExchangeError, type Reason, withDetail } from '../errors.ts'

/** Of these the server was asked and told something, or nobody has the time to ask it. */
const told: ReadonlySet<Reason> = new Set(['target_refused', 'sessions_busy', 'server_changed', 'deadline'])

/** How long a connection may take, in milliseconds. */
const patience = 3_000

/**
 * The failure of a revocation, with `answer: "connects"` in its detail where nothing was heard of the server and yet
 * something takes connections at its address. A certificate that does not count, a login that takes too long or a secret
 * that cannot be read are no sign that a server is gone: the account may be there, and work.
 */
export async function withAnswer(
  failure: ExchangeError,
  place: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<unknown> {
  if (told.has(failure.reason) || 'answer' in failure.detail) return failure
  return (await connects(place, signal)) ? withDetail(failure, { answer: 'connects' }) : failure
}

/** Whether something takes connections there. It is told nothing. */
function connects({ host, port }: Parameters<typeof withAnswer>[1], signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)])
  const socket = connect({ host, port, signal: limit })
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
