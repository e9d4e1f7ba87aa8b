import type { JsonObject } from './json-object.ts'
import type { PartitionKey } from './partition-key.ts'

/** One stored version of a document. Never altered: a write makes a new one. */
export interface Document {
  readonly id: string
  readonly partition: PartitionKey
  /** Names the document for its life; in the order of creation when compared as text, which query paging relies on. */
  readonly rid: string
  /** With its quotes, as header and body show it. */
  readonly etag: string
  /** Last modification, epoch seconds. */
  readonly ts: number
  readonly ttl: number | undefined
  /** The commit that wrote this version; documents of one transaction share it. */
  readonly lsn: number
  /** The document as the service returns it, system members included. */
  readonly text: string
}

/** What the store adds to a body. */
export interface SystemMembers {
  readonly rid: string
  readonly self: string
  readonly etag: string
  readonly ts: number
}

/** The document's JSON text: the caller's members, then the system's own, whatever the caller wrote there. */
export function render(body: JsonObject, { rid, self, etag, ts }: SystemMembers): string {
  const { _rid, _self, _etag, _attachments, _ts, _lsn, ...members } = body
  return JSON.stringify({ ...members, _rid: rid, _self: self, _etag: etag, _attachments: 'attachments/', _ts: ts })
}

/** The document as a change feed shows it: with the commit that wrote it. */
export function renderChange({ text, lsn }: Document): string {
  return `${text.slice(0, -1)},"_lsn":${lsn}}`
}

/** Epoch milliseconds at which it vanishes; `defaultTtl` is the container's, in seconds. */
export function expiryOf({ ts, ttl }: Document, defaultTtl: number | undefined): number {
  if (defaultTtl === undefined) return Number.POSITIVE_INFINITY
  const seconds = ttl ?? defaultTtl
  return seconds === -1 ? Number.POSITIVE_INFINITY : (ts + seconds) * 1000
}
