import { v7 as uuid } from 'uuid'
import type { Minter } from '../credentials/credential-provider.ts'
import type { DecisionLog } from '../decisions/record.ts'
import { type ExchangeError, type Reason, toExchangeError } from '../errors.ts'
import type { Lockdown } from '../workload/lockdown.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import {
  absenceCountsFrom,
  accountOf,
  cannotBeAsked,
  ending,
  isAboutServer,
  isUnknown,
  sessionEndingOf,
} from './lease-states.ts'
import type { QuotaPlaces } from './quota.ts'

export interface RevokeLeaseOptions {
  readonly store: LeaseStore
  readonly places: QuotaPlaces
  readonly decisions: DecisionLog
  /** The minter that the lease's own document names, whatever has become of its target. */
  readonly minterOf: (lease: Lease) => Minter<unknown>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
  /** The id of this run, for the evidence. */
  readonly run: string
}

/** While one run has a lease in hand, others pass it over for this long, in milliseconds. */
const claimTime = 60_000
const day = 86_400

/** A revoked lease is kept a week, far beyond its window, and then Cosmos DB lets it go. */
const retention = 7 * day

/** A revocation that had this long, in milliseconds, and did not end with its run is stuck; one that had less came too late. */
const fairTime = 20_000

/** The first wait after a failure and the longest, in milliseconds. A failing revocation is tried for ever. */
const [firstWait, longestWait] = [15_000, 15 * 60_000]

/**
 * Ends one lease, under the lockdown that names it where one does. `skipped`: another run has it, it must be looked at
 * again, its sessions may finish, or the run came to its end. What fails is tried again with back-off; `unreachable`: for
 * its target's sake. Throws where it cannot be marked.
 */
export async function revokeLease(
  found: StoredLease,
  lockdown: Lockdown | undefined,
  options: RevokeLeaseOptions,
): Promise<'revoked' | 'failed' | 'unreachable' | 'skipped'> {
  const { store, places, now, signal } = options
  const claimed = await claim(found, lockdown, options)
  if (!claimed) return 'skipped'
  const { lease } = claimed
  // The account may be made while the answer is on its way: what counts is when it was asked for.
  const askedAt = now()
  let left = claimed
  try {
    const seen = await endAccount(lease, options).catch((error: unknown) => {
      left = contradicted(claimed, toExchangeError(error))
      throw error
    })
    if (!lease.vacant && askedAt < absenceCountsFrom(lease)) return await lookAgain(claimed, options)
    // Before the lease is revoked, since nobody looks at it afterwards.
    await places.free(lease)
    const evidence = { ...seen, run: options.run, attempt: lease.tries }
    const cause = seen.absent === 'attested' ? 'attested' : lease.cause
    const revoked: Lease = { ...lease, state: 'revoked', cause, evidence, ttl: retention }
    await options.decisions.write({ kind: 'revocation', decision: uuid(), outcome: 'revoked', ...told(revoked) })
    return (await store.replace(revoked, claimed.etag)) ? 'revoked' : 'skipped'
  } catch (error) {
    const failure = toExchangeError(error)
    const { reason } = failure
    const isCutOff = reason === 'deadline' && signal.aborted && now() - askedAt < fairTime
    if (reason === 'sessions_busy' || isCutOff) return await leaveForNow(left, reason, options)
    await postpone(left, failure, options)
    return isAboutServer(reason) ? 'unreachable' : 'failed'
  }
}

/**
 * Ends the account, where one may have been made: of a vacant lease that is claimed there is none, and never will be.
 * Where its server cannot be asked, what an operator says of it is what there is to see; not where the run's end broke
 * off the asking, since a server that is well looks the same then.
 */
