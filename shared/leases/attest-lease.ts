import { v7 as uuid } from 'uuid'
import type { DecisionLog } from '../decisions/record.ts'
import { unavailable } from '../errors.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import type { Lease } from './lease.ts'
import { attestedGone } from './lease-states.ts'
import { type Revoker, readOfNamespaces } from './mark-leases.ts'

/** What became of an operator's word. Not `attested`: it was not for an operator to say, and the lease is as it was. */
export interface AttestedLease {
  readonly lease: Lease
  readonly attested: boolean
}

/**
 * Takes an operator's word that the account of a stuck lease is gone, with the reason for it: the timer ends the lease by
 * it where its server cannot be asked. Undefined where there is none of that id, or it is of another namespace. Throws
 * 503 where it cannot be kept, `lease_lost` where the lease changed meanwhile.
 */
export type AttestLease = (id: string, reason: string, revoker: Revoker) => Promise<AttestedLease | undefined>

export interface AttestLeaseOptions {
  readonly store: Pick<LeaseStore, 'read' | 'replace'>
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Nothing is attested without a record of who did before it, nor left without one of what came of it. */
export function attestLease({ store, decisions, now }: AttestLeaseOptions): AttestLease {
  return async (id, reason, { operator, namespaces }) => {
    const found = await readOfNamespaces(store, id, namespaces)
    if (!found) return undefined
    const attested = attestedGone(found.lease, reason, now())
    if (!attested) return { lease: found.lease, attested: false }
    const what = {
      kind: 'admin',
      action: 'attest',
      decision: uuid(),
      operator,
      leases: [id],
      attested: { reason },
    } as const
    const follows = await decisions.write({ ...what, outcome: 'intended' })
    const stored = await store.replace(attested, found.etag).catch(() => undefined)
    const outcome = stored ? 'done' : 'failed'
    // It is marked by now, or not: if the outcome cannot be kept, the intent and the lease tell it.
    await decisions.write({ ...what, outcome, follows }).catch(() => undefined)
    if (!stored) throw unavailable('lease_lost', { retryAfter: 1 })
    return { lease: stored.lease, attested: true }
  }
}
