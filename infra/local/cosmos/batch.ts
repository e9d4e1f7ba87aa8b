import type { DocumentAction } from './authorization.ts'
import type { Container } from './container.ts'
import { CosmosError } from './cosmos-error.ts'
import { parseItem } from './item.ts'
import {
  createItem,
  deleteItem,
  type ItemResult,
  type Preconditions,
  readItem,
  replaceItem,
  upsertItem,
} from './item-operations.ts'
import { isObject, type JsonObject, parseJson } from './json-object.ts'
import type { PartitionKey } from './partition-key.ts'
import { formatCharge, roundCharge } from './request-charge.ts'
import type { CosmosResponse } from './response.ts'
import type { Transaction } from './transaction.ts'

/** One operation of a transactional batch, as the client sends it. */
export interface BatchOperation {
  readonly action: DocumentAction
  readonly id: string
  readonly body: JsonObject
  readonly conditions: Preconditions
}

/** Which documents an answer shows: those that were written too, or those alone that were read. */
export type ShownDocuments = 'all' | 'read'

/** https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-request-limits */
const maxOperations = 100

const actions: Readonly<Record<string, DocumentAction>> = {
  Create: 'create',
  Read: 'read',
  Replace: 'replace',
  Upsert: 'upsert',
  Delete: 'delete',
}

/** Reads the body of a batch. Throws a 400 for one that is none, has too many operations, or one that is not offered. */
export function parseBatch(body: string): BatchOperation[] {
  const operations = parseJson(body)
  if (!Array.isArray(operations) || operations.length === 0)
    throw new CosmosError(400, 'A batch is a list of operations')
  if (operations.length > maxOperations) {
    throw new CosmosError(400, `Batch request has more operations than what is supported: at most ${maxOperations}`)
  }
  return operations.map(parseOperation)
}

/**
 * Does all operations or none: https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch . Where one fails,
 * the answer is a 207 that holds its status, and 424 for each of the others.
 */
export function runBatch(
  container: Container,
  partition: PartitionKey,
  operations: readonly BatchOperation[],
  shown: ShownDocuments,
): CosmosResponse {
  const transaction = container.begin(partition)
  const results: ItemResult[] = []
  for (const operation of operations) {
    try {
      results.push(runOperation(container, transaction, operation))
    } catch (error) {
      if (!(error instanceof CosmosError)) throw error
      return failed(operations.length, results.length, error)
    }
  }
  transaction.commit()
  return succeeded(results.map((result, index) => asShown(result, operations[index]?.action, shown)))
}

function parseOperation(operation: unknown): BatchOperation {
  if (!isObject(operation)) throw new CosmosError(400, 'An operation of a batch is an object')
  const { operationType, id, resourceBody, ifMatch, ifNoneMatch } = operation
  const action = actions[String(operationType)]
  if (!action) throw new CosmosError(400, `Batch operation ${String(operationType)} is not offered here`)
  return {
    action,
    id: typeof id === 'string' ? id : '',
    body: isObject(resourceBody) ? resourceBody : {},
    conditions: { ifMatch: textOf(ifMatch), ifNoneMatch: textOf(ifNoneMatch) },
  }
}

function runOperation(container: Container, transaction: Transaction, operation: BatchOperation): ItemResult {
  const { action, id, body, conditions } = operation
  const item = () => parseItem(body, { partition: transaction.partition, path: container.definition.partitionKey })
  switch (action) {
    case 'create':
      return createItem(transaction, item())
    case 'read':
      return readItem(transaction, id, {})
    case 'replace':
      return replaceItem(transaction, id, item(), conditions)
    case 'upsert':
      return upsertItem(transaction, item(), conditions)
    case 'delete':
      return deleteItem(transaction, id, conditions)
    case 'query':
    case 'changeFeed':
      throw new CosmosError(400, `A batch cannot hold a ${action}`)
  }
}

function asShown(result: ItemResult, action: DocumentAction | undefined, shown: ShownDocuments): ItemResult {
  if (shown === 'all' || action === 'read') return result
  const { document: _written, ...told } = result
  return told
}

function succeeded(results: readonly ItemResult[]): CosmosResponse {
  const charge = results.reduce((sum, result) => sum + result.charge, 0)
  return {
    status: 200,
    headers: { 'x-ms-request-charge': formatCharge(charge) },
    body: `[${results.map(renderResult).join(',')}]`,
  }
}

function renderResult({ status, charge, etag, document }: ItemResult): string {
  const head = JSON.stringify({ statusCode: status, requestCharge: roundCharge(charge), eTag: etag })
  return document ? `${head.slice(0, -1)},"resourceBody":${document.text}}` : head
}

function failed(operations: number, failing: number, { status, detail }: CosmosError): CosmosResponse {
  const results = Array.from({ length: operations }, (_, index) =>
    index === failing
      ? { statusCode: status, subStatusCode: detail.substatus, requestCharge: 1 }
      : { statusCode: 424, requestCharge: 0 },
  )
  return { status: 207, headers: { 'x-ms-request-charge': '1' }, body: JSON.stringify(results) }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
