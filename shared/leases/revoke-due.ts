import { canonicalDigest } from '../canonical-form.ts'
import { type Reason, toExchangeError } from '../errors.ts'
import type { Lockdown } from '../workload/lockdown.ts'
import type { UnreadableLease } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import { isLockedDown } from './locked-down.ts'
import { type RevokeLeaseOptions, revokeLease } from './revoke-lease.ts'
import type { SearchLive } from './search-live.ts'
import { type Contact, workByServer } from './work-by-server.ts'

export interface RevokeDueOptions extends RevokeLeaseOptions {
  /** The lockdowns that stand and revoke leases. Throws 503 where the answer could be too old. */
  readonly lockdowns: () => Promise<readonly Lockdown[]>
  readonly searchLive: SearchLive
}

/** What one run of the timer did. */
export interface RevocationRun {
  readonly revoked: number
  readonly failed: number
  /** Ids of documents that are no leases, 20 at most: what they stand for is not ended until somebody mends them. */
  readonly unreadable: readonly string[]
  /** Why the lockdowns, or the leases that they name, could not all be read. */
  readonly lockdownProblem?: Reason
}

type Found = StoredLease | UnreadableLease

const reportedIds = 20

/**
 * Ends what is due, and what is live and named by a lockdown that revokes leases; a dead server delays no other. Safe to
 * run twice at once: every step is conditional on the version that was read.
 */
export async function revokeDue(options: RevokeDueOptions): Promise<RevocationRun> {
  const { store, lockdowns, now, signal } = options
  const unreadable = new Set<string>()
  const run = { revoked: 0, failed: 0 }
  let lockdownProblem: Reason | undefined
  const noteProblem = (error: unknown) => {
    lockdownProblem = toExchangeError(error).reason
    return []
  }
  const standing = await lockdowns().catch(noteProblem)

  async function end(found: StoredLease): Promise<Contact> {
    // What cannot even be claimed stays due as it is, and keeps no other lease from being ended.
    const outcome = await revokeLease(found, lockdownOf(found.lease, standing), options).catch(() => 'failed' as const)
    if (outcome === 'revoked') run.revoked += 1
    if (outcome === 'failed' || outcome === 'unreachable') run.failed += 1
    return outcome === 'unreachable' ? 'unreachable' : 'reached'
  }

  const work = workByServer(end, signal)
  // What is due may be locked down as well: it is taken once in a run.
  const taken = new Set<string>()
  const feed = async (leases: AsyncIterable<Found>) => {
    for await (const found of leases) {
      // Before it is taken: a search goes on with what was not.
      if (signal.aborted) return
      if ('lease' in found) {
        if (!taken.has(found.lease.id) && work.add(serverOf(found.lease), found)) taken.add(found.lease.id)
      } else if (unreadable.size < reportedIds) unreadable.add(found.unreadable)
    }
  }
  // Neither a backlog nor a lockdown of everything keeps the other waiting.
  const fed = await Promise.allSettled([feed(store.due(now())), feed(lockedDown(standing, options)).catch(noteProblem)])
  await work.finish()
  for (const one of fed) if (one.status === 'rejected') throw one.reason
  return { ...run, unreadable: [...unreadable], ...(lockdownProblem && { lockdownProblem }) }
}

/** Where its account is: a target's document may have moved elsewhere since. */
function serverOf({ provider, settings }: Lease): string {
  return canonicalDigest([provider, settings])
}

/** The live leases that a lockdown names. Where none stands, nothing is read. */
async function* lockedDown(standing: readonly Lockdown[], { searchLive, signal }: RevokeDueOptions) {
  if (standing.length === 0) return
  for await (const found of searchLive(signal)) {
    if ('unreadable' in found || lockdownOf(found.lease, standing)) yield found
  }
}

function lockdownOf(lease: Lease, standing: readonly Lockdown[]): Lockdown | undefined {
  return standing.find(lockdown => isLockedDown(lease, lockdown))
}
