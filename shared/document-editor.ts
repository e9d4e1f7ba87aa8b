import type { DocumentPage, Documents, ListedDocuments } from './cosmos-documents.ts'
import type { Versions } from './cosmos-versions.ts'
import type { DecisionLog } from './decisions/record.ts'
import { type Problem, problemOfStructure, type Stored } from './document.ts'
import { type Approved, type Changed, documentChanger, type Expected } from './document-change.ts'
import { type Difference, diffOf } from './document-diff.ts'
import type { DocumentKind, DocumentName } from './document-kind.ts'
import type { Workload } from './workload/workload.ts'

type Document = Readonly<Record<string, unknown>>

/** A change of one document: what is to be saved in its place, or that it is to be removed. */
export type Proposal = { readonly name: DocumentName } & (
  | { readonly action: 'put'; readonly document: unknown; readonly expected: Expected }
  | { readonly action: 'remove'; readonly expected: Exclude<Expected, 'absent'> }
)

/** A change that is only tried: it may leave open which version it is to be made to. */
export type Draft =
  | Proposal
  | { readonly action: 'put'; readonly name: DocumentName; readonly document: unknown; readonly expected?: undefined }
  | { readonly action: 'remove'; readonly name: DocumentName; readonly expected?: undefined }

/** What a change would come to: all that keeps it from being made, or what would be different. */
export type Rehearsal =
  | { readonly kind: 'acceptable'; readonly stored: Stored<unknown> | undefined; readonly diff: readonly Difference[] }
  | Exclude<Changed, { readonly kind: 'changed' }>

/** Documents of one kind as operators change them. Everything throws 503 where Cosmos DB cannot be asked. */
export interface DocumentEditor {
  /** A page of documents. Undefined where the continuation is none. */
  list(listed: ListedDocuments): Promise<DocumentPage | undefined>
  read(name: DocumentName): Promise<Stored<unknown> | undefined>
  /** What a change would come to; saves nothing. Without an expected version, it is that which is there. */
  rehearse(draft: Draft): Promise<Rehearsal>
  /**
   * Makes a change: what is put is checked by the code that reads it; what is removed leaves a tombstone, since the change
   * feed shows no deletes. It is on record with the change that was approved, where a second person did. Where an answer
   * is lost, what is there by then tells what came of it.
   */
  save(proposal: Proposal, operator: Workload, approved?: Approved): Promise<Changed>
  /** The versions that it had, the newest first, and what is there of changes that failed. */
  versions: Versions['list']
  version: Versions['read']
  versionMembers: Versions['members']
}

export interface DocumentEditorOptions {
  readonly kind: DocumentKind
  readonly documents: Documents
  readonly versions: Versions
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** What Cosmos DB takes with room to spare, in bytes of JSON. */
const maxBytes = 256_000
/** Tombstones outlast every instance that could have missed them: 30 days, in seconds. */
const tombstoneLife = 30 * 86_400

/** Edits documents of one kind. */
export function documentEditor({ kind, ...parts }: DocumentEditorOptions): DocumentEditor {
  const { documents, versions } = parts
  const change = documentChanger({ ...parts, container: kind.container })

  async function read(name: DocumentName): Promise<Stored<unknown> | undefined> {
    const found = await documents.find(name)
    return found && !found.isTombstone ? { content: found.content, version: found.version } : undefined
  }

  return {
    list: documents.list,
    read,

    async rehearse(draft) {
      const found = draft.action === 'put' ? await problemsOf(kind, draft) : []
      if (found.length > 0) return { kind: 'invalid', problems: found }
      const current = await read(draft.name)
      if (!isExpected(draft, current)) return { kind: 'conflict' }
      const after = draft.action === 'put' ? draft.document : undefined
      return { kind: 'acceptable', stored: current, diff: diffOf(current?.content, after) }
    },

    async save(proposal, operator, approved) {
      const { name, action, expected } = proposal
      const asked = { name, action, expected, operator, approved }
      if (proposal.action === 'remove') {
        return change({ ...asked, document: tombstoneOf(kind, name), content: undefined })
      }
      const found = await problemsOf(kind, proposal)
      if (found.length > 0) return { kind: 'invalid', problems: found }
      return change({ ...asked, document: proposal.document as Document, content: proposal.document })
    },

    versions: versions.list,
    version: versions.read,
    versionMembers: versions.members,
  }
}

async function problemsOf(
  kind: DocumentKind,
  { name, document }: { readonly name: DocumentName; readonly document: unknown },
): Promise<readonly Problem[]> {
  const structure = problemOfStructure(document)
  if (structure !== undefined) return [structure]
  if (Buffer.byteLength(JSON.stringify(document)) > maxBytes) {
    return [{ path: [], detail: `expected ${maxBytes} bytes of JSON at most` }]
  }
  return kind.check(document, name)
}

/** Whether the document is where the change expects it; what is removed has to be there. */
function isExpected({ action, expected }: Draft, current: Stored<unknown> | undefined): boolean {
  if (expected === undefined) return action === 'put' || current !== undefined
  return expected === 'absent' ? current === undefined : current?.version === expected.etag
}

/** Where the partition is not the id, a tombstone has to name it. */
function tombstoneOf({ container }: DocumentKind, { id, partition }: DocumentName): Document {
  const grave = { id, deleted: true, ttl: tombstoneLife }
  if (container === 'rules') return { target: partition, ...grave }
  return container === 'posture' ? { of: partition, ...grave } : grave
}
