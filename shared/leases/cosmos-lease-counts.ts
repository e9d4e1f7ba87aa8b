import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'

/** How many leases there are, by target. */
export interface LeaseCounts {
  /** Accounts that give access, or are being made. */
  readonly live: ReadonlyMap<string, number>
  /** Whose revocation was tried and failed: it is tried again for ever. */
  readonly stuck: ReadonlyMap<string, number>
}

/** Undefined where the time did not suffice: a part of the leases says nothing. Throws 503 `lease_unavailable`. */
export type CountLeases = (signal: AbortSignal) => Promise<LeaseCounts | undefined>

interface Row {
  readonly target: string
  readonly state: string
  readonly vacant?: boolean
  readonly attempts?: number
}

const pageSize = 1_000
const query =
  'SELECT c.target, c.state, c.vacant, c.attempts FROM c WHERE c.state IN ("reserved", "active", "revoking")'

/** Counts the leases that are not over. */
export function leaseCounter(container: Container): CountLeases {
  return async signal => {
    const [live, stuck] = [new Map<string, number>(), new Map<string, number>()]
    const pages = container.items.query<Row>(query, { maxItemCount: pageSize })
    while (pages.hasMoreResults()) {
      if (signal.aborted) return undefined
      const { resources } = await askCosmos('lease_unavailable', () => pages.fetchNext())
      for (const row of resources ?? []) {
        // A target of which all is well is told of, too: with 0, its alarm goes out.
        count(live, row.target, row.state === 'active' || (row.state === 'reserved' && row.vacant !== true))
        count(stuck, row.target, row.state === 'revoking' && (row.attempts ?? 0) > 0)
      }
    }
    return { live, stuck }
  }
}

function count(counts: Map<string, number>, target: string, isOne: boolean): void {
  counts.set(target, (counts.get(target) ?? 0) + (isOne ? 1 : 0))
}
