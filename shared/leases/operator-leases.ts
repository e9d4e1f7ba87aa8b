import type { Namespaces } from '../workload/namespaces.ts'
import type { AttestLease } from './attest-lease.ts'
import type { LeasePaging, LeaseSearch } from './cosmos-lease-search.ts'
import type { UnreadableLease } from './cosmos-leases.ts'
import type { StoredLease } from './lease.ts'
import { type LeaseFilter, type ShownLease, shownLease } from './lease-conditions.ts'
import type { Revoker } from './mark-leases.ts'
import type { RevokeByOperator } from './revoke-by-operator.ts'

/** A page of leases as operators see them. */
export interface ShownLeases {
  readonly leases: readonly (ShownLease | UnreadableLease)[]
  /** By which the search goes on: there may be more, though a page may hold none. */
  readonly continuation?: string
}

/** Leases as operators see and end them: without salt and settings. Everything throws 503 `lease_unavailable`. */
export interface OperatorLeases {
  /** Undefined where the continuation is none. */
  page(filter: LeaseFilter, namespaces: Namespaces, paging: LeasePaging): Promise<ShownLeases | undefined>
  /** Undefined where there is none of that id, or it is of another namespace. */
  read(id: string, namespaces: Namespaces): Promise<ShownLease | undefined>
  /** Marks a lease as due. `marked`: it was not on its way already. */
  revoke(id: string, revoker: Revoker): Promise<RevokedLease | undefined>
  /** Takes the operator's word that its account is gone. Not `attested`: the lease is not stuck for want of its server. */
  attest(id: string, reason: string, revoker: Revoker): Promise<ShownAttestation | undefined>
  /** The live leases of a filter, a thousand at most. */
  matching(filter: LeaseFilter, namespaces: Namespaces): Promise<MatchingLeases>
  /** Marks all of them as due, where they are as many as a dry run found. */
  revokeMatching(filter: LeaseFilter, asked: { expected: number; revoker: Revoker }): Promise<RevokedLeases>
}

export interface RevokedLease {
  readonly lease: ShownLease
  readonly marked: boolean
}

export interface ShownAttestation {
  readonly lease: ShownLease
  readonly attested: boolean
}

export interface MatchingLeases {
  readonly leases: readonly ShownLease[]
  readonly more: boolean
}

export type RevokedLeases =
  | { readonly kind: 'marked'; readonly marked: number; readonly notMarked: number }
  | { readonly kind: 'differs'; readonly found: number; readonly more: boolean }

/** What operators may do with leases. */
export function operatorLeases(search: LeaseSearch, revoke: RevokeByOperator, attest: AttestLease): OperatorLeases {
  return {
    async page(filter, namespaces, paging) {
      const page = await search.page(filter, namespaces, paging)
      return page && { ...page, leases: page.leases.map(one => ('lease' in one ? shownLease(one.lease) : one)) }
    },
    async read(id, namespaces) {
      const lease = await revoke.find(id, namespaces)
      return lease && shownLease(lease)
    },
    async revoke(id, revoker) {
      const ended = await revoke.one(id, revoker)
      return ended && { lease: shownLease(ended.lease), marked: ended.marked }
    },
    async attest(id, reason, revoker) {
      const said = await attest(id, reason, revoker)
      return said && { lease: shownLease(said.lease), attested: said.attested }
    },
    async matching(filter, namespaces) {
      const { leases, more } = await revoke.matching(filter, namespaces)
      return { leases: leases.map(shownOf), more }
    },
    async revokeMatching(filter, { expected, revoker }) {
      const ended = await revoke.all(filter, expected, revoker)
      if (ended.kind === 'differs') return ended
      const marked = ended.leases.filter(one => one.marked).length
      return { kind: 'marked', marked, notMarked: ended.leases.length - marked }
    },
  }
}

function shownOf({ lease }: StoredLease): ShownLease {
  return shownLease(lease)
}
