import type { Container, SqlQuerySpec } from '@azure/cosmos'
import { z } from 'zod'
import { askCosmos } from './cosmos-error.ts'
import { withoutSystemProperties } from './document.ts'
import type { DocumentName, EditedContainer } from './document-kind.ts'

const version = z.object({
  schema: z.literal(1),
  /** The decision that the change is on record under: later ones sort after earlier ones. */
  id: z.string(),
  /** Whose version it is: the partition. */
  of: z.string(),
  at: z.iso.datetime(),
  /** Absent where it was not saved here: whoever deploys wrote it. */
  operator: z
    .object({ objectId: z.string(), application: z.string(), principal: z.enum(['application', 'user']) })
    .optional(),
  /** `intended`: it was about to be saved, and nobody saw what came of it. */
  state: z.enum(['intended', 'saved', 'refused']),
  /** The ETag of the document while this version was in force. */
  etag: z.string().optional(),
  /** Absent where the change removed the document. */
  content: z.unknown().optional(),
})
export type Version = z.output<typeof version>

/** A version that is to be kept. */
export type NewVersion = Omit<Version, 'schema' | 'of' | 'state' | 'etag'>

/** A version without what it holds: `removed` where it holds nothing, since the change removed the document. */
export type ListedVersion = Omit<Version, 'content'> & { readonly removed: boolean }

/** Some of the versions of a document, the newest first. */
export interface VersionPage {
  readonly versions: readonly ListedVersion[]
  /** The ids of those that cannot be read. */
  readonly unreadable: readonly string[]
  readonly continuation?: string
}

/** When a version was saved, and one member of it: absent where it has none. */
export interface VersionMember {
  readonly at: string
  readonly member?: unknown
}

/** The versions of every document, kept for ever. Everything throws 503 `documents_unavailable`. */
export interface Versions {
  /** Written before the document is: what was in force is never lost. Returns what tells its outcome. */
  keep(name: DocumentName, version: NewVersion): Promise<(outcome: VersionOutcome) => Promise<void>>
  /** A page of them. Undefined where the continuation is none. */
  list(name: DocumentName, continuation: string | undefined): Promise<VersionPage | undefined>
  /** Undefined where there is none of that id, or it cannot be read. */
  read(name: DocumentName, id: string): Promise<Version | undefined>
  /** Whether that version of the document is among them. */
  has(name: DocumentName, etag: string): Promise<boolean>
  /** One member of those that were saved, the newest first, a hundred at most. */
  members(name: DocumentName, member: 'keys'): Promise<readonly VersionMember[]>
}

export type VersionOutcome = { readonly state: 'saved'; readonly etag: string } | { readonly state: 'refused' }

type Document = Readonly<Record<string, unknown>>

const pageSize = 50
const membersAtMost = 100

/** A version as it is listed. What it holds may be large, and they may be many. */
const listed = version.omit({ content: true }).extend({ removed: z.boolean() })
const summary = Object.keys(version.shape).filter(member => member !== 'content')

/** Versions in a container of their own, so that no reader of rules or targets ever sees one. */
export function cosmosVersions(container: Container, of: EditedContainer): Versions {
  const partitionOf = ({ partition, id }: DocumentName) => JSON.stringify([of, partition, id])

  async function find<Row>(name: DocumentName, query: SqlQuerySpec): Promise<readonly Row[]> {
    const found = container.items.query<Row>(query, { partitionKey: partitionOf(name) })
    return (await askCosmos('documents_unavailable', () => found.fetchAll())).resources
  }

  return {
    async keep(name, kept) {
      const document: Version = { schema: 1, of: partitionOf(name), state: 'intended', ...kept }
      await askCosmos('documents_unavailable', () => container.items.create(document))
      return async outcome => {
        const item = container.item(kept.id, document.of)
        await askCosmos('documents_unavailable', () => item.replace({ ...document, ...outcome }))
      }
    },

    async list(name, continuation) {
      // Ids of versions sort by their age.
      if (continuation !== undefined && !z.guid().safeParse(continuation).success) return undefined
      const members = summary.map(member => `c.${member}`).join(', ')
      const found = await find<Document>(name, {
        query:
          `SELECT TOP ${pageSize + 1} ${members}, NOT IS_DEFINED(c.content) AS removed FROM c` +
          `${continuation === undefined ? '' : ' WHERE c.id < @before'} ORDER BY c.id DESC`,
        parameters: [{ name: '@before', value: continuation ?? '' }],
      })
      const page = found.slice(0, pageSize)
      const next = found.length > pageSize ? page.at(-1)?.['id'] : undefined
      return { ...sorted(page), ...(next !== undefined && { continuation: String(next) }) }
    },

    async read(name, id) {
      const item = container.item(id, partitionOf(name))
      const { resource } = await askCosmos('documents_unavailable', () => item.read<Document>())
      return version.safeParse(withoutSystemProperties(resource ?? {})).data
    },

    async has(name, etag) {
      const query = 'SELECT TOP 1 c.id FROM c WHERE c.etag = @etag'
      return (await find(name, { query, parameters: [{ name: '@etag', value: etag }] })).length > 0
    },

    members: (name, member) =>
      find<VersionMember>(name, {
        query: `SELECT TOP ${membersAtMost} c.at, c.content.${member} AS member FROM c WHERE c.state = 'saved' ORDER BY c.id DESC`,
      }),
  }
}

/** One that cannot be read must not hide the others. */
function sorted(documents: readonly Document[]): Pick<VersionPage, 'versions' | 'unreadable'> {
  const parsed = documents.map(document => ({ id: String(document['id']), ...listed.safeParse(document) }))
  return {
    versions: parsed.flatMap(({ data }) => (data ? [data] : [])),
    unreadable: parsed.flatMap(({ id, success }) => (success ? [] : [id])),
  }
}
