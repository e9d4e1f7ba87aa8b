import { v7 as uuid } from 'uuid'
import type { Minter } from '../credentials/credential-provider.ts'
import type { DecisionLog } from '../decisions/record.ts'
import { toExchangeError } from '../errors.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import { accountOf, ending } from './lease-states.ts'
import type { QuotaPlaces } from './quota.ts'

export interface RevokeDueOptions {
  readonly store: LeaseStore
  readonly places: QuotaPlaces
  readonly decisions: DecisionLog
  /** The minter that the lease's own document names, whatever has become of its target. */
  readonly minterOf: (lease: Lease) => Minter<unknown>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/** What one run of the timer did. */
export interface RevocationRun {
  readonly revoked: number
  readonly failed: number
  /** Ids of documents that are no leases, 20 at most: what they stand for is not ended until somebody mends them. */
  readonly unreadable: readonly string[]
}

const workers = 8
/** While one run has a lease in hand, others pass it over for this long, in milliseconds. */
const claimTime = 60_000
const reportedIds = 20
const day = 86_400

/** A revoked lease is kept a week, far beyond its window, and then Cosmos DB lets it go. */
const retention = 7 * day

/** The first wait after a failure and the longest, in milliseconds. A failing revocation is tried for ever. */
const [firstWait, longestWait] = [15_000, 15 * 60_000]

/**
 * Ends what is due: marks the lease, ends the account and its sessions, sees it absent, records the evidence. Safe to
 * run twice at once: every step is conditional on the version that was read.
 */
export async function revokeDue(options: RevokeDueOptions): Promise<RevocationRun> {
  const run = { revoked: 0, failed: 0, unreadable: [] as string[] }
  const due = options.store.due(options.now())[Symbol.asyncIterator]()
  async function work(): Promise<void> {
    while (!options.signal.aborted) {
      const { value: found, done } = await due.next()
      if (done) return
      if ('unreadable' in found) {
        if (run.unreadable.length < reportedIds) run.unreadable.push(found.unreadable)
        continue
      }
      // What cannot even be claimed stays due as it is, and keeps no other lease from being ended.
      const outcome = await revokeLease(found, options).catch(() => 'failed' as const)
      if (outcome !== 'skipped') run[outcome] += 1
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return run
}

async function revokeLease(found: StoredLease, options: RevokeDueOptions): Promise<'revoked' | 'failed' | 'skipped'> {
  const { store, places, now } = options
  const claimed = await claim(found, options)
  if (!claimed) return 'skipped'
  try {
    const evidence = await options.minterOf(claimed.lease).revoke(accountOf(claimed.lease), options.signal)
    if (now() < Date.parse(claimed.lease.mintUntil)) return await lookAgain(claimed, options)
    const revoked: Lease = { ...claimed.lease, state: 'revoked', evidence, ttl: retention }
    await options.decisions.write({ kind: 'revocation', decision: uuid(), outcome: 'revoked', ...told(revoked) })
    if (!(await store.replace(revoked, claimed.etag))) return 'skipped'
    await places.free(revoked)
    return 'revoked'
  } catch (error) {
    await postpone(claimed, toExchangeError(error).reason, options)
    return 'failed'
  }
}

/** Marks the lease as ending and takes it for this run. Undefined where another run was first. */
function claim({ lease, etag }: StoredLease, { store, now }: RevokeDueOptions): Promise<StoredLease | undefined> {
  const cause = lease.state === 'active' || lease.vacant ? 'expired' : 'lapsed'
  return store.replace(ending(lease, cause, now() + claimTime), etag)
}

/** A late minter may still make the account until `mintUntil`: it counts as absent only when seen so afterwards. */
async function lookAgain({ lease, etag }: StoredLease, { store }: RevokeDueOptions): Promise<'skipped'> {
  await store.replace({ ...lease, dueAt: lease.mintUntil }, etag)
  return 'skipped'
}

/** Tried again with back-off. If even that cannot be written, the lease stays due as it is. */
async function postpone(
  { lease, etag }: StoredLease,
  lastError: string,
  { store, now }: RevokeDueOptions,
): Promise<void> {
  const attempts = lease.attempts + 1
  const dueAt = new Date(now() + Math.min(longestWait, firstWait * 2 ** Math.min(attempts - 1, 10))).toISOString()
  await store.replace({ ...lease, attempts, lastError, dueAt }, etag).catch(() => undefined)
}

function told({ id, target, account, workload, scopes, cause, evidence, rules, decision }: Lease) {
  return { lease: { id, target, account, workload, scopes, cause, evidence, rules, reservedBy: decision } }
}
