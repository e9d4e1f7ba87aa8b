import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { AdminEntry } from './decisions/record.ts'
import type { DocumentName, EditedContainer } from './document-kind.ts'
import type { Workload } from './workload/workload.ts'

/** What an operator is about to do to a document. */
export interface Intent {
  readonly decision: string
  readonly action: AdminEntry['action']
  readonly container: EditedContainer
  readonly name: DocumentName
  /** What is kept of it: nothing, where it is removed. */
  readonly content: unknown
  readonly operator: Workload
  /** The version that it replaces. */
  readonly before: string | undefined
  /** The change that a second person approves, where there is one. */
  readonly approval?: AdminEntry['approval']
}

/** A document of up to so many bytes goes into its record whole; of a larger one the record holds the digest. */
const recordedBytes = 12_000

/** The record of a change but for its outcome, with the content where it fits and its digest either way. */
export function adminEntry({ decision, action, container, name, content, operator, before, approval }: Intent) {
  const text = canonicalize(content)
  const fits = text !== undefined && Buffer.byteLength(text) <= recordedBytes
  return {
    kind: 'admin' as const,
    decision,
    action,
    operator,
    document: { container, ...name },
    ...(approval && { approval }),
    ...(before !== undefined && { before }),
    ...(text !== undefined && { contentHash: createHash('sha256').update(text).digest('hex') }),
    ...(fits && { content }),
  }
}
