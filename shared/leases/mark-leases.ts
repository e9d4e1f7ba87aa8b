import type { DecisionLog, LeaseEndingEntry } from '../decisions/record.ts'
import { unavailable } from '../errors.ts'
import { groupsOf } from '../groups.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import type { Workload } from '../workload/workload.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { type Lease, parseLeaseId, type StoredLease } from './lease.ts'
import { isOfNamespaces } from './lease-conditions.ts'
import { ending, sessionEndingOf } from './lease-states.ts'

/** Who ends leases, and those of which namespaces they may. */
export interface Revoker {
  readonly operator: Workload
  readonly namespaces: Namespaces
}

/** What became of a lease that was to end. `marked`: it was not on its way already. */
export interface EndedLease {
  readonly lease: Lease
  readonly marked: boolean
}

/** Marks leases as ending at an operator's word, so few that they fit into one record. Throws 503 where it cannot be done. */
export type MarkLeases = (
  found: readonly StoredLease[],
  revoker: Revoker,
  told: Pick<LeaseEndingEntry, 'decision' | 'filter'>,
) => Promise<readonly EndedLease[]>

export interface MarkLeasesOptions {
  readonly store: LeaseStore
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

const markedTogether = 10
const tries = 4

/** No lease is marked without a record of who wanted it before, nor left without one of what came of it. */
export function leaseMarker({ store, decisions, now }: MarkLeasesOptions): MarkLeases {
  /** The timer and exchanges may change it meanwhile: then it is looked at again. */
  async function markOne(found: StoredLease, { namespaces }: Revoker): Promise<EndedLease> {
    let at: StoredLease | undefined = found
    for (let count = 0; at && count < tries; count++) {
      const changed = endedByOperator(at.lease, now())
      if (!changed) return { lease: at.lease, marked: false }
      const stored = await store.replace(changed, at.etag)
      if (stored) return { lease: stored.lease, marked: true }
      at = await readOfNamespaces(store, found.lease.id, namespaces)
    }
    throw unavailable('lease_lost', { retryAfter: 1 })
  }

  return async (found, revoker, told) => {
    const entry = {
      kind: 'admin' as const,
      action: 'revoke' as const,
      operator: revoker.operator,
      leases: found.map(({ lease }) => lease.id),
      ...told,
    }
    const follows = await decisions.write({ ...entry, outcome: 'intended' })
    const ended: EndedLease[] = []
    const finish = (outcome: 'done' | 'failed') =>
      decisions
        .write({ ...entry, outcome, marked: ended.filter(({ marked }) => marked).length, follows })
        .catch(() => undefined)
    try {
      for (const some of groupsOf(found, markedTogether)) {
        const settled = await Promise.allSettled(some.map(one => markOne(one, revoker)))
        for (const one of settled) if (one.status === 'fulfilled') ended.push(one.value)
        for (const one of settled) if (one.status === 'rejected') throw one.reason
      }
    } catch (error) {
      await finish('failed')
      throw error
    }
    // They are marked: if the outcome cannot be kept now, the intent and the leases tell it.
    await finish('done')
    return ended
  }
}

/** Undefined where there is none of that id, or it is of another namespace. Throws 503 `lease_unavailable`. */
export async function readOfNamespaces(
  store: Pick<LeaseStore, 'read'>,
  id: string,
  namespaces: Namespaces,
): Promise<StoredLease | undefined> {
  const place = parseLeaseId(id)
  const found = place && (await store.read(place.slot, place.generation))
  return found && isOfNamespaces(found.lease, namespaces) ? found : undefined
}

/** The lease as an operator ends it, at a time in epoch milliseconds; undefined where it is ending already. */
export function endedByOperator(lease: Lease, now: number): Lease | undefined {
  if (lease.state === 'revoked') return undefined
  if (lease.state !== 'revoking' || sessionEndingOf(lease, now) === 'finish-transactions') {
    return ending(lease, 'operator', now)
  }
  // Somebody mended what it was stuck on: the back-off need not be waited for.
  const isWaiting = lease.attempts > 0 && Date.parse(lease.dueAt) > now
  return isWaiting ? { ...lease, dueAt: new Date(now).toISOString() } : undefined
}
