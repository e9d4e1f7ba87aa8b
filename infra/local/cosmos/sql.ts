import { createRequire } from 'node:module'
import type cosmosQuery from '@zeit/cosmosdb-query'
import { LRUCache } from 'lru-cache'
import { CosmosError } from './cosmos-error.ts'
import { isObject, type JsonObject, parseObject } from './json-object.ts'

/** A query as clients send it: https://learn.microsoft.com/rest/api/cosmos-db/querying-cosmosdb-resources-using-the-rest-api */
export interface QuerySpec {
  readonly sql: string
  readonly parameters: { readonly name: string; readonly value: unknown }[]
}

/** What to return of the result. */
export interface Paging {
  readonly maxItems: number
  /** As an earlier page gave it. */
  readonly continuation: string | undefined
}

/** One page of a result. */
export interface QueryPage {
  readonly items: readonly unknown[]
  readonly continuation: string | undefined
}

// CommonJS with a default export: `require` is the one way that Node and test runners read alike.
const { default: compile }: typeof cosmosQuery = createRequire(import.meta.url)('@zeit/cosmosdb-query')

type Compiled = ReturnType<typeof compile>

/** Runs SQL over documents, which have to be in the order of `_rid`. Keeps what it has compiled. */
export class SqlEngine {
  readonly #compiled = new LRUCache<string, Compiled>({ max: 200 })

  /** Throws a 400 for SQL that cannot be read, run or continued. */
  run({ sql, parameters }: QuerySpec, documents: JsonObject[], { maxItems, continuation }: Paging): QueryPage {
    const query = this.#compile(sql)
    const token = continuation === undefined ? {} : { continuation: parseContinuation(continuation) }
    const result = refuseErrors(() => query.exec(documents, { parameters, maxItemCount: maxItems, ...token }))
    if (!isObject(result) || !Array.isArray(result['result'])) throw new Error('the query engine returned no result')
    const next = result['continuation']
    return { items: result['result'], continuation: isObject(next) ? JSON.stringify(next) : undefined }
  }

  /** What `SELECT *` returns of the documents. Throws a 400, as `run` does. */
  filter(query: QuerySpec, documents: JsonObject[]): JsonObject[] {
    const { items } = this.run(query, documents, { maxItems: documents.length, continuation: undefined })
    return items.filter(isObject)
  }

  /** The syntax tree of a query. Throws a 400 for SQL that cannot be read. */
  parse(sql: string): JsonObject {
    return this.#compile(sql).ast
  }

  #compile(sql: string): Compiled {
    const known = this.#compiled.get(sql)
    if (known) return known
    const compiled = refuseErrors(() => compile(sql))
    this.#compiled.set(sql, compiled)
    return compiled
  }
}

/** Reads the body of a query. */
export function parseQuery(body: string): QuerySpec {
  const { query, parameters } = parseObject(body)
  if (typeof query !== 'string') throw new CosmosError(400, 'A query is an object with the member "query"')
  return { sql: query, parameters: Array.isArray(parameters) ? parameters.map(parseParameter) : [] }
}

function parseParameter(parameter: unknown): { name: string; value: unknown } {
  if (isObject(parameter) && typeof parameter['name'] === 'string') {
    return { name: parameter['name'], value: parameter['value'] }
  }
  throw new CosmosError(400, 'A parameter of a query is an object with the members "name" and "value"')
}

/** The resource id at which a continuation goes on. Throws a 400 for one that this server has not given. */
export function ridOf(continuation: string): string {
  return parseContinuation(continuation).token.slice('+RID:'.length).split('#', 1).join()
}

function parseContinuation(continuation: string): { token: string } {
  const { token } = parseObject(continuation)
  if (typeof token === 'string' && token.startsWith('+RID:')) return { token }
  throw new CosmosError(400, 'Invalid Continuation Token')
}

function refuseErrors<Result>(run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw new CosmosError(
      400,
      `The query cannot be run here: ${error instanceof Error ? error.message : 'no reason given'}`,
    )
  }
}
