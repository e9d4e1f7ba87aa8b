import { v7 as uuid } from 'uuid'
import type { DecisionLog, LeaseEndingEntry } from '../decisions/record.ts'
import { unavailable } from '../errors.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import type { Workload } from '../workload/workload.ts'
import type { LeaseSearch } from './cosmos-lease-search.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { type Lease, parseLeaseId, type StoredLease } from './lease.ts'
import { isOfNamespaces, type LeaseFilter } from './lease-conditions.ts'
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

/** What became of a search for leases to end. */
export type EndedLeases =
  | { readonly kind: 'marked'; readonly leases: readonly EndedLease[] }
  /** The leases that there are now are not as many as was expected. */
  | { readonly kind: 'differs'; readonly found: number; readonly more: boolean }

/** What ends leases at an operator's word: it marks them as due, and the timer ends them. */
export interface RevokeByOperator {
  /** Undefined where there is none of that id, or it is of another namespace. */
  find(id: string, namespaces: Namespaces): Promise<Lease | undefined>
  one(id: string, revoker: Revoker): Promise<EndedLease | undefined>
  /** The live leases of a filter, {@link mostAtOnce} at most. */
  matching(filter: LeaseFilter, namespaces: Namespaces): Promise<{ leases: readonly StoredLease[]; more: boolean }>
  /** All of them, where they are as many as expected. */
  all(filter: LeaseFilter, expected: number, revoker: Revoker): Promise<EndedLeases>
}

export interface RevokeByOperatorOptions {
  readonly store: LeaseStore
  readonly search: LeaseSearch
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** How many leases one request may end. More of them are a lockdown's business. */
export const mostAtOnce = 1_000
/** So many ids fit into a record. */
const recordedTogether = 150
const markedTogether = 10
const tries = 4

/** No lease is marked without a record of who wanted it before, nor left without one of what came of it. */
export function revokeByOperator({ store, search, decisions, now }: RevokeByOperatorOptions): RevokeByOperator {
  const read = (id: string, namespaces: Namespaces) => readOfNamespaces(store, id, namespaces)

  /** The timer and exchanges may change it meanwhile: then it is looked at again. */
  async function mark(found: StoredLease, { namespaces }: Revoker): Promise<EndedLease> {
    let at: StoredLease | undefined = found
    for (let count = 0; at && count < tries; count++) {
      const changed = endedByOperator(at.lease, now())
      if (!changed) return { lease: at.lease, marked: false }
      const stored = await store.replace(changed, at.etag)
      if (stored) return { lease: stored.lease, marked: true }
      at = await read(found.lease.id, namespaces)
    }
    throw unavailable('lease_lost', { retryAfter: 1 })
  }

  async function markOnRecord(
    found: readonly StoredLease[],
    revoker: Revoker,
    told: Pick<LeaseEndingEntry, 'decision' | 'filter'>,
  ): Promise<readonly EndedLease[]> {
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
      decisions.write({ ...entry, outcome, marked: ended.filter(({ marked }) => marked).length, follows }).catch(ignore)
    try {
      for (const some of groups(found, markedTogether)) {
        const settled = await Promise.allSettled(some.map(one => mark(one, revoker)))
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

  const matching: RevokeByOperator['matching'] = async (filter, namespaces) => {
    const leases = await search.live(filter, namespaces, mostAtOnce + 1)
    return { leases: leases.slice(0, mostAtOnce), more: leases.length > mostAtOnce }
  }

  return {
    find: async (id, namespaces) => (await read(id, namespaces))?.lease,
    matching,

    async one(id, revoker) {
      const found = await read(id, revoker.namespaces)
      if (!found) return undefined
      if (!endedByOperator(found.lease, now())) return { lease: found.lease, marked: false }
      const [ended] = await markOnRecord([found], revoker, { decision: uuid() })
      return ended
    },

    async all(filter, expected, revoker) {
      const { leases, more } = await matching(filter, revoker.namespaces)
      if (more || leases.length !== expected) return { kind: 'differs', found: leases.length, more }
      const { stuck: _, ...named } = filter
      const told = { decision: uuid(), filter: named }
      const ended: EndedLease[] = []
      for (const some of groups(leases, recordedTogether)) ended.push(...(await markOnRecord(some, revoker, told)))
      return { kind: 'marked', leases: ended }
    },
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

function* groups<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size)
}

function ignore(): void {}
