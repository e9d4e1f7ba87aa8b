import type { Container, SqlQuerySpec } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { unavailable } from '../errors.ts'
import type { Condition } from './search-conditions.ts'
import { comparePlaces, type OrderedBy, placeIn, type TimeOrder } from './search-order.ts'

type Document = Readonly<Record<string, unknown>>

/** Which documents are asked for, and in what order they are told. */
export interface FirstAsked {
  readonly query: SqlQuerySpec
  readonly by: OrderedBy
  readonly order: TimeOrder
  readonly limit: number
  /** How many documents of one time there may be to put in order: more than a gateway writes in a millisecond. */
  readonly most: number
}

/** The query for what fits all conditions. */
export function select(conditions: readonly Condition[], order: string) {
  return {
    query: `SELECT * FROM c WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}${order}`,
    parameters: conditions.flatMap(({ parameters }) => [...parameters]),
  }
}

/**
 * The first documents that a query finds, as many as the limit at the most, and whether there are more. Cosmos DB orders them by
 * their time alone; of one time they are put in order here. Throws 503 `documents_unavailable`, also for too many of one time.
 */
export async function firstDocuments(container: Container, asked: FirstAsked) {
  const { by, order, limit } = asked
  const found = await enoughOf(container, asked)
  const inOrder = found.toSorted((a, b) => comparePlaces(placeIn(a, by), placeIn(b, by), order))
  return { documents: inOrder.slice(0, limit), areMore: found.length > limit }
}

/** At least as many as the limit and one more, where there are; of those with the last one's time, all. */
async function enoughOf(container: Container, { query, by, limit, most }: FirstAsked): Promise<readonly Document[]> {
  const [time] = by
  const found: Document[] = []
  const pages = container.items.query<Document>(query, { maxItemCount: limit + 1 })
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
