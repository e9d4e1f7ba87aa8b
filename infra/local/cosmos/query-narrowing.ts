import type { JsonObject } from './json-object.ts'
import { needsPlan } from './query-plan.ts'
import { type Paging, type QuerySpec, ridOf, type SqlEngine } from './sql.ts'
import { aliasOf, splitClauses } from './sql-clauses.ts'
import { textComparisons } from './text-comparisons.ts'

/** The engine's time grows with the square of what it is given, so it is given this many documents at once. */
const portion = 200

/**
 * Leaves out what a query would pass over, so that its time grows with the number of documents and not with its square:
 * what its WHERE refuses (without the engine where that only compares texts), and, where neither order nor a sum needs all of them, what lies beyond the page. Of those
 * ordered by one member of text, no more than TOP names are left. `documents` are in the order of `_rid`.
 */
export function narrow(engine: SqlEngine, query: QuerySpec, documents: JsonObject[], paging: Paging): JsonObject[] {
  const { from, where } = splitClauses(query.sql)
  const alias = aliasOf(from)
  if ((documents.length <= portion && !isPlainCount(query.sql)) || !alias) return documents
  const needsAll = needsPlan(engine, query.sql)
  const wanted = needsAll ? Number.POSITIVE_INFINITY : paging.maxItems + 1
  const first = needsAll ? 0 : firstOf(documents, paging)
  const filter = { ...query, sql: `SELECT * FROM ${from}${where && ` WHERE ${where}`}` }
  const compared = where ? textComparisons(where, alias, query) : () => true
  const kept: JsonObject[] = []
  for (let start = first; start < documents.length && kept.length < wanted; start += portion) {
    const some = documents.slice(start, start + portion)
    kept.push(...(compared ? some.filter(compared) : engine.filter(filter, some)))
  }
  return needsAll ? topByText(query.sql, kept) : kept.slice(0, wanted)
}

/** Whether a query counts documents and says nothing else: then what {@link narrow} leaves is the answer. */
export function isPlainCount(sql: string): boolean {
  const { select, from, orderBy } = splitClauses(sql)
  return /^VALUE\s+COUNT\(1\)$/i.test(select) && aliasOf(from) !== undefined && orderBy === ''
}

/** Those that a TOP by one member of all documents can be about; all, where that member is not text everywhere. */
function topByText(sql: string, documents: JsonObject[]): JsonObject[] {
  const { select, from, orderBy } = splitClauses(sql)
  const [, top] = /^TOP\s+(\d+)\s/i.exec(select) ?? []
  const [, alias, member = '', order] = /^(\w+)\.(\w+)(?:\s+(ASC|DESC))?$/i.exec(orderBy) ?? []
  if (top === undefined || alias === undefined || alias !== aliasOf(from)) return documents
  const texts = documents.map(document => document[member])
  if (!texts.every(text => typeof text === 'string')) return documents
  const sorted = texts.toSorted((a, b) => (a < b ? -1 : Number(a > b)))
  const last = order?.toUpperCase() === 'DESC' ? sorted.at(-Number(top)) : sorted[Number(top) - 1]
  if (last === undefined) return documents
  const isWanted = order?.toUpperCase() === 'DESC' ? (text: string) => text >= last : (text: string) => text <= last
  return documents.filter((_, index) => isWanted(texts[index] ?? ''))
}

/** Where the page begins. */
function firstOf(documents: readonly JsonObject[], { continuation }: Paging): number {
  if (continuation === undefined) return 0
  const rid = ridOf(continuation)
  const index = documents.findIndex(document => String(document['_rid']) >= rid)
  return index < 0 ? documents.length : index
}