async function endAccount(
  lease: Lease,
  { minterOf, now, signal }: RevokeLeaseOptions,
): Promise<NonNullable<Lease['evidence']>> {
  if (lease.vacant) return { sessionsEnded: 0, absent: 'never-made', at: new Date(now()).toISOString() }
  try {
    return await minterOf(lease).revoke(accountOf(lease), sessionEndingOf(lease, now()), signal)
  } catch (error) {
    const { reason, detail } = toExchangeError(error)
    if (!lease.attested || signal.aborted || !cannotBeAsked(reason, detail)) throw error
    return { sessionsEnded: 0, absent: 'attested', at: new Date(now()).toISOString() }
  }
}

/**
 * The lease without an operator's word, unless its server could not be asked, or nobody can tell: whatever else came of
 * asking says that it is there, and the word must not end the lease at a later outage.
 */
function contradicted({ lease, etag }: StoredLease, { reason, detail }: ExchangeError): StoredLease {
  const stands = cannotBeAsked(reason, detail) || isUnknown(reason, detail)
  return stands ? { lease, etag } : { lease: { ...lease, attested: undefined }, etag }
}

/** Marks the lease as ending and takes it for this run. Undefined where another run was first. */
function claim(
  { lease, etag }: StoredLease,
  lockdown: Lockdown | undefined,
  { store, now }: RevokeLeaseOptions,
): Promise<StoredLease | undefined> {
  const until = now() + claimTime
  const cause = lease.state === 'active' || lease.vacant ? 'expired' : 'lapsed'
  const claimed = lockdown ? lockedDownBy(lockdown, lease, until) : ending(lease, cause, until)
  return store.replace({ ...claimed, tries: lease.tries + 1 }, etag)
}

function lockedDownBy({ id }: Lockdown, lease: Lease, dueAt: number): Lease {
  return { ...ending(lease, 'lockdown', dueAt), lockdown: id }
}

/**
 * Marks a live lease as due, under the lockdown that names it. False where another was first, or where its revocation
 * failed before: that is due already, and its back-off keeps a dead server from being asked all the time.
 */
export async function markLockedDown(
  { lease, etag }: StoredLease,
  lockdown: Lockdown,
  { store, now }: Pick<RevokeLeaseOptions, 'store' | 'now'>,
): Promise<boolean> {
  if (lease.attempts > 0) return false
  return (await store.replace(lockedDownBy(lockdown, lease, now()), etag)) !== undefined
}

/** Not a failure, and no attempt that makes the next one wait longer: the next run looks again. */
async function leaveForNow(
  { lease, etag }: StoredLease,
  lastError: Reason,
  { store, now }: RevokeLeaseOptions,
): Promise<'skipped'> {
  const dueAt = new Date(now() + firstWait).toISOString()
  await store.replace({ ...lease, lastError, dueAt }, etag).catch(() => undefined)
  return 'skipped'
}

/** A late minter may still make the account: it counts as absent only when seen so after its time. */
async function lookAgain({ lease, etag }: StoredLease, { store }: RevokeLeaseOptions): Promise<'skipped'> {
  await store.replace({ ...lease, dueAt: new Date(absenceCountsFrom(lease)).toISOString() }, etag)
  return 'skipped'
}

/** Tried again with back-off. If even that cannot be written, the lease stays due as it is. */
async function postpone(
  { lease, etag }: StoredLease,
  { reason: lastError, detail: lastDetail }: ExchangeError,
  { store, now }: RevokeLeaseOptions,
): Promise<void> {
  const attempts = lease.attempts + 1
  const dueAt = new Date(now() + Math.min(longestWait, firstWait * 2 ** Math.min(attempts - 1, 10))).toISOString()
  await store.replace({ ...lease, attempts, lastError, lastDetail, dueAt }, etag).catch(() => undefined)
}

function told({ id, target, account, workload, scopes, cause, lockdown, attested, evidence, rules, decision }: Lease) {
  const why = { cause, lockdown, attested, evidence }
  return { lease: { id, target, account, workload, scopes, ...why, rules, reservedBy: decision } }
}
