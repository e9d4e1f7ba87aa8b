import { hourLength, hourOfStream, startOfHour } from './checkpoint-hours.ts'
import { idOf } from './record-id.ts'
import type { CheckpointVerdict } from './verify-checkpoints.ts'
import type { Finding } from './verify-finding.ts'
import type { LogNotes } from './verify-log-notes.ts'
import type { JudgedStream } from './verify-stream-notes.ts'
import { openingOf } from './verify-taken-over.ts'
import { tolerance } from './verify-time.ts'
import type { Unproven } from './verify-unproven.ts'

/** All that is wrong: what was found while reading, and what only shows when everything was read. */
export function findingsOf(notes: LogNotes, unproven: readonly Unproven[]): readonly Finding[] {
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
