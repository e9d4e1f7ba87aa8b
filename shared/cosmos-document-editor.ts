import type { Container, ItemResponse } from '@azure/cosmos'
import canonicalize from 'canonicalize'
import { v7 as uuid } from 'uuid'
import { adminEntry } from './admin-entry.ts'
import { askCosmos, cosmosStatus, isRefusedByCosmos } from './cosmos-error.ts'
import type { Version, Versions } from './cosmos-versions.ts'
import type { AdminEntry, DecisionLog } from './decisions/record.ts'
import { type Problem, problemOfStructure, type Stored, tombstone, withoutSystemProperties } from './document.ts'
import { type Difference, diffOf } from './document-diff.ts'
import { type DocumentFilter, filterConditions } from './document-filter.ts'
import type { DocumentKind, DocumentName } from './document-kind.ts'
import type { Workload } from './workload/workload.ts'

type Document = Readonly<Record<string, unknown>>

/** The version that a change is made to: an ETag, or none, for a document that is not there yet. */
export type Expected = { readonly etag: string } | 'absent'

/** What became of a change. `conflict`: the document is not at the expected version. */
export type Changed =
  | { readonly kind: 'changed'; readonly document: Stored<unknown> }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/** A change of one document: what is to be saved in its place, or that it is to be removed. */
export type Proposal = { readonly name: DocumentName } & (
  | { readonly action: 'put'; readonly document: unknown; readonly expected: Expected }
  | { readonly action: 'remove'; readonly expected: Exclude<Expected, 'absent'> }
)

/** What a change would come to: all that keeps it from being made, or what would be different. */
export type Rehearsal =
  | { readonly kind: 'acceptable'; readonly stored: Stored<unknown> | undefined; readonly diff: readonly Difference[] }
  | Exclude<Changed, { readonly kind: 'changed' }>

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

/** Documents of one kind as operators change them. Everything throws 503 where Cosmos DB cannot be asked. */
export interface DocumentEditor {
  /** A page of documents. Undefined where the continuation is none. */
  list(listed: ListedDocuments): Promise<DocumentPage | undefined>
  read(name: DocumentName): Promise<Stored<unknown> | undefined>
  /** What a change would come to; saves nothing. Without an expected version, it is that which is there. */
  rehearse(draft: Draft): Promise<Rehearsal>
  /** Checked by the code that reads it; the version and the intent are kept before, the outcome after. */
  put(name: DocumentName, document: unknown, expected: Expected, operator: Workload): Promise<Changed>
  /** Puts a tombstone in its place: the change feed shows no deletes. */
  remove(name: DocumentName, etag: string, operator: Workload): Promise<Changed>
  /**
   * One or the other, on record with the change that was approved, where a second person did. Where an answer is lost,
   * what is there by then tells what came of it.
   */
  save(proposal: Proposal, operator: Workload, approved?: Approved): Promise<Changed>
  /** The versions that it had, the newest first, and what is there of changes that failed. */
  versions: Versions['list']
  version: Versions['read']
  versionMembers: Versions['members']
}

/** The change that a second person approved. `again`: it was tried before, and may be in force since. */
export interface Approved {
  readonly approval: NonNullable<AdminEntry['approval']>
  readonly again: boolean
}

/** A change that is only tried: it may leave open which version it is to be made to. */
export type Draft =
  | Proposal
  | { readonly action: 'put'; readonly name: DocumentName; readonly document: unknown; readonly expected?: undefined }
  | { readonly action: 'remove'; readonly name: DocumentName; readonly expected?: undefined }

