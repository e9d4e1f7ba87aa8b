import { CosmosError } from './cosmos-error.ts'
import type { JsonObject } from './json-object.ts'
import { type PartitionKey, partitionOf } from './partition-key.ts'

/** A document's body that has passed the service's checks. */
export interface Item {
  readonly id: string
  readonly ttl: number | undefined
  readonly body: JsonObject
}

/** Where an item is to go. */
export interface ItemPlace {
  readonly partition: PartitionKey
  /** The container's partition key path. */
  readonly path: string
}

/**
 * Checks a body before it is stored. Throws a 400: a missing or unusable `id`, a `ttl` that is none, a partition key
 * value that is not the one which the request names (substatus 1001).
 */
export function parseItem(body: JsonObject, { partition, path }: ItemPlace): Item {
  const id = parseId(body['id'])
  if (partitionOf(body, path) !== partition) {
    const message = "PartitionKey extracted from document doesn't match the one specified in the header"
    throw new CosmosError(400, message, { substatus: 1001 })
  }
  return { id, ttl: parseTtl(body['ttl']), body }
}

/** https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-item-limits and `Resource.Id` of the SDKs. */
export function parseId(id: unknown): string {
  if (typeof id !== 'string' || id === '') {
    throw new CosmosError(400, "The input content is invalid because the required properties - 'id; ' - are missing")
  }
  if (Buffer.byteLength(id) > 1023) throw new CosmosError(400, 'An id has at most 1023 bytes')
  if (/[/\\?#]/.test(id)) throw new CosmosError(400, 'An id holds none of / \\ ? #')
  return id
}

/** https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live : -1 for never, else 1 to 2,147,483,647 seconds. */
export function parseTtl(ttl: unknown): number | undefined {
  if (ttl === undefined || ttl === null) return undefined
  if (typeof ttl === 'number' && Number.isInteger(ttl) && (ttl === -1 || (ttl > 0 && ttl <= 2_147_483_647))) return ttl
  throw new CosmosError(
    400,
    `The input ttl ${JSON.stringify(ttl)} is invalid. Ensure to provide a nonzero positive int32`,
  )
}
