import { v7 as uuid } from 'uuid'
import { type Reason, toExchangeError } from '../errors.ts'
import type { Lockdown } from '../workload/lockdown.ts'
import type { StoredLease } from './lease.ts'
import { markLockedDown, type RevokeLeaseOptions, revokeLease } from './revoke-lease.ts'
import type { SearchLive } from './search-live.ts'
import { lockdownOf, nowhere, takeLeases } from './take-leases.ts'
import { type Contact, workByServer } from './work-by-server.ts'

export interface RevokeDueOptions extends Omit<RevokeLeaseOptions, 'run'> {
  /** The lockdowns that stand and revoke leases. Throws 503 where the answer could be too old. */
  readonly lockdowns: () => Promise<readonly Lockdown[]>
  readonly searchLive: SearchLive
}

/** What one run of the timer did. */
export interface RevocationRun {
  /** Its id: the evidence of what it ended names it. */
  readonly run: string
  readonly revoked: number
  readonly failed: number
  /** Ids of documents that are no leases, 20 at most: what they stand for is not ended until somebody mends them. */
  readonly unreadable: readonly string[]
  /** Why the lockdowns, or the leases that they name, could not all be read. */
  readonly lockdownProblem?: Reason
}

const reportedIds = 20

/**
 * Ends what is due, and what is live and named by a lockdown that revokes leases; servers that answer come before dead
 * ones. It goes on until nothing is left or its time is over. Safe to run twice at once: every step is conditional on the
 * version that was read.
 */
export async function revokeDue(options: RevokeDueOptions): Promise<RevocationRun> {
  const { lockdowns, signal } = options
  const unreadable = new Set<string>()
  const run = uuid()
  const done = { revoked: 0, failed: 0 }
  const steps = { ...options, run }
  let lockdownProblem: Reason | undefined
  const noteProblem = (error: unknown) => {
    lockdownProblem = toExchangeError(error).reason
  }
  const standing = (await lockdowns().catch(noteProblem)) ?? []

  async function end(found: StoredLease): Promise<Contact> {
    // What cannot even be claimed stays due as it is, and keeps no other lease from being ended.
    const outcome = await revokeLease(found, lockdownOf(found.lease, standing), steps).catch(() => 'failed' as const)
    if (outcome === 'revoked') done.revoked += 1
    if (outcome === 'failed' || outcome === 'unreachable') done.failed += 1
    return outcome === 'unreachable' ? 'unreachable' : 'reached'
  }

  const work = workByServer(end, signal, { answering: [nowhere] })
  const take = takeLeases({
    ...options,
    work,
    mark: (found, lockdown) => markLockedDown(found, lockdown, options).catch(noteProblem),
    noteUnreadable: ({ unreadable: id }) => {
      if (unreadable.size < reportedIds) unreadable.add(id)
    },
  })
  try {
    // Neither a backlog nor a lockdown of everything keeps the other waiting.
    const [due, lockedDown] = await Promise.allSettled([take.due(), take.lockedDown(standing).catch(noteProblem)])
    if (due.status === 'rejected') throw due.reason
    if (lockedDown.status === 'fulfilled' && lockedDown.value) await take.due()
  } finally {
    await work.finish()
  }
  return { run, ...done, unreadable: [...unreadable], ...(lockdownProblem && { lockdownProblem }) }
}
