import { CosmosError } from './cosmos-error.ts'
import { isObject, type JsonObject, parseJson } from './json-object.ts'

/** Names a logical partition: the JSON text of the key's value, or `{}` for documents that have none. */
export type PartitionKey = string

const none: PartitionKey = '{}'

/** https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-item-limits */
const maxKeyBytes = 2048

/** The partition that `x-ms-documentdb-partitionkey` names: a JSON array of one value. Throws a 400 for anything else. */
export function parsePartitionKey(header: string): PartitionKey {
  const values = parseJson(header)
  if (!Array.isArray(values) || values.length !== 1) {
    throw new CosmosError(400, 'Partition key provided is not an array of one value')
  }
  const [value]: unknown[] = values
  return isObject(value) && Object.keys(value).length === 0 ? none : keyOf(value)
}

/** The partition that a document belongs to. `path` is the container's, such as `/target`. */
export function partitionOf(body: JsonObject, path: string): PartitionKey {
  let value: unknown = body
  for (const name of path.slice(1).split('/')) {
    value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  }
  return value === undefined ? none : keyOf(value)
}

function keyOf(value: unknown): PartitionKey {
  if (typeof value === 'object' && value !== null) {
    throw new CosmosError(400, 'A partition key is a string, a number, a boolean or null')
  }
  if (typeof value === 'string' && Buffer.byteLength(value) > maxKeyBytes) {
    throw new CosmosError(400, `A partition key has at most ${maxKeyBytes} bytes`)
  }
  return JSON.stringify(value)
}
