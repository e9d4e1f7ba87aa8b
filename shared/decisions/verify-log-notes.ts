import type { CheckpointVerdict } from './verify-checkpoints.ts'
import type { CopiesVerdict } from './verify-copies.ts'
import type { FindingList } from './verify-finding-list.ts'
import type { JudgedStream } from './verify-stream-notes.ts'

/** What was found while reading, and every stream, in order. */
export interface LogNotes {
  readonly streams: readonly JudgedStream[]
  readonly findings: FindingList
  readonly checkpoints: CheckpointVerdict
  readonly copies: CopiesVerdict | undefined
  readonly deployment: string | undefined
  /** Until when checkpoints are expected, epoch milliseconds. NaN where nobody can tell. */
  readonly end: number
}
