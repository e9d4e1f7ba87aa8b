import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { hardLimit } from '../cosmos-follower.ts'
import type { Account } from '../credentials/credential-provider.ts'
import type { Secret } from '../credentials/secret.ts'
import { ExchangeError, unavailable } from '../errors.ts'
import type { Workload } from '../workload/workload.ts'
import { deriveSecret } from './derive-secret.ts'
import { findHeld } from './find-held.ts'
import type { Lease, StoredLease } from './lease.ts'
import { absenceCountsFrom, accountOf, activated, ending, type LeaseRequest, situationOf } from './lease-states.ts'
import { type ReservationParts, reservations } from './reserve-lease.ts'
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

export interface LeasesOptions extends ReservationParts {
  /** Waits so many milliseconds. */
  readonly pause?: (milliseconds: number) => Promise<unknown>
  /** Hears whether a live lease was remembered. Never throws. */
  readonly onLookup?: (isFound: boolean) => void
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
  const { store, places, deployment, derivationKey, now, pause = sleep, onLookup } = options
  const { reserve, reserveUnseen, retake } = reservations(options)
  const digestOf = rememberedDigests()
  const live = new LRUCache<string, LiveLease>({ max: rememberedLeases, ttl: hardLimit, noDeleteOnStaleGet: true })

  async function secretOf({ target, id, salt, keyVersion, password }: Lease): Promise<Secret> {
    const { secret: key } = await derivationKey(keyVersion)
    return deriveSecret({ key, target, lease: id, salt, password })
  }

  async function heldIn(slot: Slot, stored: StoredLease, mustMint: boolean): Promise<HeldLease> {
    return describedIn(slot, { stored, secret: await secretOf(stored.lease) }, mustMint)
  }

  /** Undefined where this generation is over and the next is to be tried. */
  async function atGeneration(request: LeaseRequest, slot: Slot, generation: number): Promise<HeldLease | undefined> {
    // What is remembered, however long ago, is there already.
    if (generation === 0 && !live.peek(slot.id, { allowStale: true })) {
      const created = await reserveUnseen(request, slot)
      if (created) return heldIn(slot, created, true)
    }
    for (const wait of [0, ...waits]) {
      if (wait > 0) await pause(wait)
      const seen = await lookAt(request, slot, generation)
      if (seen === 'over') return undefined
      if (seen !== 'pending') return seen
    }
    throw unavailable('lease_pending', { retryAfter: 1 })
  }

  /** `pending`: another instance is making the account, or has changed the lease just now. */
  async function lookAt(
    request: LeaseRequest,
    slot: Slot,
    generation: number,
  ): Promise<HeldLease | 'over' | 'pending'> {
    // What was read counts from when it was asked for: an answer may be late.
    const start = performance.now()
    const found = await store.read(slot.id, generation)
    const reserved = found ? await retake(found, request) : await reserve(request, slot, generation)
    if (reserved) return heldIn(slot, reserved, true)
    if (!found) return 'pending'
    const situation = situationOf(found.lease, now())
    if (situation === 'live') return remembered(await heldIn(slot, found, false), start)
    if (situation === 'ended') return 'over'
    // If it changed since, its minter may have been just in time: it is read again.
    const isGivenUp = situation === 'lapsed' && (await store.replace(ending(found.lease, 'lapsed', now()), found.etag))
    return isGivenUp ? 'over' : 'pending'
  }

  function remembered(found: HeldLease, start: number): HeldLease {
    live.set(found.stored.lease.slot, found, { start })
    return found
  }

  return {
    async hold(identity, decision) {
      const request = { ...identity, deployment, decision }
      const slot = slotAt(request, now(), digestOf)
      const known = live.get(slot.id)
      const isLive = known !== undefined && Date.parse(known.stored.lease.expiresAt) > now()
      onLookup?.(isLive)
      if (isLive) return describedIn(slot, known, false)
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

    findHeld: (token, workload) => findHeld(token, workload, { store, secretOf }),

    async release({ lease, etag }) {
      // Forgotten afterwards, whatever came of it: an exchange that read the lease meanwhile would remember it again.
      const ended = await store.replace(ending(lease, 'released', now()), etag).finally(() => live.delete(lease.slot))
      if (!ended) throw unavailable('lease_lost', { retryAfter: 1 })
    },

    remembered: () => live.size,
  }
}

function describedIn(slot: Slot, { stored, secret }: LiveLease, mustMint: boolean): HeldLease {
  const account = accountOf(stored.lease)
  const { expiresAt } = account
  return { stored, secret, account, mustMint, expiresAt, refreshAt: Math.min(slot.windowEnd, expiresAt) }
}
