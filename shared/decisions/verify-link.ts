import { idOf } from './record-id.ts'
import type { LogDocument } from './verify-document.ts'
import type { FindingKind } from './verify-finding.ts'

/** What a check remembers of a record. */
export interface Seen {
  readonly number: number
  readonly hash: string | undefined
  readonly previous: unknown
  /** A checkpoint says that this is how it was written. */
  readonly anchored: boolean
}

/** What is wrong with a stream, first of all. */
export interface Wrong {
  readonly kind: FindingKind
  readonly number: number
  readonly because: string
  /** What the record names as previous that should stand there: so it is known where it stands elsewhere. */
  readonly displaced?: string | null
  /** What it names as previous itself: a record after it that names the same was there before it. */
  readonly twin?: unknown
}

/** The record after `before` does not name its hash: which of the two was altered is told by what comes next. */
export interface BrokenLink {
  readonly before: Seen
  readonly after: Seen
}

/** What is wrong with the first record that is there. Whatever is older than `horizon` may follow records that are gone. */
export function judgeFirst(record: LogDocument, { number, previous }: Seen, horizon?: string): Wrong | undefined {
  if (number === 1) {
    if (previous !== null) return { kind: 'altered', number, because: 'it names a record before it, and is the first' }
    return record['kind'] === 'stream'
      ? undefined
      : { kind: 'altered', number, because: 'it does not say that it opens the stream' }
  }
  const { at } = record
  if (horizon !== undefined && typeof at === 'string' && at < horizon) return undefined
  const because = `the first record that is there is ${idOf(number)}`
  return { kind: 'missing', number: 1, because, displaced: null }
}

/** What no record of ours can be: without a hash it could not be told from another in its place. */
export function judgeForm({ number, hash, previous }: Seen): Wrong | undefined {
  if (hash === undefined)
    return { kind: 'altered', number, because: 'it holds text that is no Unicode, and has no hash' }
  if (previous === null || typeof previous === 'string') return undefined
  return { kind: 'altered', number, because: 'what it names as previous is no hash' }
}

/** What is wrong with the place of a record after another. */
export function judgePlace(before: Seen, { number, previous }: Seen): Wrong | undefined {
  const expected = before.number + 1
  if (number <= before.number) {
    return { kind: 'inserted', number, because: `it stands after record ${idOf(before.number)}` }
  }
  if (number > expected) {
    const because = `record ${idOf(number)} stands in its place`
    return { kind: 'missing', number: expected, because, ...displacedBy(before) }
  }
  if (before.previous === null || previous !== before.previous || previous === before.hash) return undefined
  return { kind: 'inserted', number: before.number, because: `record ${idOf(number)} names the same previous record` }
}

/** Which record of a broken link is wrong, as far as is known by now; undefined where the next one may tell. */
export function judgeBroken({ before, after }: BrokenLink, next?: Seen | 'none'): Wrong | undefined {
  if (before.anchored) return alteredAfter(before, after)
  if (after.anchored || next === 'none') return alteredBefore(before, after)
  if (next === undefined) return undefined
  return next.previous === after.hash ? alteredBefore(before, after) : alteredAfter(before, after)
}

function alteredBefore({ number }: Seen, after: Seen): Wrong {
  return { kind: 'altered', number, because: `its hash is not what record ${idOf(after.number)} says` }
}

function alteredAfter(before: Seen, { number }: Seen): Wrong {
  const because = `it does not name the hash of record ${idOf(before.number)}`
  return { kind: 'altered', number, because, ...displacedBy(before) }
}

function displacedBy({ hash }: Seen) {
  return hash === undefined ? {} : { displaced: hash }
}

/** The same, where the record that should stand there is found elsewhere. */
export function judgeDisplaced(wrong: Wrong, { number, previous }: Seen): Wrong {
  if (typeof wrong.twin === 'string' && wrong.twin === previous) {
    return { kind: 'inserted', number: wrong.number, because: `record ${idOf(number)} names the same previous record` }
  }
  if (wrong.displaced === undefined || wrong.displaced !== previous) return wrong
  const because = `what was written there stands as record ${idOf(number)}`
  return number === wrong.number
    ? { kind: 'swapped', number, because: 'it stands further down than its number says' }
    : { kind: 'swapped', number: wrong.number, because }
}
