import type { Lockdown } from '../workload/lockdown.ts'
import type { LeaseStore, UnreadableLease } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import { locationOf } from './lease-states.ts'
import { isLockedDown } from './locked-down.ts'
import type { SearchLive } from './search-live.ts'
import type { WorkByServer } from './work-by-server.ts'

export interface TakingOptions {
  readonly store: Pick<LeaseStore, 'due'>
  readonly searchLive: SearchLive
  /** Marks a live lease as due, under the lockdown that names it. Never throws. */
  readonly mark: (found: StoredLease, lockdown: Lockdown) => Promise<unknown>
  readonly noteUnreadable: (lease: UnreadableLease) => void
  readonly work: WorkByServer<StoredLease>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/** What gives a run its work. Everything throws 503 `lease_unavailable`. */
export interface Taking {
  /** Takes all that is due, as its servers have room for it. */
  due(): Promise<void>
  /**
   * Takes the live leases that a lockdown names. What finds no room becomes due: nobody is given it any more, and
   * `due` finds it. Tells whether there was such.
   */
  lockedDown(standing: readonly Lockdown[]): Promise<boolean>
}

/** Leases that are marked at once. */
const markedAtOnce = 10

/** In place of the server's location for what is ended without asking a server. It waits for none. */
export const nowhere = 'nowhere'

/** Takes each lease once, though it may be due and locked down. */
export function takeLeases({ store, searchLive, mark, noteUnreadable, work, now, signal }: TakingOptions): Taking {
  const taken = new Set<string>()

  /** False where its server takes no more at present. */
  function take(found: StoredLease): boolean {
    const { id, vacant, location = locationOf(found.lease) } = found.lease
    if (taken.has(id)) return true
    const isTaken = work.add(vacant ? nowhere : location, found)
    if (isTaken) taken.add(id)
    return isTaken
  }

  /** False where it stopped at a server that takes no more: the next search leaves that one out, however much is due there. */
  async function searchDue(): Promise<boolean> {
    const closed = work.closed()
    const without = { locations: closed.filter(server => server !== nowhere), vacant: closed.includes(nowhere) }
    for await (const found of store.due(now(), without)) {
      if (signal.aborted) return true
      if ('unreadable' in found) noteUnreadable(found)
      else if (!take(found) && isLeftOut(found.lease)) return false
    }
    return true
  }

  /** The live leases that a lockdown names, and what cannot be read. Where none stands, nothing is read. */
  async function* named(standing: readonly Lockdown[]) {
    for await (const found of standing.length > 0 ? searchLive(signal) : []) {
      const lockdown = 'lease' in found ? lockdownOf(found.lease, standing) : undefined
      if ('unreadable' in found || lockdown) yield { found, lockdown }
    }
  }

  return {
    async due() {
      while (!signal.aborted) {
        const isAtEnd = await searchDue()
        if (isAtEnd && !(await work.room())) return
      }
    },

    async lockedDown(standing) {
      let isAnyLeft = false
      const marking = new Set<Promise<unknown>>()
      for await (const { found, lockdown } of named(standing)) {
        // Before it is taken: the next search goes on with what was not.
        if (signal.aborted) break
        if ('unreadable' in found) noteUnreadable(found)
        else if (lockdown && !take(found)) {
          isAnyLeft = true
          marking.add(mark(found, lockdown))
        }
        if (marking.size === markedAtOnce) await settled(marking)
      }
      await settled(marking)
      return isAnyLeft
    },
  }
}

/** Whether the next search leaves it out where its server takes no more. */
function isLeftOut({ location, vacant }: Lease): boolean {
  return location !== undefined || vacant === true
}

/** The lockdown that names a lease, where one does. */
export function lockdownOf(lease: Lease, standing: readonly Lockdown[]): Lockdown | undefined {
  return standing.find(lockdown => isLockedDown(lease, lockdown))
}

async function settled(all: Set<Promise<unknown>>): Promise<void> {
  await Promise.all(all)
  all.clear()
}
