import { hourOfStream, startOfHour } from './checkpoint-hours.ts'
import { type LogDocument, textOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import { maxListed } from './verify-finding-list.ts'
import { type StreamCheck, streamCheck } from './verify-stream.ts'
import type { JudgedStream, NotedStreams, StreamNotes, TimeRange } from './verify-stream-notes.ts'
import { misdated, tolerance } from './verify-time.ts'

/** Checks the records of a log against what its index said of their streams. */
export interface RecordReading {
  take(record: LogDocument): void
  /** When there are no more records: every stream that is known, in order. */
  end(): readonly JudgedStream[]
  /** What the last of the records that were looked at says of its time; the empty text where there is none. */
  newest(): string
}

export interface RecordReadingOptions {
  /** With all that the index says. */
  readonly streams: NotedStreams
  readonly range: TimeRange
  /** Which all records must name, where it is known. */
  readonly deployment: string | undefined
  report(finding: Finding): void
}

/** Begins to read the records. */
export function recordReading({ streams, range, deployment, report }: RecordReadingOptions): RecordReading {
  const { from, to } = range
  const checks = new Map<string, StreamCheck>()
  const misplaced = new Set<string>()
  let newest = ''

  function checkOf(stream: string, { anchors, claims }: StreamNotes): StreamCheck {
    const known = checks.get(stream)
    if (known) return known
    const isAtHorizon = startOfHour(hourOfStream(stream)) < from
    const horizon = isAtHorizon ? { horizon: new Date(from).toISOString() } : {}
    const inOrder = anchors.toSorted((a, b) => a.number - b.number)
    const check = streamCheck({ stream, anchors: inOrder, claims, deployment, ...horizon })
    checks.set(stream, check)
    return check
  }

  /** A record of a time that is looked at belongs into a stream that is. */
  function takeBeyond({ id, at }: LogDocument, stream: string): void {
    const time = typeof at === 'string' ? Date.parse(at) : Number.NaN
    const because = time >= from && time < to ? misdated(at, stream) : undefined
    if (because === undefined || misplaced.has(stream)) return
    if (misplaced.size < maxListed) misplaced.add(stream)
    report({ kind: 'misdated', subject: 'record', stream, id: textOf(id), because })
  }

  return {
    take(record) {
      const { stream, at } = record
      if (typeof stream !== 'string') {
        report({ kind: 'unreadable', subject: 'record', because: `its stream is ${textOf(stream)}` })
        return
      }
      const notes = streams.of(stream)
      if (!notes) return takeBeyond(record, stream)
      if (typeof at === 'string' && at > newest) newest = at
      checkOf(stream, notes).take(record)
    },
    end: () =>
      streams.inOrder().map(([name, notes]) => {
        const verdict = checkOf(name, notes).end()
        // Clocks differ: the checkpoint that named a stream of the horizon's may be older than the horizon.
        const mayBeOlder = startOfHour(hourOfStream(name)) < from + tolerance
        return { ...notes, name, verdict, mayBeOlder }
      }),
    newest: () => newest,
  }
}
