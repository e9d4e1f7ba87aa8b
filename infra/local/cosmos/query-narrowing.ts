import type { JsonObject } from './json-object.ts'
import { needsPlan } from './query-plan.ts'
import { type Paging, type QuerySpec, ridOf, type SqlEngine } from './sql.ts'
import { aliasOf, splitClauses } from './sql-clauses.ts'

/** The engine's time grows with the square of what it is given, so it is given this many documents at once. */
const portion = 200

/**
 * Leaves out what a query would pass over, so that its time grows with the number of documents and not with its square:
 * what its WHERE refuses, and, where neither order nor a sum needs all of them, what lies beyond the page. Sorting
 * many thousands of documents stays slow. `documents` are in the order of `_rid`.
 */
export function narrow(engine: SqlEngine, query: QuerySpec, documents: JsonObject[], paging: Paging): JsonObject[] {
  const { from, where } = splitClauses(query.sql)
  if (documents.length <= portion || !aliasOf(from)) return documents
  const needsAll = needsPlan(engine, query.sql)
  const wanted = needsAll ? Number.POSITIVE_INFINITY : paging.maxItems + 1
  const first = needsAll ? 0 : firstOf(documents, paging)
  const filter = { ...query, sql: `SELECT * FROM ${from}${where && ` WHERE ${where}`}` }
  const kept: JsonObject[] = []
  for (let start = first; start < documents.length && kept.length < wanted; start += portion) {
    const some = documents.slice(start, start + portion)
    kept.push(...(where ? engine.filter(filter, some) : some))
  }
  return kept.slice(0, wanted)
}

/** Where the page begins. */
function firstOf(documents: readonly JsonObject[], { continuation }: Paging): number {
  if (continuation === undefined) return 0
  const rid = ridOf(continuation)
  const index = documents.findIndex(document => String(document['_rid']) >= rid)
  return index < 0 ? documents.length : index
}
