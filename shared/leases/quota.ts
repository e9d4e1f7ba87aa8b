import { ExchangeError } from '../errors.ts'
import type { Lease } from './lease.ts'
import { type Place, placeId, quotaSlot, type StoredPlace } from './place.ts'

/** Where places are kept. Whatever fails is 503 `lease_unavailable`. */
export interface PlaceStore {
  /** All places of one partition, free ones that are still there among them. */
  all(slot: string): Promise<readonly StoredPlace[]>
  read(slot: string, id: string): Promise<StoredPlace | undefined>
  /** False where it is there already. */
  create(place: Place): Promise<boolean>
  /** False where it changed or was removed since it was read. */
  replace(place: Place, etag: string): Promise<boolean>
}

/** What a lease says of its place. */
type QuotaPlace = NonNullable<Lease['quotaPlace']>

/** The places of all workloads. */
export interface QuotaPlaces {
  /**
   * Takes a place for a lease that is to be created, until it expires; a lease that has one already keeps it. Throws
   * 429 `quota_exhausted` where all `quota` places are taken.
   */
  claim(lease: Lease, quota: number): Promise<QuotaPlace>
  /** Frees the place of a lease that has no account any more. What cannot be freed is free once the lease expires. */
  free(lease: Pick<Lease, 'id' | 'quotaPlace'>): Promise<void>
}

export interface QuotaPlacesOptions {
  readonly store: PlaceStore
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Quotas as places that are taken one by one, each by one conditional write. */
export function quotaPlaces({ store, now }: QuotaPlacesOptions): QuotaPlaces {
  async function freeUnlessTakenOver(lease: string, { slot, id }: QuotaPlace): Promise<void> {
    for (let found = await store.read(slot, id); found?.place?.lease === lease; found = await store.read(slot, id)) {
      // Where it changed meanwhile, it is free already or somebody else's: reading it again tells.
      if (await store.replace(placeUntil(found.place, now(), now()), found.etag)) return
    }
  }

  return {
    async claim(lease, quota) {
      const slot = quotaSlot(lease)
      const lost = new Set<string>()
      // Ends after `quota` turns or so: nobody tries twice for a place that somebody else has taken.
      for (;;) {
        const places = await store.all(slot)
        const time = now()
        const taken = places.filter(one => isTaken(one, time))
        const own = taken.find(({ place }) => place?.lease === lease.id)
        if (own) return { slot, id: own.id }
        const id = freePlace(lease, quota, taken, lost)
        if (id === undefined) throw exhausted(taken, time)
        const place = placeUntil({ schema: 1, id, slot, lease: lease.id }, Date.parse(lease.expiresAt), time)
        const lapsed = places.find(one => one.id === id)
        if (await (lapsed ? store.replace(place, lapsed.etag) : store.create(place))) return { slot, id }
        // One that had lapsed may have been removed since: then it is there to be made.
        if (!lapsed || (await store.read(slot, id))) lost.add(id)
      }
    },

    async free({ id, quotaPlace }) {
      if (quotaPlace) await freeUnlessTakenOver(id, quotaPlace)
    },
  }
}

/** What cannot be read counts as taken: nobody can tell whose it is. */
function isTaken({ place }: StoredPlace, now: number): boolean {
  return place === undefined || Date.parse(place.until) > now
}

/**
 * A place to try for, where one is free. Leases begin their search at different places, so that a hundred pods that
 * start at once do not all try for the first; two requests for one lease begin at the same one.
 */
function freePlace(
  { slot }: Lease,
  quota: number,
  taken: readonly StoredPlace[],
  lost: ReadonlySet<string>,
): string | undefined {
  // Places beyond a quota that was lowered count as long as their leases live.
  if (taken.length >= quota) return undefined
  const first = Number.parseInt(slot.slice(0, 12), 16) % quota
  const ids = Array.from({ length: quota }, (_, index) => placeId((first + index) % quota))
  return ids.find(id => !lost.has(id) && taken.every(one => one.id !== id))
}

function placeUntil(place: Omit<Place, 'until' | 'ttl'>, until: number, now: number): Place {
  const ttl = Math.max(1, Math.ceil((until - now) / 1000))
  return { ...place, until: new Date(until).toISOString(), ttl }
}

/** Seconds after which to ask again, at the latest: a lease may be given back at any time. */
const longestWait = 60

function exhausted(taken: readonly StoredPlace[], now: number): ExchangeError {
  const ends = taken.flatMap(({ place }) => (place ? [Date.parse(place.until)] : []))
  const next = Math.ceil((Math.min(...ends) - now) / 1000)
  return new ExchangeError('slow_down', 'quota_exhausted', { retryAfter: Math.min(next, longestWait) })
}
