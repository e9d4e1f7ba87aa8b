import type { Container } from '@azure/cosmos'
import { withoutSystemProperties } from '../document.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import { firstDocuments, select } from './cosmos-first-documents.ts'
import { pageOfStreams } from './cosmos-stream-page.ts'
import { decisionTime } from './decision-time.ts'
import type { LogContainer, LogPage, LogQuery } from './log-query.ts'
import { type Condition, conditionsOf, visibleIn } from './search-conditions.ts'
import { continuationAt, type OrderedBy, type Place, placeIn, placeOf, type TimeOrder } from './search-order.ts'

type Document = Readonly<Record<string, unknown>>

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

const directions = { newest: 'DESC', oldest: 'ASC' } as const

/** How many records of one decision are shown. */
const ofOne = 100
/**
 * Milliseconds around the time of a decision's id in which its records were written: clocks differ, and counts that hold
 * it are written later, much later where the log was down.
 */
const [recordedBefore, recordedAfter] = [3_600_000, 86_400_000]
/** How many documents of one time a page may have to put in order: more than a gateway writes in a millisecond. */
const mostOfOneTime = 10_000

/** Searches in Cosmos DB. Each page is a query of its own, so no server keeps anything between two of them. */
export function cosmosDecisionSearch(
  containers: Readonly<Record<LogContainer, Container>>,
  most = mostOfOneTime,
): DecisionSearch {
  return {
    async page(query) {
      const { of, limit, continuation } = query
      const after = continuation === undefined ? undefined : placeOf(continuation)
      if (continuation !== undefined && !after) return undefined
      if (of === 'decisions' && query.order === 'stream') return pageOfStreams(containers.decisions, query, after)
      const by = orderedBy[of]
      const order = timeOrderOf(query)
      const chosen = select(conditionsOfPage(query, after), ` ORDER BY c.${by[0]} ${directions[order]}`)
      const { documents, areMore } = await firstDocuments(containers[of], { query: chosen, by, order, limit, most })
      const last = documents.at(-1)
      const more = areMore && last && { continuation: continuationAt(placeIn(last, by)) }
      return { documents: documents.map(withoutSystemProperties), ...more }
    },

    async of(decision, namespaces) {
      const decided = decisionTime(decision)
      if (decided === undefined) return []
      const query = select([around(decided), naming(decision), ...visibleIn(namespaces)], '')
      const asked = { query, by: orderedBy.decisions, order: 'oldest', limit: ofOne, most } as const
      const { documents } = await firstDocuments(containers.decisions, asked)
      return documents.map(withoutSystemProperties)
    },
  }
}

/** The records of a decision, and the counts that hold it as a sample. */
function naming(decision: string): Condition {
  const named = 'c.decision = @decision OR c.kind = "count" AND ARRAY_CONTAINS(c.samples, @sample, true)'
  const parameters = [
    { name: '@decision', value: decision },
    { name: '@sample', value: { decision } },
  ]
  return { sql: `(${named})`, parameters }
}

/** Without a range of time, every record of all the years that they are kept would be looked at. */
function around(time: number): Condition {
  const parameters = [
    { name: '@begin', value: new Date(Math.max(0, time - recordedBefore)).toISOString() },
    { name: '@end', value: new Date(time + recordedAfter).toISOString() },
  ]
  return { sql: 'c.at >= @begin AND c.at < @end', parameters }
}

/** What proves the log is in order by its time. */
function timeOrderOf({ order }: LogQuery): TimeOrder {
  return order === 'stream' ? 'oldest' : order
}

function conditionsOfPage(query: LogQuery, after: Place | undefined) {
  const { of, from, to, filter, namespaces } = query
  const [time] = orderedBy[of]
  const range = {
    sql: `c.${time} >= @begin AND c.${time} < @end`,
    parameters: [
      { name: '@begin', value: from },
      { name: '@end', value: to },
    ],
  }
  const chosen = of === 'decisions' ? [...conditionsOf(filter), ...visibleIn(namespaces)] : []
  return [range, ...chosen, ...(after ? [beyond(after, orderedBy[of], timeOrderOf(query))] : [])]
}

/** What comes after a place. One composite comparison would need an index of its own in Cosmos DB. */
function beyond(after: Place, [time, partition, id]: OrderedBy, order: TimeOrder): Condition {
  const is = order === 'newest' ? '<' : '>'
  const later = `c.${partition} ${is} @partition OR c.${partition} = @partition AND c.${id} ${is} @id`
  return {
    sql: `c.${time} ${is}= @time AND (c.${time} ${is} @time OR ${later})`,
    parameters: ['@time', '@partition', '@id'].map((name, index) => ({ name, value: after[index] ?? '' })),
  }
}
