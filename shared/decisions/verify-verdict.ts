import { hourLength, hourOfStream, startOfHour } from './checkpoint-hours.ts'
import { idOf } from './record-id.ts'
import type { CheckpointVerdict } from './verify-checkpoints.ts'
import type { CopiesVerdict } from './verify-copies.ts'
import type { Finding } from './verify-finding.ts'
import { type FindingList, maxListed } from './verify-findings.ts'
import type { JudgedStream } from './verify-stream-notes.ts'
import { openingOf, type Proof, proofsOf } from './verify-taken-over.ts'
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

/** Records that no checkpoint names, and that are proven by the process that wrote them alone. */
export interface TakenOver {
  readonly stream: string
  /** The last record that a checkpoint names; null where none does. */
  readonly after: string | null
  readonly records: number
  /** The stream whose first record names the last of them. */
  readonly by: string
}

/** What a verification came to. Each list has 1,000 entries at the most. */
export interface LogVerdict {
  /** Nothing was found. */
  readonly proven: boolean
  /** What all documents say to be of. */
  readonly deployment?: string
  readonly findings: readonly Finding[]
  /** Why less is proven than a log shows that was looked after, in sentences. Nothing is wrong with what is proven. */
  readonly doubts: readonly string[]
  readonly checkpoints: CheckpointVerdict
  readonly copies?: CopiesVerdict
  readonly streams: number
  readonly records: number
  readonly unproven: readonly Unproven[]
  readonly takenOver: readonly TakenOver[]
  /** Ranges that a stream left open when it closed: these records may be there or not. */
  readonly unresolved: readonly string[]
  /** How many entries the lists do not have. */
  readonly omitted: Readonly<Record<'findings' | 'unproven' | 'takenOver' | 'unresolved', number>>
}

/** What was found while reading, and every stream, in order. */
export interface LogNotes {
  readonly streams: readonly JudgedStream[]
  readonly findings: FindingList
  readonly checkpoints: CheckpointVerdict
  readonly copies: CopiesVerdict | undefined
  readonly deployment: string | undefined
  /** Until when checkpoints are expected, epoch milliseconds. NaN where nobody can tell. */
  readonly end: number
}

/** Puts together what was found. */
export function judgeLog(notes: LogNotes): LogVerdict {
  const { streams, checkpoints, copies, deployment } = notes
  const proofs = proofsOf(streams)
  const unproven = unprovenOf(streams, proofs, checkpoints.last?.openSince)
  const findings = findingsOf(notes, unproven)
  const lists = { findings, unproven, takenOver: takenOverOf(streams, proofs), unresolved: unresolvedOf(streams) }
  return {
    proven: findings.length === 0,
    ...(deployment !== undefined && { deployment }),
    doubts: doubtsOf(notes, unproven),
    checkpoints,
    ...(copies && { copies }),
    streams: streams.filter(({ verdict }) => verdict.records > 0).length,
    records: streams.reduce((sum, { verdict }) => sum + verdict.records, 0),
    ...limited(lists),
    omitted: {
      findings: notes.findings.omitted() + omittedOf(findings),
      unproven: omittedOf(unproven),
      takenOver: omittedOf(lists.takenOver),
      unresolved: omittedOf(lists.unresolved),
    },
  }
}

function limited({
  findings,
  unproven,
  takenOver,
  unresolved,
}: Pick<LogVerdict, 'findings' | 'unproven' | 'takenOver' | 'unresolved'>) {
  return {
    findings: findings.slice(0, maxListed),
    unproven: unproven.slice(0, maxListed),
    takenOver: takenOver.slice(0, maxListed),
    unresolved: unresolved.slice(0, maxListed),
  }
}

function omittedOf({ length }: readonly unknown[]): number {
  return Math.max(0, length - maxListed)
}

function findingsOf(notes: LogNotes, unproven: readonly Unproven[]): readonly Finding[] {
  const { streams, findings, checkpoints, deployment } = notes
  const found = [
    ...findings.list,
    ...withoutCheckpoint(checkpoints),
    ...streams.flatMap(stream => findingsOfStream(stream, deployment)),
    ...unmetClaims(streams),
  ]
  const isChainWhole = !findings.isOfCheckpoints() && checkpoints.count > 0
  return [...found, ...(isChainWhole ? unsigned({ streams, unproven, checkpoints, found }) : [])]
}

function withoutCheckpoint({ count }: CheckpointVerdict): readonly Finding[] {
  const because = 'no checkpoint is there whose signature is good, so nothing is proven'
  return count > 0 ? [] : [{ kind: 'missing', subject: 'checkpoint', because }]
}

