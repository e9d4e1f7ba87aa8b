import type { Container } from './container.ts'
import { CosmosError } from './cosmos-error.ts'
import type { PartitionKey } from './partition-key.ts'
import { isPlainCount, narrow } from './query-narrowing.ts'
import { needsPlan, planQuery } from './query-plan.ts'
import { chargeOfQuery, formatCharge } from './request-charge.ts'
import type { CosmosResponse } from './response.ts'
import type { Paging, QueryPage, QuerySpec, SqlEngine } from './sql.ts'

/** Which documents a query reads. */
export type QueryScope =
  | { readonly kind: 'partition'; readonly partition: PartitionKey }
  /** A client that follows a query plan: this server has one range, which holds everything. */
  | { readonly kind: 'range' }
  /** A client that leaves it to the gateway to visit all partitions. */
  | { readonly kind: 'container' }

/** What a query is run with. */
export interface QueryRequest extends Paging {
  readonly query: QuerySpec
  readonly scope: QueryScope
}

const maxPageBytes = 4 * 1024 * 1024

/**
 * One page of a query's result: https://learn.microsoft.com/rest/api/cosmos-db/query-documents . A query that the
 * gateway cannot serve over several partitions gets a 400 with the plan by which the client can, as on the service.
 */
export function runQuery(engine: SqlEngine, container: Container, request: QueryRequest): CosmosResponse {
  const { query, scope } = request
  if (scope.kind === 'container' && needsPlan(engine, query.sql)) throw notByGateway(engine, query.sql)
  const partition = scope.kind === 'partition' ? scope.partition : undefined
  const all = container.documents(partition).map(document => container.body(document))
  const documents = narrow(engine, query, all, request)
  const run = isPlainCount(query.sql)
    ? () => ({ items: [documents.length], continuation: undefined })
    : (page: Paging) => engine.run(query, documents, page)
  const { body, items, continuation } = fit(run, request)
  return {
    status: 200,
    headers: {
      'x-ms-request-charge': formatCharge(chargeOfQuery(Buffer.byteLength(body))),
      'x-ms-item-count': String(items.length),
      ...(continuation !== undefined && { 'x-ms-continuation': continuation }),
    },
    body: `{"_rid":"${container.rid}","Documents":${body},"_count":${items.length}}`,
  }
}

/** The answer to a request for a query plan. */
export function describePlan(engine: SqlEngine, { sql }: QuerySpec): CosmosResponse {
  return { status: 200, body: JSON.stringify(planQuery(engine, sql)) }
}

function notByGateway(engine: SqlEngine, sql: string): CosmosError {
  const message = 'The provided cross partition query can not be directly served by the gateway.'
  return new CosmosError(400, message, { substatus: 1004, info: JSON.stringify(planQuery(engine, sql)) })
}

/** A page has at most 4 MB: takes fewer items until it does. */
function fit(run: (paging: Paging) => QueryPage, paging: Paging): QueryPage & { readonly body: string } {
  const page = run(paging)
  const body = JSON.stringify(page.items)
  const items = page.items.length
  if (items <= 1 || Buffer.byteLength(body) <= maxPageBytes) return { ...page, body }
  return fit(run, { ...paging, maxItems: Math.floor(items / 2) })
}
