import type { Container } from '@azure/cosmos'
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

/** The versions of every document, kept for ever. Everything throws 503 `documents_unavailable`. */
export interface Versions {
  /** Written before the document is: what was in force is never lost. Returns what tells its outcome. */
  keep(name: DocumentName, version: NewVersion): Promise<(outcome: VersionOutcome) => Promise<void>>
  /** The newest first, a hundred at most. */
  list(name: DocumentName): Promise<readonly Version[]>
  read(name: DocumentName, id: string): Promise<Version | undefined>
}

export type VersionOutcome = { readonly state: 'saved'; readonly etag: string } | { readonly state: 'refused' }

type Document = Readonly<Record<string, unknown>>

const shown = 100

/** Versions in a container of their own, so that no reader of rules or targets ever sees one. */
export function cosmosVersions(container: Container, of: EditedContainer): Versions {
  const partitionOf = ({ partition, id }: DocumentName) => JSON.stringify([of, partition, id])

  return {
    async keep(name, kept) {
      const document: Version = { schema: 1, of: partitionOf(name), state: 'intended', ...kept }
      await askCosmos('documents_unavailable', () => container.items.create(document))
      return async outcome => {
        const item = container.item(kept.id, document.of)
        await askCosmos('documents_unavailable', () => item.replace({ ...document, ...outcome }))
      }
    },

    async list(name) {
      const query = { query: `SELECT TOP ${shown} * FROM c ORDER BY c.id DESC` }
      const found = container.items.query<Document>(query, { partitionKey: partitionOf(name) })
      const { resources } = await askCosmos('documents_unavailable', () => found.fetchAll())
      return resources.map(document => version.parse(withoutSystemProperties(document)))
    },

    async read(name, id) {
      const item = container.item(id, partitionOf(name))
      const { resource } = await askCosmos('documents_unavailable', () => item.read<Document>())
      return resource && version.parse(withoutSystemProperties(resource))
    },
  }
}
