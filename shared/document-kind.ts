import type { Problem } from './document.ts'

/** Where a document is: its id, and the partition of its container. */
export interface DocumentName {
  readonly id: string
  readonly partition: string
}

/** The containers whose documents operators change. */
export type EditedContainer = 'rules' | 'targets' | 'issuers' | 'calendars' | 'lockdowns' | 'posture'

/** One kind of document that operators change, and what keeps one from being saved. */
export interface DocumentKind {
  readonly container: EditedContainer
  /**
   * Everything that is wrong with a document as the one of that name: what its schema says, by the same code that reads
   * it, and what it names that is not there. Throws 503 where that cannot be looked up.
   */
  check(document: unknown, name: DocumentName): Promise<readonly Problem[]>
}
