import type { DocumentAction } from './authorization.ts'
import { parseBatch, runBatch, type ShownDocuments } from './batch.ts'
import { readChangeFeed } from './change-feed.ts'
import type { Container } from './container.ts'
import { CosmosError } from './cosmos-error.ts'
import { type Item, parseItem } from './item.ts'
import { createItem, deleteItem, type ItemResult, readItem, replaceItem, upsertItem } from './item-operations.ts'
import { parseObject } from './json-object.ts'
import { type PartitionKey, parsePartitionKey } from './partition-key.ts'
import { describePlan, type QueryScope, runQuery } from './query.ts'
import { type CosmosRequest, isSet } from './request.ts'
import { formatCharge } from './request-charge.ts'
import type { CosmosResponse } from './response.ts'
import { parseQuery, type SqlEngine } from './sql.ts'
import type { Transaction } from './transaction.ts'

/** A request for documents: what it would do, to be authorized first, and how to do it. */
export interface DocumentRequest {
  readonly actions: ReadonlySet<DocumentAction>
  run(): CosmosResponse
}

/** Understands a request below `/docs`; `id` where it names one document. Throws a 400 or a 405. */
export function parseDocumentRequest(
  engine: SqlEngine,
  container: Container,
  request: CosmosRequest,
  id: string | undefined,
): DocumentRequest {
  if (id !== undefined) return parseItemRequest(container, request, id)
  if (request.method === 'GET') return one('changeFeed', () => feed(container, request))
  if (request.method !== 'POST') throw notAllowed(request)
  if (isSet(request, 'x-ms-cosmos-is-batch-request')) return parseBatchRequest(container, request)
  if (isSet(request, 'x-ms-cosmos-is-query-plan-request')) {
    return one('query', () => describePlan(engine, parseQuery(request.body)))
  }
  if (isSet(request, 'x-ms-documentdb-isquery')) return one('query', () => query(engine, container, request))
  return isSet(request, 'x-ms-documentdb-is-upsert')
    ? write('upsert', container, request, transaction =>
        upsertItem(transaction, itemOf(container, request), conditionsOf(request)),
      )
    : write('create', container, request, transaction => createItem(transaction, itemOf(container, request)))
}

function parseItemRequest(container: Container, request: CosmosRequest, id: string): DocumentRequest {
  const conditions = conditionsOf(request)
  switch (request.method) {
    case 'GET':
      return write('read', container, request, transaction => readItem(transaction, id, conditions))
    case 'PUT':
      return write('replace', container, request, transaction =>
        replaceItem(transaction, id, itemOf(container, request), conditions),
      )
    case 'DELETE':
      return write('delete', container, request, transaction => deleteItem(transaction, id, conditions))
    default:
      throw notAllowed(request)
  }
}

function parseBatchRequest(container: Container, request: CosmosRequest): DocumentRequest {
  if (!isSet(request, 'x-ms-cosmos-batch-atomic')) throw new CosmosError(400, 'Only atomic batches are offered here')
  const operations = parseBatch(request.body)
  return {
    actions: new Set(operations.map(({ action }) => action)),
    run: () => runBatch(container, partitionOf(request), operations, shownBy(request)),
  }
}

/** The client's `contentResponseOnWriteEnabled: false`. */
function shownBy(request: CosmosRequest): ShownDocuments {
  return request.header('prefer')?.toLowerCase() === 'return=minimal' ? 'read' : 'all'
}

function query(engine: SqlEngine, container: Container, request: CosmosRequest): CosmosResponse {
  return runQuery(engine, container, {
    query: parseQuery(request.body),
    scope: scopeOf(request),
    maxItems: maxItemsOf(request),
    continuation: request.header('x-ms-continuation'),
  })
}

function feed(container: Container, request: CosmosRequest): CosmosResponse {
  if (request.header('a-im')?.toLowerCase() !== 'incremental feed') {
    throw new CosmosError(400, 'Only the latest-version change feed (A-IM: Incremental Feed) is offered here')
  }
  const scope = scopeOf(request)
  return readChangeFeed(container, {
    partition: scope.kind === 'partition' ? scope.partition : undefined,
    after: request.header('if-none-match'),
    since: request.header('if-modified-since'),
    maxItems: maxItemsOf(request),
  })
}

function one(action: DocumentAction, run: () => CosmosResponse): DocumentRequest {
  return { actions: new Set([action]), run }
}

function write(
  action: DocumentAction,
  container: Container,
  request: CosmosRequest,
  operate: (transaction: Transaction) => ItemResult,
): DocumentRequest {
  return one(action, () => {
    const transaction = container.begin(partitionOf(request))
    const result = operate(transaction)
    transaction.commit()
    return itemResponse(result)
  })
}

function itemResponse({ status, charge, etag, document }: ItemResult): CosmosResponse {
  return {
    status,
    headers: { 'x-ms-request-charge': formatCharge(charge), ...(etag !== undefined && { etag }) },
    ...(document && { body: document.text }),
  }
}

function itemOf(container: Container, request: CosmosRequest): Item {
  const place = { partition: partitionOf(request), path: container.definition.partitionKey }
  return parseItem(parseObject(request.body), place)
}

function partitionOf(request: CosmosRequest): PartitionKey {
  const header = request.header('x-ms-documentdb-partitionkey')
  if (header !== undefined) return parsePartitionKey(header)
  throw new CosmosError(400, 'PartitionKey value must be supplied for this operation.')
}

function scopeOf(request: CosmosRequest): QueryScope {
  if (request.header('x-ms-start-epk') !== undefined) {
    throw new CosmosError(400, 'Ranges of effective partition keys are not offered here')
  }
  const partition = request.header('x-ms-documentdb-partitionkey')
  if (partition !== undefined) return { kind: 'partition', partition: parsePartitionKey(partition) }
  const range = request.header('x-ms-documentdb-partitionkeyrangeid')
  if (range === undefined) return { kind: 'container' }
  if (range === '0') return { kind: 'range' }
  throw new CosmosError(410, 'The requested partition key range does not exist', { substatus: 1002 })
}

/** https://learn.microsoft.com/rest/api/cosmos-db/common-cosmosdb-rest-request-headers : 100 unless said; -1 lets the server choose. */
function maxItemsOf(request: CosmosRequest): number {
  const items = Number(request.header('x-ms-max-item-count') ?? 100)
  if (items === -1) return 1000
  if (Number.isInteger(items) && items > 0) return items
  throw new CosmosError(400, 'The value of x-ms-max-item-count is not valid')
}

function conditionsOf(request: CosmosRequest) {
  return { ifMatch: request.header('if-match'), ifNoneMatch: request.header('if-none-match') }
}

function notAllowed({ method }: CosmosRequest): CosmosError {
  return new CosmosError(405, `${method} is not offered here`)
}
