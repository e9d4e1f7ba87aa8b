import type { LeaseStore } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import type { QuotaPlaces } from './quota.ts'

export interface CreateLease {
  readonly store: LeaseStore
  readonly places: QuotaPlaces
  readonly lease: Lease
  /** How many leases the workload may have alive at the lease's target, where that is bounded. */
  readonly quota: number | undefined
}

/**
 * Creates a lease, under a quota with a place of its own that it takes first. Undefined where another instance created
 * the lease. Throws 429 `quota_exhausted` where no place is free. If the create fails, nobody can tell whether the lease
 * is there: its place stays taken, and is found again by whoever asks for the same lease.
 */
export async function createLease({ store, places, lease, quota }: CreateLease): Promise<StoredLease | undefined> {
  if (quota === undefined) return store.create(lease)
  const placed: Lease = { ...lease, quotaPlace: await places.claim(lease, quota) }
  const created = await store.create(placed)
  if (!created) await freeUnlessShared(placed, { store, places })
  return created
}

/** The other instance found the same place, unless one was freed between the two: then this one's is nobody's. */
async function freeUnlessShared(lost: Lease, { store, places }: Pick<CreateLease, 'store' | 'places'>): Promise<void> {
  const winner = await store.read(lost.slot, lost.generation)
  if (winner && winner.lease.quotaPlace?.id !== lost.quotaPlace?.id) await places.free(lost).catch(() => undefined)
}
