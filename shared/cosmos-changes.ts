import type { Container, SqlQuerySpec } from '@azure/cosmos'
import { z } from 'zod'
import { askCosmos, cosmosStatus } from './cosmos-error.ts'
import { withoutSystemProperties } from './document.ts'
import type { DocumentName, EditedContainer } from './document-kind.ts'
import { type PendingChange, pendingChange, type Standing, savingTime } from './pending-change.ts'

type Document = Readonly<Record<string, unknown>>

/** A change at the version that was read or written last. */
export interface StoredChange {
  readonly change: PendingChange
  readonly etag: string
}

export interface ChangePage {
  /** Without what is to be saved. */
  readonly changes: readonly PendingChange[]
  /** The ids of those that cannot be read. */
  readonly unreadable: readonly string[]
  readonly continuation?: string
}

/** Where changes wait for a second person. Everything throws 503 `documents_unavailable`. */
export interface Changes {
  create(change: PendingChange): Promise<void>
  read(id: string): Promise<StoredChange | undefined>
  /** Undefined where it changed since it was read. */
  replace(change: PendingChange, etag: string): Promise<StoredChange | undefined>
  /** A page of those that stand so, the newest first. Undefined where the continuation is none. */
  list(asked: Listed): Promise<ChangePage | undefined>
  /** The newest of those that were proposed of a document, lapsed or not: some of them. */
  proposedOf(container: EditedContainer, name: DocumentName): Promise<readonly PendingChange[]>
}

export interface Listed {
  readonly state: Standing
  /** Epoch milliseconds: how they stand at that time. */
  readonly time: number
  readonly continuation: string | undefined
}

const pageSize = 50
const proposedAtMost = 20
const summary = Object.keys(pendingChange.shape).filter(member => member !== 'document')
const unresolved = "(c.state = 'proposed' OR (c.state = 'approving' AND c.settledAt <= @abandoned))"
/** As `standingOf` says. Times are compared as texts: all are of one form. */
const conditions = {
  proposed: `${unresolved} AND c.lapsesAt > @time`,
  lapsed: `${unresolved} AND c.lapsesAt <= @time`,
  approving: "c.state = 'approving' AND c.settledAt > @abandoned",
  approved: "c.state = 'approved'",
  refused: "c.state = 'refused'",
  withdrawn: "c.state = 'withdrawn'",
} as const satisfies Readonly<Record<Standing, string>>

/** Changes in Cosmos DB, partitioned by id. */
export function cosmosChanges(container: Container): Changes {
  async function find(query: SqlQuerySpec): Promise<readonly Document[]> {
    const found = container.items.query<Document>(query)
    return (await askCosmos('documents_unavailable', () => found.fetchAll())).resources
  }

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

    async list({ state, time, continuation }) {
      // Ids of changes sort by their age.
      if (continuation !== undefined && !z.guid().safeParse(continuation).success) return undefined
      const older = continuation === undefined ? '' : ' AND c.id < @before'
      const found = await find({
        query: `SELECT TOP ${pageSize + 1} ${summary.map(member => `c.${member}`).join(', ')} FROM c WHERE ${conditions[state]}${older} ORDER BY c.id DESC`,
        parameters: [
          { name: '@time', value: new Date(time).toISOString() },
          { name: '@abandoned', value: new Date(time - savingTime).toISOString() },
          { name: '@before', value: continuation ?? '' },
        ],
      })
      const page = found.slice(0, pageSize)
      const next = found.length > pageSize ? page.at(-1)?.['id'] : undefined
      return { ...sorted(page), ...(next !== undefined && { continuation: String(next) }) }
    },

    async proposedOf(of, { id, partition }) {
      const found = await find({
        query: `SELECT TOP ${proposedAtMost} * FROM c WHERE c.state = 'proposed' AND c.container = @container AND c.name.id = @id AND c.name.partition = @partition ORDER BY c.id DESC`,
        parameters: [
          { name: '@container', value: of },
          { name: '@id', value: id },
          { name: '@partition', value: partition },
        ],
      })
      return sorted(found).changes
    },
  }
}

/** One that cannot be read must not hide the others. */
function sorted(documents: readonly Document[]): Pick<ChangePage, 'changes' | 'unreadable'> {
  const parsed = documents.map(document => ({
    id: String(document['id']),
    ...pendingChange.safeParse(withoutSystemProperties(document)),
  }))
  return {
    changes: parsed.flatMap(({ data }) => (data ? [data] : [])),
    unreadable: parsed.flatMap(({ id, success }) => (success ? [] : [id])),
  }
}

function stored(document: Document): StoredChange {
  return { change: pendingChange.parse(withoutSystemProperties(document)), etag: String(document['_etag']) }
}