function findingsOfStream(stream: JudgedStream, deployment: string | undefined): readonly Finding[] {
  const { name, registered, anchors, verdict } = stream
  if (verdict.finding) return [verdict.finding]
  const place = { subject: 'stream', stream: name } as const
  if (registered === undefined && verdict.records + anchors.length > 0)
    return [{ kind: 'unregistered', ...place, because: 'it has records, and nothing says that it was opened' }]
  if (registered === undefined || deployment === undefined || registered === deployment) return []
  return [{ kind: 'foreign', ...place, because: `it was registered by deployment ${registered.slice(0, 100)}` }]
}

/** Where a stream takes over from a record that is not there, or another one. Streams that are wrong themselves are not believed. */
function unmetClaims(streams: readonly JudgedStream[]): readonly Finding[] {
  const wrong = new Set(streams.filter(({ verdict }) => verdict.finding).map(({ name }) => name))
  const believed = new Set(streams.filter(openingOf).map(({ name }) => name))
  return streams.flatMap(({ name, verdict: { last, unmet } }): readonly Finding[] => {
    const claim = unmet.find(({ by }) => !wrong.has(by) && believed.has(by))
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
  if (!last) return []
  const isExcused = (stream: JudgedStream) => stream.mayBeOlder || isLateOpening(stream)
  const passedOver = new Set(streams.filter(isExcused).map(({ name }) => name))
  for (const { stream } of found) if (stream !== undefined) passedOver.add(stream)
  const isOld = (stream: string) => startOfHour(hourOfStream(stream)) + hourLength + tolerance < Date.parse(last.at)
  return unproven
    .filter(({ stream, after, closed }) => after === null && closed && isOld(stream) && !passedOver.has(stream))
    .map(({ stream }) => {
      const because = `no checkpoint names it, though ${last.id} of ${last.at} was made after its hour, and no proven stream takes over from it`
      return { kind: 'unsigned', subject: 'stream', stream, because }
    })
}

/**
 * A stream of nothing but its opening, which names an unresolved range: an outage may have kept it until its hour was over.
 * Nothing was released by it.
 */
function isLateOpening(stream: JudgedStream): boolean {
  return stream.verdict.records === 1 && openingOf(stream)?.unresolved !== undefined
}

/** One is made each minute; so much later, in milliseconds, somebody must have seen that none is. */
const longestWithout = 15 * 60_000

/** What an honest log may show, too, and what somebody who cannot sign may have done. */
function doubtsOf(notes: LogNotes, unproven: readonly Unproven[]): readonly string[] {
  const { streams, checkpoints, copies, end } = notes
  const { last } = checkpoints
  const doubts: string[] = []
  if (copies && copies.compared + copies.beyond === 0)
    doubts.push('none of the copies is of a checkpoint that is there, or of a later one: nothing was compared')
  if (copies && copies.beyond > 0 && !copies.taken)
    doubts.push(`copies tell of ${copies.beyond} later checkpoints: they were made after the export, or cut from it`)
  if (last && end - Date.parse(last.at) > longestWithout) {
    const asked = new Date(end).toISOString()
    doubts.push(`the last checkpoint is of ${last.at}, though one is made each minute until ${asked}`)
  }
  const older = new Set(streams.filter(({ mayBeOlder }) => mayBeOlder).map(({ name }) => name))
  const late = unproven.filter(({ stream, after, closed }) => closed && !(after === null && older.has(stream)))
  if (late.length > 0) {
    const what = `records of ${late.length} ${late.length === 1 ? 'stream' : 'streams'}`
    doubts.push(`${what} were written after the last look at their hours, and no signed stream takes over from them`)
  }
  return doubts
}

function unprovenOf(
  streams: readonly JudgedStream[],
  proofs: ReadonlyMap<string, Proof>,
  openSince = '',
): readonly Unproven[] {
  return streams.flatMap(({ name, verdict: { last, records } }) => {
    const until = proofs.get(name)?.number ?? 0
    if (last <= until) return []
    return [
      { stream: name, after: idBefore(until), records: Math.min(records, last - until), closed: name < openSince },
    ]
  })
}

function takenOverOf(streams: readonly JudgedStream[], proofs: ReadonlyMap<string, Proof>): readonly TakenOver[] {
  return streams.flatMap(({ name, anchors }) => {
    const { number = 0, by } = proofs.get(name) ?? {}
    if (by === undefined) return []
    const signed = anchors.reduce((last, anchor) => Math.max(last, anchor.number), 0)
    return [{ stream: name, after: idBefore(signed), records: number - signed, by }]
  })
}

function idBefore(number: number): string | null {
  return number === 0 ? null : idOf(number)
}

function unresolvedOf(streams: readonly JudgedStream[]): readonly string[] {
  return streams.flatMap(stream => openingOf(stream)?.unresolved ?? [])
}
