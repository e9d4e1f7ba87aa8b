import type { Container, ItemResponse } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import type { DocumentName } from '../document-kind.ts'
import { readSignal, type SignalDocument } from './posture-signal.ts'

type Document = Readonly<Record<string, unknown>>

/** What is stored under the name of a signal: undefined for a tombstone, and for what cannot be read. */
export interface FoundSignal {
  readonly signal: SignalDocument | undefined
  readonly etag: string
}

/** Signals as they are stored. Everything throws 503 `documents_unavailable`. */
export interface PostureStore {
  read(name: DocumentName): Promise<FoundSignal | undefined>
  /** Writes at the version that was read, or where there was none. The new ETag; undefined where somebody was faster. */
  write(name: DocumentName, document: Document, etag: string | undefined): Promise<string | undefined>
}

/** Signals in Cosmos DB. */
export function cosmosPostureStore(container: Container): PostureStore {
  return {
    async read({ id, partition }) {
      const item = container.item(id, partition)
      const { resource } = await askCosmos('documents_unavailable', () => item.read<Document>())
      return resource && { signal: readSignal(resource), etag: String(resource['_etag']) }
    },

    async write({ id, partition }, document, etag) {
      const condition = { accessCondition: { type: 'IfMatch', condition: etag ?? '' } }
      const write = () =>
        etag === undefined
          ? container.items.create<Document>(document)
          : container.item(id, partition).replace<Document>(document, condition)
      const written = await askCosmos('documents_unavailable', () => write().catch(unlessConflict))
      return written?.resource && String(written.resource['_etag'])
    },
  }
}

function unlessConflict(error: unknown): ItemResponse<Document> | undefined {
  const status = cosmosStatus(error)
  if (status === 409 || status === 412 || status === 404) return undefined
  throw error
}
