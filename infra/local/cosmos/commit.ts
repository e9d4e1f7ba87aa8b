import type { Document } from './document.ts'
import { isObject, type JsonObject } from './json-object.ts'
import type { PartitionKey } from './partition-key.ts'

/** What a transaction did to its partition: by id, the new version, or undefined where the document went. */
export type Changes = ReadonlyMap<string, Document | undefined>

/** One commit as the journal keeps it. */
export interface Commit {
  readonly lsn: number
  /** The last number given to a resource id or an etag. */
  readonly serial: number
  readonly partition: PartitionKey
  readonly changes: Changes
}

/** One journal line. A document's text goes in as it is, so that a write is rendered once. */
export function renderCommit({ lsn, serial, partition, changes }: Commit): string {
  const entries = Array.from(changes, ([id, document]) =>
    document ? `{"document":${document.text}}` : `{"deleted":${JSON.stringify(id)}}`,
  )
  return `{"lsn":${lsn},"serial":${serial},"partition":${JSON.stringify(partition)},"changes":[${entries.join(',')}]}`
}

/** Reads a journal line back. Throws where it is not one. */
export function parseCommit(line: unknown): Commit {
  if (!isObject(line)) throw new Error('a journal line is not an object')
  const { lsn, serial, partition, changes } = line
  if (
    typeof lsn !== 'number' ||
    typeof serial !== 'number' ||
    typeof partition !== 'string' ||
    !Array.isArray(changes)
  ) {
    throw new Error('a journal line is not a commit')
  }
  return { lsn, serial, partition, changes: new Map(changes.map(change => parseChange(change, lsn, partition))) }
}

function parseChange(change: unknown, lsn: number, partition: PartitionKey): [string, Document | undefined] {
  if (!isObject(change)) throw new Error('a change in the journal is not an object')
  const { document, deleted } = change
  if (typeof deleted === 'string') return [deleted, undefined]
  if (!isObject(document)) throw new Error('a change in the journal holds no document')
  return [text(document, 'id'), restore(document, lsn, partition)]
}

function restore(body: JsonObject, lsn: number, partition: PartitionKey): Document {
  return {
    id: text(body, 'id'),
    partition,
    rid: text(body, '_rid'),
    etag: text(body, '_etag'),
    ts: Number(body['_ts']),
    ttl: typeof body['ttl'] === 'number' ? body['ttl'] : undefined,
    lsn,
    text: JSON.stringify(body),
  }
}

function text(body: JsonObject, member: string): string {
  const value = body[member]
  if (typeof value !== 'string') throw new Error(`a document in the journal has no ${member}`)
  return value
}
