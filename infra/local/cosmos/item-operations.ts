import { CosmosError } from './cosmos-error.ts'
import type { Document } from './document.ts'
import { type Item, parseId } from './item.ts'
import { chargeOfInsert, chargeOfRead, chargeOfReplace } from './request-charge.ts'
import type { Transaction } from './transaction.ts'

/** `If-Match` and `If-None-Match`: an etag, or `*`. */
export interface Preconditions {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/** What an operation on one item came to. A delete and a 304 have no document to show. */
export interface ItemResult {
  readonly status: number
  readonly charge: number
  readonly etag?: string
  readonly document?: Document
}

/** https://learn.microsoft.com/rest/api/cosmos-db/create-a-document : 201, or 409 where the partition has the id. */
export function createItem(transaction: Transaction, item: Item): ItemResult {
  if (transaction.find(item.id)) throw new CosmosError(409, 'Resource with specified id or name already exists.')
  return created(transaction.put(item))
}

/** https://learn.microsoft.com/rest/api/cosmos-db/get-a-document : 200, 304 where `If-None-Match` names the version. */
export function readItem(transaction: Transaction, id: string, { ifNoneMatch }: Preconditions): ItemResult {
  const document = existing(transaction, id)
  const charge = chargeOfRead(sizeOf(document))
  if (ifNoneMatch === document.etag) return { status: 304, charge, etag: document.etag }
  return { status: 200, charge, etag: document.etag, document }
}

/** https://learn.microsoft.com/rest/api/cosmos-db/replace-a-document : 200, 404, 412; the id stays what it was. */
export function replaceItem(transaction: Transaction, id: string, item: Item, conditions: Preconditions): ItemResult {
  if (item.id !== id) throw new CosmosError(400, 'The id of the document is not the one that the request names')
  const before = existing(transaction, id)
  requireMatch(before, conditions)
  return replaced(transaction.put(item, before))
}

/**
 * 200 or 201. As on the service, `If-Match` holds only where the document exists; where it does not, it is created.
 * `If-None-Match: *` refuses to overwrite.
 */
export function upsertItem(transaction: Transaction, item: Item, conditions: Preconditions): ItemResult {
  const before = transaction.find(item.id)
  if (!before) return created(transaction.put(item))
  requireMatch(before, conditions)
  return replaced(transaction.put(item, before))
}

/** https://learn.microsoft.com/rest/api/cosmos-db/delete-a-document : 204, 404, 412. */
export function deleteItem(transaction: Transaction, id: string, conditions: Preconditions): ItemResult {
  const before = existing(transaction, id)
  requireMatch(before, conditions)
  transaction.remove(id)
  return { status: 204, charge: chargeOfInsert(sizeOf(before)) }
}

function existing(transaction: Transaction, id: string): Document {
  const document = transaction.find(parseId(id))
  if (document) return document
  throw new CosmosError(404, 'Entity with the specified id does not exist in the system.')
}

function requireMatch({ etag }: Document, { ifMatch, ifNoneMatch }: Preconditions): void {
  const matches = ifMatch === undefined || ifMatch === '*' || ifMatch === etag
  const differs = ifNoneMatch === undefined || (ifNoneMatch !== '*' && ifNoneMatch !== etag)
  if (!matches || !differs) throw new CosmosError(412, 'One of the specified pre-condition is not met')
}

function created(document: Document): ItemResult {
  return { status: 201, charge: chargeOfInsert(sizeOf(document)), etag: document.etag, document }
}

function replaced(document: Document): ItemResult {
  return { status: 200, charge: chargeOfReplace(sizeOf(document)), etag: document.etag, document }
}

function sizeOf({ text }: Document): number {
  return Buffer.byteLength(text)
}
