import type { Namespaces } from '../workload/namespaces.ts'
import type { DecisionFilter } from './search-conditions.ts'
import type { SearchOrder } from './search-order.ts'

/** What the log is made of: the records, what says that their streams exist, and what proves them. */
export type LogContainer = 'decisions' | 'streams' | 'checkpoints'

/** A search. Times are as `toISOString` writes them; `to` is not part of it. By stream, they stand for their hours. */
export interface LogQuery {
  readonly of: LogContainer
  readonly from: string
  readonly to: string
  readonly order: SearchOrder
  /** How many documents a page has at the most. */
  readonly limit: number
  /** Of decisions. */
  readonly filter: DecisionFilter
  readonly namespaces: Namespaces
  readonly continuation: string | undefined
}

export interface LogPage {
  /** Whole, as they were written: of the record, nothing is left out that its hash is made of. */
  readonly documents: readonly Readonly<Record<string, unknown>>[]
  readonly continuation?: string
}
