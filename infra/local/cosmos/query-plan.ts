import { CosmosError } from './cosmos-error.ts'
import { isObject, type JsonObject } from './json-object.ts'
import type { SqlEngine } from './sql.ts'
import { aliasOf, splitClauses, splitList } from './sql-clauses.ts'

/** What a client needs to run a query over all partitions by itself, as the service's gateway tells it. */
export interface QueryPlan {
  readonly partitionedQueryExecutionInfoVersion: 2
  readonly queryInfo: JsonObject
  readonly queryRanges: readonly JsonObject[]
}

/** Plans a query. Throws a 400 for aggregates: over several partitions this server does not offer them. */
export function planQuery(engine: SqlEngine, sql: string): QueryPlan {
  const query = queryOf(engine.parse(sql))
  if (aggregates(query['select'])) {
    throw new CosmosError(400, 'Aggregates over several partitions are not offered here: name one partition key')
  }
  const orders = ordersOf(query)
  const info = { ...plain, top: topOf(query), hasSelectValue: isObject(query['select']) && 'value' in query['select'] }
  return {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: orders.length > 0 ? { ...info, ...orderedInfo(sql, orders) } : info,
    queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
  }
}

/**
 * True for what the service's gateway does not do over several partitions, since it would have to keep state between
 * pages: https://learn.microsoft.com/rest/api/cosmos-db/querying-cosmosdb-resources-using-the-rest-api
 */
export function needsPlan(engine: SqlEngine, sql: string): boolean {
  const query = queryOf(engine.parse(sql))
  return isObject(query['top']) || isObject(query['orderBy']) || aggregates(query['select'])
}

const plain = {
  distinctType: 'None',
  offset: null,
  limit: null,
  orderBy: [],
  orderByExpressions: [],
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
  rewrittenQuery: '',
  dCountInfo: null,
  hasNonStreamingOrderBy: false,
}

function queryOf({ body }: JsonObject): JsonObject {
  if (isObject(body) && body['type'] === 'select_query') return body
  throw new CosmosError(400, 'The query is not a SELECT')
}

function topOf({ top }: JsonObject): unknown {
  const value = isObject(top) ? top['value'] : undefined
  return isObject(value) ? value['value'] : null
}

function ordersOf({ orderBy }: JsonObject): JsonObject[] {
  const expressions = isObject(orderBy) ? orderBy['expressions'] : []
  return Array.isArray(expressions) ? expressions.filter(isObject) : []
}

const aggregateNames = new Set(['COUNT', 'SUM', 'AVG', 'MIN', 'MAX'])

function aggregates(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(aggregates)
  if (!isObject(node)) return false
  const { type, name } = node
  const called = type === 'scalar_function_expression' && isObject(name) ? String(name['name']).toUpperCase() : ''
  return aggregateNames.has(called) || Object.values(node).some(aggregates)
}

/**
 * To merge the ordered results of several ranges, the client needs with each item what it is ordered by. The filter is
 * a place that the client fills: with `true` at first, later with where to go on.
 */
function orderedInfo(sql: string, orders: readonly JsonObject[]): JsonObject {
  const { select, from, where, orderBy } = splitClauses(sql)
  const alias = aliasOf(from)
  if (!alias) throw new CosmosError(400, 'An ordered query over several partitions reads FROM one plain source here')
  const [, top = '', fields = ''] = /^(TOP\s+\S+\s+)?(.*)$/is.exec(select) ?? []
  const expressions = splitList(orderBy).map(order => order.replace(/\s+(?:ASC|DESC)$/i, ''))
  const items = expressions.map(expression => `{"item": ${expression}}`).join(', ')
  const filter = `${where ? `(${where}) AND ` : ''}({documentdb-formattableorderbyquery-filter})`
  return {
    orderBy: orders.map(({ order }) => (String(order).toUpperCase() === 'DESC' ? 'Descending' : 'Ascending')),
    orderByExpressions: expressions,
    rewrittenQuery: `SELECT ${top}${alias}._rid, [${items}] AS orderByItems, ${payloadOf(fields, alias)} AS payload FROM ${from} WHERE ${filter} ORDER BY ${orderBy}`,
  }
}

function payloadOf(fields: string, alias: string): string {
  if (fields === '*') return alias
  const value = /^VALUE\s+(.*)$/is.exec(fields)?.[1]
  return value ?? `{${splitList(fields).map(memberOf).join(', ')}}`
}

/** `c.id` becomes `"id": c.id`; `c.n AS count` becomes `"count": c.n`. */
function memberOf(field: string): string {
  const named = /^(.*\S)\s+AS\s+(\w+)$/is.exec(field)
  const [expression, name] = named ? [named[1], named[2]] : [field, /(\w+)\W*$/.exec(field)?.[1]]
  return `${JSON.stringify(name)}: ${expression}`
}
