import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { hourLength, hourOf } from './checkpoint-hours.ts'
import { select } from './cosmos-first-documents.ts'
import type { LogPage, LogQuery } from './log-query.ts'
import { conditionsOf, visibleIn } from './search-conditions.ts'
import { continuationAt, type Place } from './search-order.ts'

type Document = Readonly<Record<string, unknown>>

/** How many streams are asked for a page, since none of their records may be what is searched for. */
const streamsOfPage = 50

/** The records of the streams of these hours, stream by stream. */
export async function pageOfStreams(container: Container, query: LogQuery, after: Place | undefined): Promise<LogPage> {
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
    { name: '@begin', value: hourOf(Date.parse(from)) },
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
