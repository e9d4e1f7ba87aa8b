import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'

/** How many leases there are, by target. */
export interface LeaseCounts {
  /** Accounts that give access, or are being made. */
  readonly live: ReadonlyMap<string, number>
  /** Whose revocation was tried and failed: it is tried again for ever. */
  readonly stuck: ReadonlyMap<string, number>
  /** Due for more than a minute, and not tried once: more than the timer has time for. */
  readonly overdue: ReadonlyMap<string, number>
}

/** Undefined where the time did not suffice: a part of the leases says nothing. Throws 503 `lease_unavailable`. */
export type CountLeases = (signal: AbortSignal) => Promise<LeaseCounts | undefined>

interface Row {
  readonly target: string
  readonly state: string
  readonly vacant?: boolean
  readonly attempts?: number
  readonly dueAt?: string
}

const pageSize = 1_000
const query =
  'SELECT c.target, c.state, c.vacant, c.attempts, c.dueAt FROM c WHERE c.state IN ("reserved", "active", "revoking")'
/** Each run takes what is due by then, in milliseconds. */
const timely = 60_000

/** Counts the leases that are not over. `now` is the wall clock, in epoch milliseconds. */
export function leaseCounter(container: Container, now: () => number): CountLeases {
  return async signal => {
    const [live, stuck, overdue] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()]
    const timelyAt = new Date(now() - timely).toISOString()
    const pages = container.items.query<Row>(query, { maxItemCount: pageSize })
    while (pages.hasMoreResults()) {
      if (signal.aborted) return undefined
      const { resources } = await askCosmos('lease_unavailable', () => pages.fetchNext())
      for (const { target, state, vacant, attempts = 0, dueAt = '' } of resources ?? []) {
        // A target of which all is well is told of, too: with 0, its alarm goes out.
        count(live, target, state === 'active' || (state === 'reserved' && vacant !== true))
        count(stuck, target, state === 'revoking' && attempts > 0)
        count(overdue, target, attempts === 0 && dueAt < timelyAt)
      }
    }
    return { live, stuck, overdue }
  }
}

function count(counts: Map<string, number>, target: string, isOne: boolean): void {
  counts.set(target, (counts.get(target) ?? 0) + (isOne ? 1 : 0))
}
