import { v7 as uuid } from 'uuid'
import { adminEntry } from './admin-entry.ts'
import type { Documents } from './cosmos-documents.ts'
import type { Version, Versions } from './cosmos-versions.ts'
import type { AdminEntry, DecisionLog } from './decisions/record.ts'
import type { Problem, Stored } from './document.ts'
import type { DocumentName, EditedContainer } from './document-kind.ts'
import { changeOnRecord } from './record-change.ts'
import type { Workload } from './workload/workload.ts'

/** The version that a change is made to: an ETag, or none, for a document that is not there yet. */
export type Expected = { readonly etag: string } | 'absent'

/** What became of a change. `conflict`: the document is not at the expected version. */
export type Changed =
  | { readonly kind: 'changed'; readonly document: Stored<unknown> }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/** The change that a second person approved. `again`: it was tried before, and may be in force since. */
export interface Approved {
  readonly approval: NonNullable<AdminEntry['approval']>
  readonly again: boolean
}

/** A change that nothing is wrong with, as it is made. */
export interface DocumentChange {
  readonly name: DocumentName
  readonly action: 'put' | 'remove'
  /** What is written. */
  readonly document: Readonly<Record<string, unknown>>
  /** What is kept of it: nothing, where it is removed. */
  readonly content: unknown
  readonly expected: Expected
  readonly operator: Workload
  readonly approved: Approved | undefined
}

export interface DocumentChangeOptions {
  readonly container: EditedContainer
  readonly documents: Documents
  readonly versions: Versions
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Makes a change. Throws 503 where that cannot be told, or put on record. */
export type ChangeDocument = (change: DocumentChange) => Promise<Changed>

/** Makes changes: the version and the intent are kept before, the outcome after. */
export function documentChanger(options: DocumentChangeOptions): ChangeDocument {
  const { container, documents, versions, decisions, now } = options

  /** A tombstone counts as absent, so a document that was removed can be made again in its place. */
  async function versionExpected(name: DocumentName, expected: Expected): Promise<string | undefined> {
    if (expected !== 'absent') return expected.etag
    const found = await documents.find(name)
    return found?.isTombstone ? found.version : undefined
  }

  /** What whoever deploys wrote is a version as well, once it is about to be replaced here. */
  async function keepForeign(name: DocumentName, before: string | undefined): Promise<void> {
    if (before === undefined) return
    const found = await documents.find(name)
    if (!found || found.version !== before || found.isTombstone) return
    if (await versions.has(name, before)) return
    const at = new Date(found.writtenAt).toISOString()
    const settle = await versions.keep(name, { id: uuid(), at, content: found.content })
    await settle({ state: 'saved', etag: before })
  }

  return async ({ name, action, document, content, expected, operator, approved }) => {
    const before = await versionExpected(name, expected)
    await keepForeign(name, before)
    const { approval, again = false } = approved ?? {}
    const decision = uuid()
    const intent = { decision, action, container, name, content, operator, before, ...(approval && { approval }) }
    const at = new Date(now()).toISOString()
    const settle = await versions.keep(name, { id: decision, at, operator: authorOf(operator), content })
    return changeOnRecord<Changed>(decisions, adminEntry(intent), async () => {
      const stored = await documents.write({ name, document, before }, again)
      // If what became of the version cannot be kept now, the intent and the document tell it.
      await settle(stored ? { state: 'saved', etag: stored.version } : { state: 'refused' }).catch(() => undefined)
      if (!stored) return { result: { kind: 'conflict' }, outcome: again ? 'unclear' : 'failed' }
      return { result: { kind: 'changed', document: stored }, outcome: 'done', after: stored.version }
    })
  }
}

function authorOf({ entra, subject }: Workload): Version['operator'] {
  const { objectId = subject, application = '', principal = 'application' } = entra ?? {}
  return { objectId, application, principal }
}
