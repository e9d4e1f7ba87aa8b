import type { Container } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from './cosmos-error.ts'
import { withoutSystemProperties } from './document.ts'
import { type PendingChange, pendingChange } from './pending-change.ts'

type Document = Readonly<Record<string, unknown>>

/** A change at the version that was read or written last. */
export interface StoredChange {
  readonly change: PendingChange
  readonly etag: string
}

export interface ChangePage {
  readonly changes: readonly PendingChange[]
  readonly continuation?: string
}

/** Where changes wait for a second person. Everything throws 503 `documents_unavailable`. */
export interface Changes {
  create(change: PendingChange): Promise<void>
  read(id: string): Promise<StoredChange | undefined>
  /** Undefined where it changed since it was read. */
  replace(change: PendingChange, etag: string): Promise<StoredChange | undefined>
  /** A page of them. Undefined where the continuation is none. */
  list(continuation: string | undefined): Promise<ChangePage | undefined>
}

const pageSize = 50

/** Changes in Cosmos DB, partitioned by id. */
export function cosmosChanges(container: Container): Changes {
  return {
    async create(change) {
      await askCosmos('documents_unavailable', () => container.items.create<Document>(change))
    },

    async read(id) {
      const { resource } = await askCosmos('documents_unavailable', () => container.item(id, id).read<Document>())
      return resource && stored(resource)
    },

    async replace(change, etag) {
      const accessCondition = { type: 'IfMatch', condition: etag }
      const written = await askCosmos('documents_unavailable', () =>
        container
          .item(change.id, change.id)
          .replace<Document>(change, { accessCondition })
          .catch(error => {
            if (cosmosStatus(error) !== 412) throw error
            return undefined
          }),
      )
      return written?.resource && stored(written.resource)
    },

    async list(continuation) {
      const options = { maxItemCount: pageSize, ...(continuation !== undefined && { continuationToken: continuation }) }
      const page = await askCosmos('documents_unavailable', () =>
        container.items
          .query<Document>('SELECT * FROM c', options)
          .fetchNext()
          .catch(error => {
            if (cosmosStatus(error) !== 400) throw error
            return undefined
          }),
      )
      if (!page) return undefined
      const next = page.continuationToken
      const changes = (page.resources ?? []).map(document => stored(document).change)
      return { changes, ...(next && { continuation: next }) }
    },
  }
}

function stored(document: Document): StoredChange {
  return { change: pendingChange.parse(withoutSystemProperties(document)), etag: String(document['_etag']) }
}
