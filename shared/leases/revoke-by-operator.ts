import { v7 as uuid } from 'uuid'
import type { DecisionLog } from '../decisions/record.ts'
import { groupsOf } from '../groups.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import type { LeaseSearch } from './cosmos-lease-search.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import type { Lease, StoredLease } from './lease.ts'
import type { LeaseFilter } from './lease-conditions.ts'
import { type EndedLease, endedByOperator, leaseMarker, type Revoker, readOfNamespaces } from './mark-leases.ts'

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
const mostAtOnce = 1_000
/** So many ids fit into a record. */
const recordedTogether = 150

/** Ends leases as an operator says: those that are named, or found. */
export function revokeByOperator({ store, search, decisions, now }: RevokeByOperatorOptions): RevokeByOperator {
  const read = (id: string, namespaces: Namespaces) => readOfNamespaces(store, id, namespaces)
  const mark = leaseMarker({ store, decisions, now })

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
      const [ended] = await mark([found], revoker, { decision: uuid() })
      return ended
    },

    async all(filter, expected, revoker) {
      const { leases, more } = await matching(filter, revoker.namespaces)
      if (more || leases.length !== expected) return { kind: 'differs', found: leases.length, more }
      const { stuck: _, ...named } = filter
      const told = { decision: uuid(), filter: named }
      const ended: EndedLease[] = []
      for (const some of groupsOf(leases, recordedTogether)) ended.push(...(await mark(some, revoker, told)))
      return { kind: 'marked', leases: ended }
    },
  }
}
