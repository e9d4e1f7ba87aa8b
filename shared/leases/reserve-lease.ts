import type { SecretVersion } from '../credentials/secret-reference.ts'
import type { TargetBudgets } from './budget.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { createLease } from './create-lease.ts'
import type { StoredLease } from './lease.ts'
import { type LeaseRequest, minting, newLease, situationOf } from './lease-states.ts'
import type { QuotaPlaces } from './quota.ts'
import type { Slot } from './slot.ts'

/** What a reservation is made with. */
export interface ReservationParts {
  readonly store: LeaseStore
  readonly places: QuotaPlaces
  readonly budgets: TargetBudgets
  readonly deployment: string
  /** The derivation key: its newest version, or the one that a lease names. */
  readonly derivationKey: (version?: string) => Promise<SecretVersion>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** Hears of each lease that is reserved, by its target. Never throws. */
  readonly onReserved?: (target: string) => void
}

/** Whoever reserves a lease makes its account. All of it throws 429 where quota or budgets leave no room. */
export interface Reservations {
  /** Creates the lease. Undefined where another instance did. */
  reserve(request: LeaseRequest, slot: Slot, generation: number): Promise<StoredLease | undefined>
  /** The same, before anybody looked whether it is there. Undefined where it has to be looked for. */
  reserveUnseen(request: LeaseRequest, slot: Slot): Promise<StoredLease | undefined>
  /** Takes a lease that another minter gave back without having made anything. Undefined where it is not such a one. */
  retake(stored: StoredLease, request: LeaseRequest): Promise<StoredLease | undefined>
}

/** Reserves leases in a store, under quotas and budgets. */
export function reservations(parts: ReservationParts): Reservations {
  const { store, places, budgets, deployment, derivationKey, now, onReserved } = parts

  function heard(reserved: StoredLease | undefined): StoredLease | undefined {
    if (reserved) onReserved?.(reserved.lease.target)
    return reserved
  }

  async function reserve(request: LeaseRequest, slot: Slot, generation: number): Promise<StoredLease | undefined> {
    const { version: keyVersion } = await derivationKey()
    await budgets.takeRoom(request.target, request.budgets ?? {})
    const lease = newLease({ request, slot, generation, keyVersion, deployment, now: now() })
    return heard(await createLease({ store, places, lease, quota: request.quota }))
  }

  return {
    reserve,

    /** Nobody can make one without a key, but one that is there can be found. */
    async reserveUnseen(request, slot) {
      if (!isUnbounded(request)) return undefined
      const hasKey = await derivationKey().then(
        () => true,
        () => false,
      )
      return hasKey ? reserve(request, slot, 0) : undefined
    },

    async retake({ lease, etag }, request) {
      if (situationOf(lease, now()) !== 'vacant') return undefined
      await budgets.takeRoom(request.target, request.budgets ?? {})
      const { quota, decision } = request
      const placed = quota === undefined ? lease : { ...lease, quotaPlace: await places.claim(lease, quota) }
      // Whoever makes the account answers for it: the decision before came to nothing.
      return heard(await store.replace(minting({ ...placed, decision }, now()), etag))
    },
  }
}

/** Then nothing has to be taken before it is created, and whoever comes first need not look whether it is there. */
function isUnbounded({ quota, budgets }: LeaseRequest): boolean {
  return quota === undefined && Object.values(budgets ?? {}).length === 0
}
