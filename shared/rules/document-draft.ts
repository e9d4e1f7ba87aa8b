import type { DocumentName, EditedContainer } from '../document-kind.ts'

/** A document as it would be saved; without one, removed. */
export interface DocumentDraft {
  readonly container: EditedContainer
  readonly name: DocumentName
  readonly document?: unknown
}

/** The partition of guardrails, which bear on every target. */
export const everyTarget = '*'
