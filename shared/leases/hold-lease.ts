import { createHash, timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { hardLimit } from '../cosmos-follower.ts'
import type { Account } from '../credentials/credential-provider.ts'
import type { Secret } from '../credentials/secret.ts'
import type { SecretVersion } from '../credentials/secret-reference.ts'
import { ExchangeError, unavailable } from '../errors.ts'
import type { Workload } from '../workload/workload.ts'
import type { TargetBudgets } from './budget.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { createLease } from './create-lease.ts'
import { deriveSecret } from './derive-secret.ts'
import { type Lease, parseLeaseId, type StoredLease } from './lease.ts'
import {
  absenceCountsFrom,
  accountOf,
  activated,
  ending,
  holderOf,
  isHeldBy,
  type LeaseRequest,
  minting,
  newLease,
  situationOf,
} from './lease-states.ts'
import type { QuotaPlaces } from './quota.ts'
import { rememberedDigests, type Slot, type SlotIdentity, slotAt } from './slot.ts'

/** A lease that this exchange may release, once the record is written. */
export interface HeldLease {
  readonly stored: StoredLease
  readonly secret: Secret
  /** The account behind it, in its provider's terms. */
  readonly account: Account<unknown>
  /** Epoch milliseconds: when it ends, and from when on asking again gives a new account. */
  readonly expiresAt: number
  readonly refreshAt: number
  /** This instance reserved it, and it alone may make the account. Otherwise the account is there already. */
  readonly mustMint: boolean
}

type LiveLease = Pick<HeldLease, 'stored' | 'secret'>

/** The leases of one deployment. */
export interface Leases {
  /**
   * Finds the live lease for this request, or reserves one. Throws 503 `lease_pending` while another instance is
   * making it, 429 `lease_generations` where too many were made in this window, 429 `quota_exhausted` where the
   * workload may not have another lease of this target alive, 429 `accounts_over_budget` or `mints_over_budget` where
   * the target bears no more.
   */
  hold(request: Omit<SlotIdentity, 'deployment'>, decision: string): Promise<HeldLease>
  /** The account was made, on that server where it tells: the lease may be released. Throws `lease_lost` where another took over meanwhile. */
  activate(held: HeldLease, server?: string): Promise<void>
  /**
   * It came to no account that may be released. `nothing`: it is certain that none was made, and the next exchange may
   * try under the same generation. Never throws: what cannot be written now lapses anyway.
   */
  abandon(held: HeldLease, made: 'nothing' | 'unclear'): Promise<void>
  /** The workload's own live lease of that id, or whose secret this is. */
  findHeld(token: Secret, workload: Workload): Promise<StoredLease | undefined>
  /** Gives a lease back: the timer ends it at its next run. */
  release(stored: StoredLease): Promise<void>
}

/** The leases of one instance. */
export interface InstanceLeases extends Leases {
  /** How many live leases it remembers. */
  remembered(): number
}

export interface LeasesOptions {
  readonly store: LeaseStore
  readonly places: QuotaPlaces
  readonly budgets: TargetBudgets
  readonly deployment: string
  /** The derivation key: its newest version, or the one that a lease names. */
  readonly derivationKey: (version?: string) => Promise<SecretVersion>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** Waits so many milliseconds. */
  readonly pause?: (milliseconds: number) => Promise<unknown>
  /** Hears whether a live lease was remembered, and of each that this instance reserved. Never throws. */
  readonly onLookup?: (isFound: boolean) => void
  readonly onReserved?: (target: string) => void
}

/** How often and how long a request waits for an account that another is making: about three seconds. */
const waits = [50, 100, 150, 200, 300, 400, 500, 600, 700]
const maxGenerations = 8
/** Accounts live at 10,000 slots are remembered for as long as what was read may decide. */
const rememberedLeases = 10_000

/**
 * One minter per account: whoever creates the lease makes the account, everybody else describes it. A reserved lease
 * past its time is given up, and the next generation, another account, takes its place.
 */
export function openLeases(options: LeasesOptions): InstanceLeases {
  const { store, places, budgets, deployment, derivationKey, now, pause = sleep, onLookup, onReserved } = options
  const digestOf = rememberedDigests()
  const live = new LRUCache<string, LiveLease>({ max: rememberedLeases, ttl: hardLimit, noDeleteOnStaleGet: true })

  async function secretOf({ target, id, salt, keyVersion, password }: Lease): Promise<Secret> {
    const { secret: key } = await derivationKey(keyVersion)
    return deriveSecret({ key, target, lease: id, salt, password })
  }

  async function heldIn(slot: Slot, stored: StoredLease, mustMint: boolean): Promise<HeldLease> {
    return held(slot, { stored, secret: await secretOf(stored.lease) }, mustMint)
  }

  async function reserve(request: LeaseRequest, slot: Slot, generation: number): Promise<StoredLease | undefined> {
    const { version: keyVersion } = await derivationKey()
    await budgets.takeRoom(request.target, request.budgets ?? {})
    const lease = newLease({ request, slot, generation, keyVersion, deployment, now: now() })
    return createLease({ store, places, lease, quota: request.quota })
  }

  /** Undefined where it has to be looked for: it may be there, or nobody can make one without a key. */
  async function reserveFirst(request: LeaseRequest, slot: Slot): Promise<StoredLease | undefined> {
    if (!isUnbounded(request) || live.peek(slot.id, { allowStale: true })) return undefined
    const hasKey = await derivationKey().then(
      () => true,
      () => false,
    )
    return hasKey ? reserve(request, slot, 0) : undefined
  }

  /** Undefined where this generation is over and the next is to be tried. */
  async function atGeneration(request: LeaseRequest, slot: Slot, generation: number): Promise<HeldLease | undefined> {
    const created = generation === 0 && (await reserveFirst(request, slot))
    if (created) {
      onReserved?.(request.target)
      return heldIn(slot, created, true)
    }
    for (const wait of [0, ...waits]) {
      if (wait > 0) await pause(wait)
      // What was read counts from when it was asked for: an answer may be late.
      const start = performance.now()
      const found = await store.read(slot.id, generation)
      const reserved = found ? await retake(found, request) : await reserve(request, slot, generation)
      if (reserved) {
        onReserved?.(request.target)
        return heldIn(slot, reserved, true)
      }
      if (!found) continue
      const situation = situationOf(found.lease, now())
      if (situation === 'live') return remembered(await heldIn(slot, found, false), start)
      if (situation === 'ended') return undefined
      // If it changed since, its minter may have been just in time: it is read again.
      if (situation === 'lapsed' && (await store.replace(ending(found.lease, 'lapsed', now()), found.etag)))
        return undefined
    }
    throw unavailable('lease_pending', { retryAfter: 1 })
  }

  function remembered(found: HeldLease, start: number): HeldLease {
    live.set(found.stored.lease.slot, found, { start })
    return found
  }

  async function retake({ lease, etag }: StoredLease, request: LeaseRequest): Promise<StoredLease | undefined> {
    if (situationOf(lease, now()) !== 'vacant') return undefined
    await budgets.takeRoom(request.target, request.budgets ?? {})
    const { quota, decision } = request
    const placed = quota === undefined ? lease : { ...lease, quotaPlace: await places.claim(lease, quota) }
    // Whoever makes the account answers for it: the decision before came to nothing.
    return store.replace(minting({ ...placed, decision }, now()), etag)
  }

  return {
    async hold(identity, decision) {
      const request = { ...identity, deployment, decision }
      const slot = slotAt(request, now(), digestOf)
      const known = live.get(slot.id)
      const isLive = known !== undefined && Date.parse(known.stored.lease.expiresAt) > now()
      onLookup?.(isLive)
      if (isLive) return held(slot, known, false)
      for (let generation = 0; generation < maxGenerations; generation++) {
        const held = await atGeneration(request, slot, generation)
        if (held) return held
      }
      const retryAfter = Math.max(1, Math.ceil((slot.windowEnd - now()) / 1000))
      throw new ExchangeError('slow_down', 'lease_generations', { retryAfter })
    },

    async activate({ stored: { lease, etag }, secret }, server) {
      const start = performance.now()
      const active = await store.replace(activated(lease, server), etag)
      if (!active) throw unavailable('lease_lost', { retryAfter: 1 })
      live.set(lease.slot, { stored: active, secret }, { start })
    },

    async abandon({ stored: { lease, etag } }, made) {
      const given =
        made === 'nothing'
          ? { ...lease, vacant: true, dueAt: lease.expiresAt }
          : ending(lease, 'failed', absenceCountsFrom(lease))
      // A lease without an account needs no place. Freed first: who retakes the lease takes a place that stays its own.
      if (made === 'nothing') await places.free(lease).catch(() => undefined)
      await store.replace(given, etag).catch(() => undefined)
    },

    async findHeld(token, workload) {
      const place = parseLeaseId(token.reveal())
      if (place) {
        const found = await store.read(place.slot, place.generation)
        return found && isHeldBy(found.lease, workload) ? found : undefined
      }
      // No digest of a secret is kept anywhere: the workload's leases are few, and each tells its secret again.
      const held = await store.heldBy(holderOf(workload))
      for (const stored of held.filter(({ lease }) => isHeldBy(lease, workload))) {
        if (sameSecret(await secretOf(stored.lease), token)) return stored
      }
      return undefined
    },

    async release({ lease, etag }) {
      // Forgotten afterwards, whatever came of it: an exchange that read the lease meanwhile would remember it again.
      const ended = await store.replace(ending(lease, 'released', now()), etag).finally(() => live.delete(lease.slot))
      if (!ended) throw unavailable('lease_lost', { retryAfter: 1 })
    },

    remembered: () => live.size,
  }
}

/** Then nothing has to be taken before it is created, and whoever comes first need not look whether it is there. */
function isUnbounded({ quota, budgets }: LeaseRequest): boolean {
  return quota === undefined && Object.values(budgets ?? {}).length === 0
}

function held(slot: Slot, { stored, secret }: LiveLease, mustMint: boolean): HeldLease {
  const account = accountOf(stored.lease)
  const { expiresAt } = account
  return { stored, secret, account, mustMint, expiresAt, refreshAt: Math.min(slot.windowEnd, expiresAt) }
}

/** In constant time: how much of a guess is right must not be told by how long the answer takes. */
function sameSecret(a: Secret, b: Secret): boolean {
  const digest = (secret: Secret) => createHash('sha256').update(secret.reveal()).digest()
  return timingSafeEqual(digest(a), digest(b))
}
