import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { unavailable } from '../errors.ts'
import type { Namespaces } from '../workload/namespaces.ts'
import { hourLength, hourOf } from './checkpoint-hours.ts'
import { decisionTime } from './decision-time.ts'
import { type Condition, conditionsOf, type DecisionFilter, type Parameter, visibleIn } from './search-conditions.ts'
import {
  comparePlaces,
  continuationAt,
  type OrderedBy,
  type Place,
  placeIn,
  placeOf,
  type SearchOrder,
  type TimeOrder,
} from './search-order.ts'

type Document = Readonly<Record<string, unknown>>

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
/**
 * Milliseconds around the time of a decision's id in which its records were written: clocks differ, and counts that hold
 * it are written later, much later where the log was down.
 */
const [recordedBefore, recordedAfter] = [3_600_000, 86_400_000]
/** How many documents of one time a page may have to put in order: more than a gateway writes in a millisecond. */
const mostOfOneTime = 10_000
/** How many streams are asked for a page, since none of their records may be what is searched for. */
const streamsOfPage = 50

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
      const order = timeOrderOf(query)
      const by = orderedBy[of]
      const asked = { ...select(conditionsOfPage(query, after), orderClause(query)), time: by[0], limit, most }
      const found = await firstOf(containers[of], asked)
      const compare = (a: Document, b: Document) => comparePlaces(placeIn(a, by), placeIn(b, by), order)
      const documents = found.toSorted(compare).slice(0, limit)
      const last = documents.at(-1)
      const more = found.length > limit && last && { continuation: continuationAt(placeIn(last, by)) }
      return { documents: documents.map(withoutSystemProperties), ...more }
    },

    async of(decision, namespaces) {
      const decided = decisionTime(decision)
      if (decided === undefined) return []
      const named = 'c.decision = @decision OR c.kind = "count" AND ARRAY_CONTAINS(c.samples, @sample, true)'
      const parameters = [
        { name: '@decision', value: decision },
        { name: '@sample', value: { decision } },
      ]
      const query = select([around(decided), { sql: `(${named})`, parameters }, ...visibleIn(namespaces)], '')
      const by = orderedBy.decisions
      const found = await firstOf(containers.decisions, { ...query, time: by[0], limit: ofOne, most })
      const inOrder = found.toSorted((a, b) => comparePlaces(placeIn(a, by), placeIn(b, by), 'oldest'))
      return inOrder.slice(0, ofOne).map(withoutSystemProperties)
    },
  }
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

/** The records of the streams of these hours, stream by stream. */
async function pageOfStreams(container: Container, query: LogQuery, after?: Place): Promise<LogPage> {
  const { filter, namespaces, limit } = query
  const documents: Document[] = []
  let [, stream, id] = after ?? ['', await streamAfter(container, query, ''), '']
  for (let asked = 0; stream !== undefined && asked < streamsOfPage; asked++) {
    const beyondId = { sql: 'c.id > @id', parameters: [{ name: '@id', value: id }] }
    const chosen = select([beyondId, ...conditionsOf(filter), ...visibleIn(namespaces)], ' ORDER BY c.id')
    const left = limit - documents.length
    const pages = container.items.query<Document>(chosen, { partitionKey: stream, maxItemCount: left })
    const found: Document[] = []
    while (pages.hasMoreResults() && found.length < left) {
      const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
      found.push(...(resources ?? []))
    }
    documents.push(...found.slice(0, left))
    id = String(documents.at(-1)?.['id'] ?? '')
    if (documents.length === limit) break
    stream = await streamAfter(container, query, stream)
    id = ''
  }
  const more = stream === undefined ? {} : { continuation: continuationAt(['', stream, id]) }
  return { documents: documents.map(withoutSystemProperties), ...more }
}

/** The next stream that there is, of the hours of a search. */
async function streamAfter(container: Container, { from, to }: LogQuery, last: string): Promise<string | undefined> {
  const parameters = [
    { name: '@begin', value: from.slice(0, 13) },
    { name: '@end', value: hourOf(Date.parse(to) - 1 + hourLength) },
    { name: '@last', value: last },
  ]
  const range = 'c.stream > @last AND c.stream >= @begin AND c.stream < @end'
  const query = { query: `SELECT TOP 1 c.stream FROM c WHERE ${range} ORDER BY c.stream`, parameters }
  const { resources } = await askCosmos('documents_unavailable', () =>
    container.items.query<Document>(query).fetchAll(),
  )
  return resources[0] && String(resources[0]['stream'])
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

function orderClause(query: LogQuery): string {
  return ` ORDER BY c.${orderedBy[query.of][0]} ${timeOrderOf(query) === 'newest' ? 'DESC' : 'ASC'}`
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
  readonly most: number
}

/** At least as many as the limit and one more, where there are; of those with the last one's time, all. */
async function firstOf(
  container: Container,
  { query, parameters, time, limit, most }: Asked,
): Promise<readonly Document[]> {
  const found: Document[] = []
  const pages = container.items.query<Document>({ query, parameters }, { maxItemCount: limit + 1 })
  const isEnough = () => found.length > limit && found.at(-1)?.[time] !== found[limit - 1]?.[time]
  while (pages.hasMoreResults() && !isEnough()) {
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    found.push(...(resources ?? []))
    // Rather no answer than one that leaves out some, or no process.
    if (found.length > limit + most)
      throw unavailable('documents_unavailable', { detail: { error: 'too many of one time' } })
  }
  return found
}
