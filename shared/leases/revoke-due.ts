import { type Reason, toExchangeError } from '../errors.ts'
import type { Lockdown } from '../workload/lockdown.ts'
import type { UnreadableLease } from './cosmos-leases.ts'
import { drain } from './drain.ts'
import type { Lease, StoredLease } from './lease.ts'
import { isLockedDown } from './locked-down.ts'
import { type RevokeLeaseOptions, revokeLease } from './revoke-lease.ts'
import type { SearchLive } from './search-live.ts'

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

const workers = 8
const reportedIds = 20

/**
 * Ends what is due, and what is live and named by a lockdown that revokes leases. Safe to run twice at once: every step
 * is conditional on the version that was read.
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

  async function end(found: Found): Promise<void> {
    if ('unreadable' in found) {
      if (unreadable.size < reportedIds) unreadable.add(found.unreadable)
      return
    }
    // What cannot even be claimed stays due as it is, and keeps no other lease from being ended.
    const outcome = await revokeLease(found, lockdownOf(found.lease, standing), options).catch(() => 'failed' as const)
    if (outcome !== 'skipped') run[outcome] += 1
  }

  const due = store.due(now())[Symbol.asyncIterator]()
  const locked = lockedDown(standing, options)[Symbol.asyncIterator]()
  const endDue = () => drain(due, end, signal)
  const endLocked = () => drain(locked, end, signal).catch(noteProblem)
  // Half of the workers begin with each: neither a backlog nor a lockdown of everything keeps the other waiting.
  const half = Array.from({ length: workers / 2 })
  await Promise.all([...half.map(() => endDue().then(endLocked)), ...half.map(() => endLocked().then(endDue))])
  return { ...run, unreadable: [...unreadable], ...(lockdownProblem && { lockdownProblem }) }
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
