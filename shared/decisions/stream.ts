import { hash } from 'node:crypto'
import type { ChainHead, StreamEntry, UnresolvedRange } from './record.ts'
import { type RecordMember, recordMembers, textOf } from './record-content.ts'
import { idAfter } from './record-id.ts'

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [member: string]: Json
}

/** A record as it is stored: all of its members are in its hash. */
export interface StreamRecord extends JsonObject {
  readonly schema: 1
  readonly stream: string
  readonly id: string
  readonly at: string
  readonly deployment: string
  /** The hash of the record before it in its stream. */
  readonly previous: string | null
}

/** What says that a stream exists: created before its first record, in a container of its own. */
export interface Registration {
  readonly schema: 1
  readonly id: string
  readonly hour: string
  readonly stream: string
  readonly boot: string
  readonly lane: number
  readonly deployment: string
  readonly openedAt: string
  readonly ttl: number
}

/** A stream as its lane knows it. */
export interface Stream {
  readonly registration: Registration
  readonly registered: boolean
  readonly unresolved?: UnresolvedRange
  /** What its first record says, a {@link StreamEntry}. */
  readonly opening: readonly RecordMember[]
  /** The last of its records that is known to be there. */
  readonly last?: ChainHead
}

/** What a record is made of, beside its place in the chain. */
export interface Unchained {
  readonly at: string
  readonly members: readonly RecordMember[]
}

/** A record, and the text of which the hash in its head is made. */
export interface ChainedRecord {
  readonly record: StreamRecord
  readonly text: string
  readonly head: ChainHead
}

/** What all streams of a process have in common. */
export interface StreamOrigin {
  readonly boot: string
  readonly deployment: string
  /** Seconds for which records are kept. */
  readonly ttl: number
}

const day = 86_400

/** A stream that nobody has seen yet. Its registration outlives its records by a day. */
export function newStream(
  { boot, deployment, ttl }: StreamOrigin,
  { hour, lane, openedAt }: Pick<Registration, 'hour' | 'lane' | 'openedAt'>,
  takesOver: Pick<StreamEntry, 'predecessor' | 'unresolved'>,
): Stream {
  const stream = `${hour}/${boot}/${lane}`
  const registration: Registration = {
    schema: 1,
    // An id of Cosmos DB's may not hold slashes.
    id: stream.replaceAll('/', '_'),
    hour,
    stream,
    boot,
    lane,
    deployment,
    openedAt,
    ttl: ttl + day,
  }
  const opening: StreamEntry = { kind: 'stream', outcome: 'opened', ...takesOver }
  const { unresolved } = takesOver
  const members = recordMembers(opening)
  return { registration, registered: false, opening: members, ...(unresolved && { unresolved }) }
}

/**
 * The next records of a stream, numbered and chained; the one that opens it goes first where none is there yet. The same
 * arguments give the same bytes.
 */
export function chain(
  { registration, opening, last }: Stream,
  ttl: number,
  unchained: readonly Unchained[],
): readonly ChainedRecord[] {
  const { stream, deployment, openedAt } = registration
  const chained: ChainedRecord[] = []
  let before = last
  for (const { at, members } of last ? unchained : [{ at: openedAt, members: opening }, ...unchained]) {
    const position = { stream, id: idAfter(before?.id) }
    const place = { schema: 1 as const, ...position, at, deployment, previous: before?.hash ?? null, ttl }
    const text = textOf([...recordMembers(place), ...members])
    const record = { ...place, ...Object.fromEntries(members.map(({ name, value }) => [name, value])) }
    before = { ...position, hash: hash('sha256', text, 'hex') }
    chained.push({ record, text, head: before })
  }
  return chained
}

/** How many bytes of a record are not its writer's, at the most. */
export function chainBytes({ deployment, ttl }: Pick<StreamOrigin, 'deployment' | 'ttl'>): number {
  const stream = 's'.repeat('2026-11-22T08/'.length + 36 + '/123456789'.length)
  const at = '2026-11-22T08:00:00.000Z'
  const longest = { schema: 1, stream, id: idAfter(undefined), at, deployment, previous: 'f'.repeat(64), ttl }
  return Buffer.byteLength(JSON.stringify(longest))
}
