import { hourLength, startOfHour } from './checkpoint-hours.ts'
import type { CheckpointVerdict } from './verify-checkpoints.ts'
import { idOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import type { Anchor, StreamVerdict } from './verify-stream.ts'
import { tolerance } from './verify-time.ts'

/** Records that are there and not proven: after the last one that was signed. */
export interface Unproven {
  readonly stream: string
  /** The last record that is proven; null where none is. */
  readonly after: string | null
  readonly records: number
  /** Checkpoints do not look at the stream any more: only the stream that takes over from it may still prove them. */
  readonly closed: boolean
}

/** What a verification came to. */
export interface LogVerdict {
  readonly proven: boolean
  readonly findings: readonly Finding[]
  readonly checkpoints: CheckpointVerdict
  readonly streams: number
  readonly records: number
  readonly unproven: readonly Unproven[]
  /** Ranges that a stream left open when it closed: these records may be there or not. */
  readonly unresolved: readonly string[]
}

/** What others say of a stream. */
export interface StreamNotes {
  registered: boolean
  /** Records that checkpoints name. */
  readonly anchors: Anchor[]
  /** Records that the first records of other streams name. */
  readonly claims: Anchor[]
  /** Its first record's own word: what it takes over from. */
  predecessor?: { readonly stream: string; readonly number: number }
}

export interface JudgedStream extends StreamNotes {
  readonly name: string
  readonly verdict: StreamVerdict
  /** What named it may be older than the horizon. */
  readonly mayBeOlder: boolean
}

/** What was found while reading, and every stream, in order. */
export interface LogNotes {
  readonly streams: readonly JudgedStream[]
  readonly findings: readonly Finding[]
  readonly unresolved: readonly string[]
  readonly checkpoints: CheckpointVerdict
}

/** Puts together what was found. */
export function judgeLog({ streams, findings, unresolved, checkpoints }: LogNotes): LogVerdict {
  const unproven = unprovenOf(streams, checkpoints.last?.openSince)
  const found = [
    ...findings,
    ...withoutCheckpoint(checkpoints),
    ...streams.flatMap(findingsOf),
    ...unmetClaims(streams),
  ]
  const all = [...found, ...unsigned({ streams, unproven, checkpoints, found })]
  return {
    proven: all.length === 0,
    findings: all,
    checkpoints,
    streams: streams.filter(({ verdict }) => verdict.records > 0).length,
    records: streams.reduce((sum, { verdict }) => sum + verdict.records, 0),
    unproven,
    unresolved,
  }
}

function withoutCheckpoint({ count }: CheckpointVerdict): readonly Finding[] {
  const because = 'no checkpoint is there whose signature is good, so nothing is proven'
  return count > 0 ? [] : [{ kind: 'missing', subject: 'checkpoint', because }]
}

function findingsOf({ name, registered, anchors, verdict }: JudgedStream): readonly Finding[] {
  if (verdict.finding) return [verdict.finding]
  if (registered || verdict.records + anchors.length === 0) return []
  const because = 'it has records, and nothing says that it was opened'
  return [{ kind: 'unregistered', subject: 'stream', stream: name, because }]
}

/** Where a stream takes over from a record that is not there, or another one. Streams that are wrong themselves are not believed. */
function unmetClaims(streams: readonly JudgedStream[]): readonly Finding[] {
  const wrong = new Set(streams.filter(({ verdict }) => verdict.finding).map(({ name }) => name))
  return streams.flatMap(({ name, verdict: { last, unmet } }): readonly Finding[] => {
    const claim = unmet.find(({ by }) => !wrong.has(by))
    if (!claim || wrong.has(name)) return []
    const because = `the first record of stream ${claim.by} names record ${idOf(claim.number)}`
    if (last === 0) return [{ kind: 'removed', subject: 'stream', stream: name, because }]
    const id = idOf(Math.min(claim.number, last + 1))
    const kind = claim.number > last ? 'cut' : 'altered'
    return [
      { kind, subject: 'record', stream: name, id, because: `${because}${kind === 'cut' ? '' : ' by another hash'}` },
    ]
  })
}

interface Judged extends Pick<LogNotes, 'streams' | 'checkpoints'> {
  readonly unproven: readonly Unproven[]
  readonly found: readonly Finding[]
}

/**
 * Streams of hours that checkpoints have done with, and that none of them names: nobody of ours was so late. Where a
 * checkpoint is wrong, it cannot be told what it named.
 */
function unsigned({ streams, unproven, checkpoints: { last }, found }: Judged): readonly Finding[] {
  if (!last || found.some(({ subject }) => subject === 'checkpoint')) return []
  const passedOver = new Set(streams.filter(({ mayBeOlder }) => mayBeOlder).map(({ name }) => name))
  for (const { stream } of found) if (stream !== undefined) passedOver.add(stream)
  const isOld = (stream: string) => startOfHour(stream.slice(0, 13)) + hourLength + tolerance < Date.parse(last.at)
  return unproven
    .filter(({ stream, after, closed }) => after === null && closed && isOld(stream) && !passedOver.has(stream))
    .map(({ stream }) => {
      const because = `no checkpoint names it, though ${last.id} of ${last.at} was made after its hour, and no proven stream takes over from it`
      return { kind: 'unsigned', subject: 'stream', stream, because }
    })
}

function unprovenOf(streams: readonly JudgedStream[], openSince = ''): readonly Unproven[] {
  const proven = provenNumbers(streams)
  return streams.flatMap(({ name, verdict: { last, records } }) => {
    const until = proven.get(name) ?? 0
    if (last <= until) return []
    const after = until === 0 ? null : idOf(until)
    return [{ stream: name, after, records: Math.min(records, last - until), closed: name < openSince }]
  })
}

/**
 * How far each stream is proven: to the last record that a checkpoint names, or that a proven stream takes over from.
 * That proves what a process wrote late, into a stream that checkpoints did not look at any more.
 */
function provenNumbers(streams: readonly JudgedStream[]): ReadonlyMap<string, number> {
  const byName = new Map(streams.map(stream => [stream.name, stream]))
  const proven = new Map<string, number>()
  const waiting = streams.flatMap(({ name, anchors }) => {
    return anchors.length > 0 ? [{ stream: name, number: Math.max(...anchors.map(({ number }) => number)) }] : []
  })
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const stream = byName.get(at.stream)
    if (!stream || stream.verdict.finding || at.number <= (proven.get(at.stream) ?? 0)) continue
    proven.set(at.stream, at.number)
    if (stream.predecessor) waiting.push(stream.predecessor)
  }
  return proven
}
