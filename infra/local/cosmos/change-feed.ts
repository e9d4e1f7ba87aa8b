import type { Container } from './container.ts'
import { CosmosError } from './cosmos-error.ts'
import { type Document, renderChange } from './document.ts'
import type { PartitionKey } from './partition-key.ts'
import { chargeOfChangeFeed, formatCharge } from './request-charge.ts'
import type { CosmosResponse } from './response.ts'

/** A request for the latest-version change feed, as its headers say. */
export interface ChangeFeedRequest {
  /** Absent: the entire container. */
  readonly partition: PartitionKey | undefined
  /** `If-None-Match`: the etag of the page before, `*` for from now on; absent: from the beginning. */
  readonly after: string | undefined
  /** `If-Modified-Since`: only what changed later. */
  readonly since: string | undefined
  readonly maxItems: number
}

interface Page {
  readonly texts: string[]
  readonly bytes: number
  /** Where the next page begins. */
  readonly lsn: number
}

const maxPageBytes = 4 * 1024 * 1024

/**
 * One page of the change feed; 304 where nothing has changed. Either way the etag says where to go on.
 * https://learn.microsoft.com/rest/api/cosmos-db/list-documents and
 * https://learn.microsoft.com/azure/cosmos-db/nosql/change-feed-pull-model
 */
export function readChangeFeed(container: Container, request: ChangeFeedRequest): CosmosResponse {
  const page = readPage(container, positionOf(container, request.after), request)
  const headers = { etag: `"${page.lsn}"`, 'x-ms-request-charge': formatCharge(chargeOfChangeFeed(page.bytes)) }
  if (page.texts.length === 0) return { status: 304, headers }
  return {
    status: 200,
    headers: { ...headers, 'x-ms-item-count': String(page.texts.length) },
    body: `{"_rid":"${container.rid}","Documents":[${page.texts.join(',')}],"_count":${page.texts.length}}`,
  }
}

function positionOf(container: Container, after: string | undefined): number {
  if (after === undefined) return 0
  if (after === '*') return container.lsn
  const lsn = Number(/^"(\d+)"$/.exec(after)?.[1])
  if (lsn <= container.lsn) return lsn
  throw new CosmosError(400, 'The continuation of the change feed is not one of this container')
}

/** A page never ends between the documents of one transaction. */
function readPage(container: Container, after: number, request: ChangeFeedRequest): Page {
  const wanted = filterOf(request)
  const texts: string[] = []
  let bytes = 0
  let last = after
  for (const document of container.changesAfter(after)) {
    if (!wanted(document)) continue
    const full = texts.length >= request.maxItems || bytes >= maxPageBytes
    if (full && document.lsn !== last) return { texts, bytes, lsn: last }
    const text = renderChange(document)
    texts.push(text)
    bytes += Buffer.byteLength(text)
    last = document.lsn
  }
  return { texts, bytes, lsn: container.lsn }
}

function filterOf({ partition, since }: ChangeFeedRequest): (document: Document) => boolean {
  const seconds = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since) / 1000
  if (Number.isNaN(seconds)) throw new CosmosError(400, 'If-Modified-Since is not a date')
  return document => (partition === undefined || document.partition === partition) && document.ts > seconds
}
