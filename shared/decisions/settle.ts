import { setTimeout as wait } from 'node:timers/promises'
import type { FailureDetail, Outcome } from './stream-store.ts'

/** What became of a write in the end. */
export type Settlement =
  | { readonly kind: 'committed' }
  /** Certainly not written. `status` where Cosmos DB refused it. */
  | { readonly kind: 'refused'; readonly status?: number; readonly detail: FailureDetail }
  /** Nobody can tell; or something else is there, which must not be. */
  | { readonly kind: 'unresolved'; readonly because: Unresolved; readonly detail: FailureDetail }

export type Unresolved = 'unsettled' | 'conflict'

/** How long a write may take, by the monotonic clock, in milliseconds. */
export interface Budget {
  readonly monotonic: () => number
  readonly until: number
  /** No attempt gets less than this, while there is as much. */
  readonly leastAttempt: number
}

/** How a write is attempted, always with the same bytes. */
export interface Attempts {
  send(signal: AbortSignal): Promise<Outcome>
  /** After a conflict: is it ours that is there? Undefined where nobody can tell now. */
  isOurs(signal: AbortSignal): Promise<boolean | undefined>
  /** Called when an attempt did not tell what became of it. */
  onUnclear?(): void
}

const firstPause = 10
const longestPause = 250

/**
 * Writes, and finds out what became of it: an unclear outcome is settled by sending the same bytes again, which a conflict
 * answers where they are there. Once an outcome was unclear, no refusal of a later attempt says anything about it. Never
 * throws.
 */
export async function settle(attempts: Attempts, budget: Budget): Promise<Settlement> {
  let unclear: FailureDetail | undefined
  let detail: FailureDetail = { error: 'no time left' }
  for (let pause = firstPause; left(budget) > 0; pause = Math.min(2 * pause, longestPause)) {
    const outcome = await attemptOnce(attempts, budget)
    if (outcome.kind === 'committed' || outcome.kind === 'unresolved') return outcome
    detail = outcome.detail
    if (outcome.kind === 'refused' && !unclear) return outcome
    if (outcome.kind === 'unclear') {
      unclear ??= detail
      attempts.onUnclear?.()
    }
    const delay = outcome.kind === 'throttled' ? Math.max(outcome.afterMs, pause) : pause
    if (delay >= left(budget)) break
    await wait(delay)
  }
  return unclear ? { kind: 'unresolved', because: 'unsettled', detail: unclear } : { kind: 'refused', detail }
}

type Attempted = Exclude<Outcome, { kind: 'conflict' }> | Extract<Settlement, { kind: 'unresolved' }>

async function attemptOnce({ send, isOurs }: Attempts, budget: Budget): Promise<Attempted> {
  const late: Outcome = { kind: 'unclear', detail: { error: 'no answer' } }
  const outcome = await withinAttempt(send, late, budget)
  if (outcome.kind !== 'conflict') return outcome
  // What cannot be compared with ours, such as text that is no Unicode, is not ours.
  const ours = await withinAttempt(signal => isOurs(signal).catch(() => false), undefined, budget)
  if (ours) return { kind: 'committed' }
  const detail = { error: 'conflict' }
  return ours === undefined ? { kind: 'unclear', detail } : { kind: 'unresolved', because: 'conflict', detail }
}

/** Half of the time that is left, so that there is some for the next attempt. The client may not heed the signal. */
async function withinAttempt<T>(ask: (signal: AbortSignal) => Promise<T>, late: T, budget: Budget): Promise<T> {
  const time = Math.max(left(budget) / 2, Math.min(left(budget), budget.leastAttempt), 1)
  const ended = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<T>(resolve => {
    timer = setTimeout(() => resolve(late), time)
  })
  try {
    return await Promise.race([ask(ended.signal), over])
  } finally {
    clearTimeout(timer)
    ended.abort()
  }
}

function left({ until, monotonic }: Budget): number {
  return until - monotonic()
}
