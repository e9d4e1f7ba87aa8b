import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import type { Lockdown } from '../workload/lockdown.ts'
import { type Lease, leaseDocument } from './lease.ts'
import { isLease, isLive, type LeaseQuery } from './lease-conditions.ts'
import { isLockedDown } from './locked-down.ts'

/** How many live leases a lockdown names. `more`: some were not looked at, and there may be more. */
export interface LockedLeases {
  readonly found: number
  readonly more: boolean
}

/** Counts the live leases that a lockdown names, as the timer that ends them tells it. Throws 503 `lease_unavailable`. */
export type CountLocked = (lockdown: Lockdown) => Promise<LockedLeases>

/** Nobody waits for more of them to be read: by then it is said that there are many. */
const readAtMost = 2_000
const pageSize = 200

/** Counts in Cosmos DB. */
export function lockedLeaseCounter(container: Container): CountLocked {
  return async lockdown => {
    const pages = container.items.query<Readonly<Record<string, unknown>>>(spec(lockdown), { maxItemCount: pageSize })
    let [found, read] = [0, 0]
    while (pages.hasMoreResults() && read < readAtMost) {
      const { resources } = await askCosmos('lease_unavailable', () => pages.fetchNext())
      const leases = (resources ?? []).flatMap(leaseIn)
      found += leases.filter(lease => isLockedDown(lease, lockdown)).length
      read += resources?.length ?? 0
    }
    return { found, more: pages.hasMoreResults() }
  }
}

/** One that cannot be read is not told to be among them. */
function leaseIn(document: Readonly<Record<string, unknown>>): readonly Lease[] {
  const { data: lease } = leaseDocument.safeParse(withoutSystemProperties(document))
  return lease ? [lease] : []
}

/** Narrows by what a lease always tells. Of the rest, a lease may be meant though it does not tell it. */
function spec({ blocks }: Lockdown): LeaseQuery {
  const { target, rule, issuer, namespace } = blocks === 'everything' ? {} : blocks
  const given = [
    { name: '@target', value: target, clause: 'c.target = @target' },
    { name: '@rule', value: rule && { id: rule }, clause: 'ARRAY_CONTAINS(c.rules, @rule, true)' },
    { name: '@issuer', value: issuer, clause: '(c.workload.issuer = @issuer OR c.actor.issuer = @issuer)' },
    {
      name: '@namespace',
      value: namespace,
      // A lease of a time when leases told no key may be of any.
      clause:
        '(c.workload.namespace = @namespace OR c.actor.namespace = @namespace OR NOT IS_DEFINED(c.workload.keyId))',
    },
  ]
  const asked = given.flatMap(({ value, ...one }) => (value === undefined ? [] : [{ ...one, value }]))
  return {
    query: `SELECT * FROM c WHERE ${[isLease, isLive, ...asked.map(({ clause }) => clause)].join(' AND ')}`,
    parameters: asked.map(({ name, value }) => ({ name, value })),
  }
}
