import type { Container, ItemResponse } from '@azure/cosmos'
import canonicalize from 'canonicalize'
import { askCosmos, cosmosStatus, isRefusedByCosmos } from './cosmos-error.ts'
import { type Stored, tombstone, withoutSystemProperties } from './document.ts'
import { type DocumentFilter, filterConditions } from './document-filter.ts'
import type { DocumentName } from './document-kind.ts'

type Document = Readonly<Record<string, unknown>>

export interface DocumentPage {
  readonly documents: readonly Stored<unknown>[]
  readonly continuation?: string
}

/** Which documents are listed: those of a partition, or of all, that fit a filter. */
export interface ListedDocuments {
  readonly partition?: string | undefined
  readonly filter?: DocumentFilter
  /** How many a page has at the most: 100 unless said. */
  readonly limit?: number
  readonly continuation?: string | undefined
}

/** What lies under a name: a document, or the tombstone of one that was removed. */
export interface FoundDocument extends Stored<Document> {
  readonly isTombstone: boolean
  /** Epoch milliseconds. */
  readonly writtenAt: number
}

/** What is to be written in the place of a version, or of nothing. */
export interface WrittenDocument {
  readonly name: DocumentName
  readonly document: Document
  readonly before: string | undefined
}

/** The documents of one container, for whoever changes them. Everything throws 503 `documents_unavailable`. */
export interface Documents {
  /** A page of documents. Undefined where the continuation is none. */
  list(listed: ListedDocuments): Promise<DocumentPage | undefined>
  find(name: DocumentName): Promise<FoundDocument | undefined>
  /**
   * Undefined where something else is in its place. Where no answer comes, what is there by then tells whether it was
   * written; where it was tried before (`again`), it may be there since.
   */
  write(written: WrittenDocument, again: boolean): Promise<Stored<unknown> | undefined>
}

const pageSize = 100

/** Documents in Cosmos DB. Only conditional writes decide which of two writers was first. */
export function cosmosDocuments(container: Container, now: () => number): Documents {
  const itemOf = ({ id, partition }: DocumentName) => container.item(id, partition)

  async function find(name: DocumentName): Promise<FoundDocument | undefined> {
    const { resource } = await askCosmos('documents_unavailable', () => itemOf(name).read<Document>())
    return resource && found(resource)
  }

  async function write({ name, document, before }: WrittenDocument): Promise<Stored<unknown> | undefined> {
    const writing =
      before === undefined
        ? container.items.create<Document>(document)
        : itemOf(name).replace<Document>(document, { accessCondition: { type: 'IfMatch', condition: before } })
    const written = await askCosmos('documents_unavailable', () => writing.catch(unlessConflict))
    return written?.resource && stored(written.resource)
  }

  /** What is there, if it is what was to be written and not what was there before. */
  async function landed({ name, document, before }: WrittenDocument): Promise<Stored<unknown> | undefined> {
    const there = await find(name)
    if (!there || there.version === before) return undefined
    const { content, version } = there
    return canonicalize(content) === canonicalize(document) ? { content, version } : undefined
  }

  return {
    async list({ partition, filter = {}, limit = pageSize, continuation }) {
      const options = {
        maxItemCount: limit,
        ...(partition !== undefined && { partitionKey: partition }),
        ...(continuation !== undefined && { continuationToken: continuation }),
      }
      const query = container.items.query<Document>(queryFor(filter, now()), options)
      const page = await askCosmos('documents_unavailable', () => query.fetchNext().catch(unlessMalformed))
      if (!page) return undefined
      const next = page.continuationToken
      return { documents: (page.resources ?? []).map(stored), ...(next && { continuation: next }) }
    },

    find,

    async write(asked, again) {
      try {
        return (await write(asked)) ?? (again ? await landed(asked) : undefined)
      } catch (error) {
        const there = isRefusedByCosmos(error) ? undefined : await landed(asked).catch(() => undefined)
        if (there) return there
        throw error
      }
    },
  }
}

function queryFor(filter: DocumentFilter, time: number) {
  const conditions = filterConditions(filter, time)
  const where = ['NOT IS_DEFINED(c.deleted)', ...conditions.map(({ sql }) => sql)].join(' AND ')
  return {
    query: `SELECT * FROM c WHERE ${where}`,
    parameters: conditions.flatMap(({ parameters }) => [...parameters]),
  }
}

function found(document: Document): FoundDocument {
  const isTombstone = tombstone.safeParse(document).success
  return { ...stored(document), isTombstone, writtenAt: Number(document['_ts']) * 1000 }
}

function stored(document: Document): Stored<Document> {
  return { content: withoutSystemProperties(document), version: String(document['_etag']) }
}

function unlessMalformed(error: unknown): undefined {
  if (cosmosStatus(error) !== 400) throw error
}

function unlessConflict(error: unknown): ItemResponse<Document> | undefined {
  const status = cosmosStatus(error)
  // 404: replaced at a version of a document that is gone altogether.
  if (status === 409 || status === 412 || status === 404) return undefined
  throw error
}
