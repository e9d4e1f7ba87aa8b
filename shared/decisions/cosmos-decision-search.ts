import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import { type Condition, conditionsOf, type DecisionFilter, type Parameter, visibleIn } from './search-conditions.ts'
import {
  comparePlaces,
  continuationAt,
  type OrderedBy,
  type Place,
  placeIn,
  placeOf,
  type SearchOrder,
} from './search-order.ts'

type Document = Readonly<Record<string, unknown>>

/** What the log is made of: the records, what says that their streams exist, and what proves them. */
export type LogContainer = 'decisions' | 'streams' | 'checkpoints'

/** A search. Times are as `toISOString` writes them; `to` is not part of it. */
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
  readonly documents: readonly Document[]
  readonly continuation?: string
}

/** The decision log, for those who read it. Everything throws 503 `documents_unavailable`. */
export interface DecisionSearch {
  /** Undefined where the continuation is none. */
  page(query: LogQuery): Promise<LogPage | undefined>
  /** The records of a decision, oldest first, a hundred at most: its own, and the counts that hold it as a sample. */
  of(decision: string, namespaces: Namespaces): Promise<readonly Document[]>
}

const orderedBy: Readonly<Record<LogContainer, OrderedBy>> = {
  decisions: ['at', 'stream', 'id'],
  streams: ['openedAt', 'hour', 'id'],
  checkpoints: ['at', 'day', 'id'],
}

/** How many records of one decision are shown. */
const ofOne = 100

/** Searches in Cosmos DB. Each page is a query of its own, so no server keeps anything between two of them. */
export function cosmosDecisionSearch(containers: Readonly<Record<LogContainer, Container>>): DecisionSearch {
  return {
    async page(query) {
      const { of, order, limit, continuation } = query
      const after = continuation === undefined ? undefined : placeOf(continuation)
      if (continuation !== undefined && !after) return undefined
      const by = orderedBy[of]
      const asked = { ...select(conditionsOfPage(query, after), orderClause(query)), time: by[0], limit }
      const found = await firstOf(containers[of], asked)
      const compare = (a: Document, b: Document) => comparePlaces(placeIn(a, by), placeIn(b, by), order)
      const documents = found.toSorted(compare).slice(0, limit)
      const last = documents.at(-1)
      const more = found.length > limit && last && { continuation: continuationAt(placeIn(last, by)) }
      return { documents: documents.map(withoutSystemProperties), ...more }
    },

    async of(decision, namespaces) {
      const named = 'c.decision = @decision OR c.kind = "count" AND ARRAY_CONTAINS(c.samples, @sample, true)'
      const parameters = [
        { name: '@decision', value: decision },
        { name: '@sample', value: { decision } },
      ]
      const query = select([{ sql: `(${named})`, parameters }, ...visibleIn(namespaces)], '')
      const by = orderedBy.decisions
      const found = await firstOf(containers.decisions, { ...query, time: by[0], limit: ofOne })
      const inOrder = found.toSorted((a, b) => comparePlaces(placeIn(a, by), placeIn(b, by), 'oldest'))
      return inOrder.slice(0, ofOne).map(withoutSystemProperties)
    },
  }
}

function conditionsOfPage({ of, from, to, order, filter, namespaces }: LogQuery, after: Place | undefined) {
  const [time] = orderedBy[of]
  const range = {
    sql: `c.${time} >= @begin AND c.${time} < @end`,
    parameters: [
      { name: '@begin', value: from },
      { name: '@end', value: to },
    ],
  }
  const chosen = of === 'decisions' ? [...conditionsOf(filter), ...visibleIn(namespaces)] : []
  return [range, ...chosen, ...(after ? [beyond(after, orderedBy[of], order)] : [])]
}

/** What comes after a place. One composite comparison would need an index of its own in Cosmos DB. */
function beyond(after: Place, [time, partition, id]: OrderedBy, order: SearchOrder): Condition {
  const is = order === 'newest' ? '<' : '>'
  const later = `c.${partition} ${is} @partition OR c.${partition} = @partition AND c.${id} ${is} @id`
  return {
    sql: `c.${time} ${is}= @time AND (c.${time} ${is} @time OR ${later})`,
    parameters: ['@time', '@partition', '@id'].map((name, index) => ({ name, value: after[index] ?? '' })),
  }
}

function orderClause({ of, order }: LogQuery): string {
  return ` ORDER BY c.${orderedBy[of][0]} ${order === 'newest' ? 'DESC' : 'ASC'}`
}

function select(conditions: readonly Condition[], order: string) {
  return {
    query: `SELECT * FROM c WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}${order}`,
    parameters: conditions.flatMap(({ parameters }) => [...parameters]),
  }
}

interface Asked {
  readonly query: string
  readonly parameters: Parameter[]
  /** The member by which it is ordered. */
  readonly time: string
  readonly limit: number
}

/** At least as many as the limit and one more, where there are; of those with the last one's time, all. */
async function firstOf(container: Container, { query, parameters, time, limit }: Asked): Promise<readonly Document[]> {
  const found: Document[] = []
  const pages = container.items.query<Document>({ query, parameters }, { maxItemCount: limit + 1 })
  const isEnough = () => found.length > limit && found.at(-1)?.[time] !== found[limit - 1]?.[time]
  while (pages.hasMoreResults() && !isEnough()) {
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    found.push(...(resources ?? []))
  }
  return found
}