export interface DocumentEditorOptions {
  readonly kind: DocumentKind
  readonly container: Container
  readonly versions: Versions
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

const pageSize = 100
/** What Cosmos DB takes with room to spare, in bytes of JSON. */
const maxBytes = 256_000
/** Tombstones outlast every instance that could have missed them: 30 days, in seconds. */
const tombstoneLife = 30 * 86_400

/** Edits documents in Cosmos DB. Only conditional writes decide which of two operators was first. */
export function cosmosDocumentEditor(options: DocumentEditorOptions): DocumentEditor {
  const { kind, container, versions, decisions, now } = options
  const itemOf = ({ id, partition }: DocumentName) => container.item(id, partition)

  async function readRaw(name: DocumentName): Promise<Document | undefined> {
    return (await askCosmos('documents_unavailable', () => itemOf(name).read<Document>())).resource
  }

  /** A tombstone counts as absent, so a document that was removed can be made again in its place. */
  async function conditionFor(name: DocumentName, expected: Expected): Promise<string | undefined> {
    if (expected !== 'absent') return expected.etag
    const found = await readRaw(name)
    return found && tombstone.safeParse(found).success ? String(found['_etag']) : undefined
  }

  async function write({ name, document, before }: Written): Promise<Changed> {
    const writing =
      before === undefined
        ? container.items.create<Document>(document)
        : itemOf(name).replace<Document>(document, { accessCondition: { type: 'IfMatch', condition: before } })
    const written = await askCosmos('documents_unavailable', () => writing.catch(unlessConflict))
    return written?.resource ? { kind: 'changed', document: stored(written.resource) } : { kind: 'conflict' }
  }

  /** What is there, if it is what was to be written and not what was there before. */
  async function landed({ name, document, before }: Written): Promise<Changed | undefined> {
    const found = await readRaw(name)
    if (!found || found['_etag'] === before) return undefined
    const isSame = canonicalize(withoutSystemProperties(found)) === canonicalize(document)
    return isSame ? { kind: 'changed', document: stored(found) } : undefined
  }

  /** As {@link write}; where no answer came, or to an earlier try, by what is there. */
  async function writeOrFind(written: Written, again: boolean): Promise<Changed> {
    try {
      const changed = await write(written)
      return (again && changed.kind === 'conflict' && (await landed(written))) || changed
    } catch (error) {
      const found = isRefusedByCosmos(error) ? undefined : await landed(written).catch(ignore)
      if (found) return found
      throw error
    }
  }

  /** What whoever deploys wrote is a version as well, once it is about to be replaced here. */
  async function keepForeign(name: DocumentName, before: string | undefined): Promise<void> {
    if (before === undefined) return
    const found = await readRaw(name)
    if (!found || found['_etag'] !== before || tombstone.safeParse(found).success) return
    if (await versions.has(name, before)) return
    const at = new Date(Number(found['_ts']) * 1000).toISOString()
    const settle = await versions.keep(name, { id: uuid(), at, content: withoutSystemProperties(found) })
    await settle({ state: 'saved', etag: before })
  }

  async function change({ document, expected, approved, ...asked }: Change): Promise<Changed> {
    const { name, content, operator } = asked
    const before = await conditionFor(name, expected)
    await keepForeign(name, before)
    const { approval, again = false } = approved ?? {}
    const decision = uuid()
    const intent = { ...asked, ...(approval && { approval }) }
    const entry = adminEntry({ ...intent, decision, container: kind.container, before })
    const at = new Date(now()).toISOString()
    const settle = await versions.keep(name, { id: decision, at, operator: authorOf(operator), content })
    const follows = await decisions.write({ ...entry, outcome: 'intended' })
    const changed = await writeOrFind({ name, document, before }, again).catch(async error => {
      const outcome = isRefusedByCosmos(error) ? 'failed' : 'unclear'
      await decisions.write({ ...entry, outcome, follows }).catch(ignore)
      throw error
    })
    const isDone = changed.kind === 'changed'
    const after = isDone ? changed.document.version : ''
    // The change is made: if its outcome cannot be kept now, the intent and the document tell it.
    await settle(isDone ? { state: 'saved', etag: after } : { state: 'refused' }).catch(ignore)
    const outcome = isDone ? { outcome: 'done' as const, after } : ({ outcome: again ? 'unclear' : 'failed' } as const)
    await decisions.write({ ...entry, ...outcome, follows }).catch(ignore)
    return changed
  }

  async function problems(name: DocumentName, document: unknown): Promise<readonly Problem[]> {
    const structure = problemOfStructure(document)
    if (structure !== undefined) return [structure]
    if (Buffer.byteLength(JSON.stringify(document)) > maxBytes) {
      return [{ path: [], detail: `expected ${maxBytes} bytes of JSON at most` }]
    }
    return kind.check(document, name)
  }

  async function read(name: DocumentName): Promise<Stored<unknown> | undefined> {
    const found = await readRaw(name)
    return found && !tombstone.safeParse(found).success ? stored(found) : undefined
  }

  async function save(proposal: Proposal, operator: Workload, approved?: Approved): Promise<Changed> {
    const { name, action, expected } = proposal
    const asked = { name, action, expected, operator, approved }
    if (proposal.action === 'remove') {
      const grave = { ...partitionMember(kind, name), id: name.id, deleted: true, ttl: tombstoneLife }
      return change({ ...asked, document: grave, content: undefined })
    }
    const { document } = proposal
    const found = await problems(name, document)
    if (found.length > 0) return { kind: 'invalid', problems: found }
    return change({ ...asked, document: document as Document, content: document })
  }

  return {
    async list({ partition, filter = {}, limit = pageSize, continuation }) {
      const options = {
        maxItemCount: limit,
        ...(partition !== undefined && { partitionKey: partition }),
        ...(continuation !== undefined && { continuationToken: continuation }),
      }
      const conditions = filterConditions(filter, now())
      const query = {
        query: `SELECT * FROM c WHERE ${['NOT IS_DEFINED(c.deleted)', ...conditions.map(({ sql }) => sql)].join(' AND ')}`,
        parameters: conditions.flatMap(({ parameters }) => [...parameters]),
      }
      const page = await askCosmos('documents_unavailable', () =>
        container.items.query<Document>(query, options).fetchNext().catch(unlessMalformed),
      )
      if (!page) return undefined
      const next = page.continuationToken
      return { documents: (page.resources ?? []).map(stored), ...(next && { continuation: next }) }
    },

    read,

    async rehearse(draft) {
      const found = draft.action === 'put' ? await problems(draft.name, draft.document) : []
      if (found.length > 0) return { kind: 'invalid', problems: found }
      const current = await read(draft.name)
      if (!isExpected(draft, current)) return { kind: 'conflict' }
      const after = draft.action === 'put' ? draft.document : undefined
      return { kind: 'acceptable', stored: current, diff: diffOf(current?.content, after) }
    },

    save,
    put: (name, document, expected, operator) => save({ action: 'put', name, document, expected }, operator),
    remove: (name, etag, operator) => save({ action: 'remove', name, expected: { etag } }, operator),
    versions: versions.list,
    version: versions.read,
    versionMembers: versions.members,
  }
}

interface Change {
  readonly name: DocumentName
  readonly action: AdminEntry['action']
  /** What is written. */
  readonly document: Document
  /** What is kept of it: nothing, where it is removed. */
  readonly content: unknown
  readonly expected: Expected
  readonly operator: Workload
  readonly approved: Approved | undefined
}

/** A document that is to be written in the place of a version, or of nothing. */
interface Written {
  readonly name: DocumentName
  readonly document: Document
  readonly before: string | undefined
}

/** Whether the document is where the change expects it; what is removed has to be there. */
function isExpected({ action, expected }: Draft, current: Stored<unknown> | undefined): boolean {
  if (expected === undefined) return action === 'put' || current !== undefined
  return expected === 'absent' ? current === undefined : current?.version === expected.etag
}

/** Where the partition is not the id, a tombstone has to name it. */
function partitionMember({ container }: DocumentKind, { partition }: DocumentName): Document {
  if (container === 'rules') return { target: partition }
  return container === 'posture' ? { of: partition } : {}
}

function authorOf({ entra, subject }: Workload): Version['operator'] {
  const { objectId = subject, application = '', principal = 'application' } = entra ?? {}
  return { objectId, application, principal }
}

function stored(document: Document): Stored<unknown> {
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

function ignore(): void {}
