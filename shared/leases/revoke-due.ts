import { v7 as uuid } from 'uuid'
import type { Minter } from '../credentials/credential-provider.ts'
import type { DecisionLog } from '../decisions/record.ts'
import { toExchangeError } from '../errors.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import { accountOf, ending } from './lease-states.ts'

export interface RevokeDueOptions {
  readonly store: LeaseStore
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
}

/** Leases taken up in one page, and how many at a time. */
const pageSize = 100
const workers = 8
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
  const run = { revoked: 0, failed: 0 }
  const due = [...(await options.store.due(options.now(), pageSize))]
  async function work(): Promise<void> {
    for (let next = due.shift(); next && !options.signal.aborted; next = due.shift()) {
      const outcome = await revokeLease(next, options)
      if (outcome !== 'skipped') run[outcome] += 1
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return run
}

async function revokeLease(found: StoredLease, options: RevokeDueOptions): Promise<'revoked' | 'failed' | 'skipped'> {
  const { store, now } = options
  const marked = found.lease.state === 'revoking' ? found : await mark(found, options)
  if (!marked) return 'skipped'
  try {
    const evidence = await options.minterOf(marked.lease).revoke(accountOf(marked.lease), options.signal)
    if (now() < Date.parse(marked.lease.mintUntil)) return await lookAgain(marked, options)
    const revoked: Lease = { ...marked.lease, state: 'revoked', evidence, ttl: retention }
    await options.decisions.write({ kind: 'revocation', decision: uuid(), outcome: 'revoked', ...told(revoked) })
    return (await store.replace(revoked, marked.etag)) ? 'revoked' : 'skipped'
  } catch (error) {
    await postpone(marked, toExchangeError(error).reason, options)
    return 'failed'
  }
}

function mark({ lease, etag }: StoredLease, { store, now }: RevokeDueOptions): Promise<StoredLease | undefined> {
  return store.replace(ending(lease, lease.state === 'active' || lease.vacant ? 'expired' : 'lapsed', now()), etag)
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
