import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { type Stored, withoutSystemProperties } from '../document.ts'

type Document = Readonly<Record<string, unknown>>

/** Lockdowns that may stand. `complete`: those are all of them. */
export interface StandingLockdowns {
  readonly documents: readonly Stored<unknown>[]
  readonly complete: boolean
}

const readAtMost = 1_000
const pageSize = 200

/** Times are compared as texts, of which some are more exact than others, in milliseconds. */
const slack = 60_000

/** The lockdowns that may stand at a time, in epoch milliseconds: some of them have expired just before. Throws 503. */
export async function lockdownsSince(container: Container, time: number): Promise<StandingLockdowns> {
  const query = {
    query: 'SELECT * FROM c WHERE NOT IS_DEFINED(c.deleted) AND (NOT IS_DEFINED(c.expiresAt) OR c.expiresAt > @since)',
    parameters: [{ name: '@since', value: new Date(time - slack).toISOString() }],
  }
  const pages = container.items.query<Document>(query, { maxItemCount: pageSize })
  const read: Document[] = []
  while (pages.hasMoreResults() && read.length <= readAtMost) {
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    read.push(...(resources ?? []))
  }
  const documents = read.slice(0, readAtMost).map(document => ({
    content: withoutSystemProperties(document),
    version: String(document['_etag']),
  }))
  return { documents, complete: !pages.hasMoreResults() && read.length <= readAtMost }
}
