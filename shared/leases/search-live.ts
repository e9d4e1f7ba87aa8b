import type { LeaseStore, UnreadableLease } from './cosmos-leases.ts'
import type { StoredLease } from './lease.ts'

/** Finds the live leases, until the signal says that there is no time left. Throws 503 `lease_unavailable`. */
export type SearchLive = (signal: AbortSignal) => AsyncIterable<StoredLease | UnreadableLease>

/**
 * A search that remembers how far it came: where the leases are too many for one run, the next goes on with those that
 * this one did not see. One that began in the middle begins again afterwards, so that whoever has the time sees them all.
 */
export function searchLive({ live }: Pick<LeaseStore, 'live'>): SearchLive {
  let reached: string | undefined

  async function* toTheEnd(signal: AbortSignal) {
    const begin = reached
    try {
      for await (const { leases, next } of live(begin)) {
        yield* leases
        // Only now: a page of which some were not taken is seen again.
        reached = next
        if (signal.aborted) return
      }
    } catch (error) {
      // Cosmos DB may not know the place any more.
      if (reached === begin) reached = undefined
      throw error
    }
  }

  return async function* search(signal) {
    const isPartWay = reached !== undefined
    yield* toTheEnd(signal)
    if (isPartWay && !signal.aborted) yield* toTheEnd(signal)
  }
}
