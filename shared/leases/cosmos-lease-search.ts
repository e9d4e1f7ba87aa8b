import type { Container } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import { readLease } from './cosmos-lease-document.ts'
import type { UnreadableLease } from './cosmos-leases.ts'
import type { StoredLease } from './lease.ts'
import { type LeaseFilter, leaseQuery } from './lease-conditions.ts'

type Document = Readonly<Record<string, unknown>>

/** Some of the leases of a filter. */
export interface FoundLeases {
  readonly leases: readonly (StoredLease | UnreadableLease)[]
  /** By which the search goes on: there may be more, though a page may hold none. */
  readonly continuation?: string
}

/** Leases, for those who look for them. Everything throws 503 `lease_unavailable`. */
export interface LeaseSearch {
  /** Undefined where the continuation is none. */
  page(filter: LeaseFilter, namespaces: Namespaces, page: LeasePaging): Promise<FoundLeases | undefined>
  /** The leases that still give access, as many as that at the most. */
  live(filter: LeaseFilter, namespaces: Namespaces, most: number): Promise<readonly StoredLease[]>
}

export interface LeasePaging {
  readonly limit: number
  readonly continuation: string | undefined
}

const readAtOnce = 200

/** Searches in Cosmos DB. */
export function cosmosLeaseSearch(container: Container): LeaseSearch {
  return {
    async page(filter, namespaces, { limit, continuation }) {
      const start = continuation === undefined ? {} : { continuationToken: continuation }
      const pages = container.items.query<Document>(leaseQuery(filter, namespaces), { maxItemCount: limit, ...start })
      const page = await askCosmos('lease_unavailable', () => pages.fetchNext().catch(unlessMalformed))
      if (!page) return undefined
      const { resources, continuationToken } = page
      return {
        leases: (resources ?? []).map(readLease),
        ...(continuationToken && { continuation: continuationToken }),
      }
    },

    async live(filter, namespaces, most) {
      const found: StoredLease[] = []
      const query = leaseQuery(filter, namespaces, 'live')
      const pages = container.items.query<Document>(query, { maxItemCount: Math.min(most, readAtOnce) })
      while (pages.hasMoreResults() && found.length < most) {
        const { resources } = await askCosmos('lease_unavailable', () => pages.fetchNext())
        // What cannot be read cannot be marked either: the timer tells of it once it is due.
        for (const one of (resources ?? []).map(readLease)) if ('lease' in one) found.push(one)
      }
      return found.slice(0, most)
    },
  }
}

function unlessMalformed(error: unknown): undefined {
  if (cosmosStatus(error) !== 400) throw error
}
