import type { Checkpoint } from './checkpoint.ts'
import { hourLength, startOfHour } from './checkpoint-hours.ts'
import { type CheckpointVerdict, checkpointCheck, type FindKey } from './verify-checkpoints.ts'
import { asDocument, kindOfDocument, type LogDocument, numberOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import { type StreamCheck, streamCheck } from './verify-stream.ts'
import { misdated, tolerance } from './verify-time.ts'
import { judgeLog, type LogVerdict, type StreamNotes } from './verify-verdict.ts'

interface KnownStream extends StreamNotes {
  check?: StreamCheck
}

/** A log to verify. Both are read once, the index first. */
export interface LogToVerify {
  /**
   * Checkpoints in the order of their ids, registrations, and the first records of streams (which name where they take
   * over from), in any mixture.
   */
  readonly index: AsyncIterable<LogDocument>
  /** Every record, those of one stream in the order of their ids. Streams may be mixed. */
  readonly records: AsyncIterable<LogDocument>
  readonly findKey: FindKey
  /** Epoch milliseconds: what is older may have been taken by retention. Everything must be there where it is not given. */
  readonly from?: number
  /** Streams of later hours are not looked at. */
  readonly to?: number
  /** What could not be read at all. Complete when both were read. */
  readonly problems?: readonly Finding[]
}

/**
 * Verifies a log: the signatures and the chain of checkpoints, then the chain of every stream up to what was signed.
 * Keeps what is in checkpoints and registrations, and of each stream as much as does not depend on its records.
 */
export async function verifyLog({
  index,
  records,
  findKey,
  from,
  to,
  problems = [],
}: LogToVerify): Promise<LogVerdict> {
  const log = openLog(from, to)
  const checkpoints = checkpointCheck(findKey, from === undefined ? '' : new Date(from).toISOString(), log.report)
  for await (const document of index) {
    if (kindOfDocument(document) !== 'checkpoint') log.takeIndex(document)
    else log.takeHeads(await checkpoints.take(document))
  }
  for await (const document of records) log.takeRecord(document)
  for (const problem of problems) log.report(problem)
  return log.verdict(checkpoints.verdict())
}

function openLog(from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY) {
  const findings: Finding[] = []
  const unresolved: string[] = []
  const misplaced = new Set<string>()
  const streams = new Map<string, KnownStream>()
  function isBeyond(stream: string): boolean {
    const start = startOfHour(stream.slice(0, 13))
    return start + hourLength <= from || start >= to
  }

  /** What is known of a stream; undefined for one that is not looked at. */
  function known(stream: unknown): KnownStream | undefined {
    const name = String(stream)
    if (isBeyond(name)) return undefined
    const found = streams.get(name) ?? { registered: false, anchors: [], claims: [] }
    streams.set(name, found)
    return found
  }

  function takeOpening(document: LogDocument, opened: KnownStream): void {
    const { stream, id, hash } = asDocument(document['predecessor']) ?? {}
    const left = asDocument(document['unresolved'])
    if (left) unresolved.push(`stream ${left['stream']}, records ${left['from']} to ${left['to']}`)
    const number = numberOf(id)
    if (typeof stream !== 'string' || typeof hash !== 'string' || number === undefined) return
    opened.predecessor = { stream, number }
    known(stream)?.claims.push({ number, hash, by: String(document['stream']) })
  }

  /** A record of a time that is looked at belongs into a stream that is. */
  function takeBeyond({ stream, id, at }: LogDocument): void {
    const time = Date.parse(String(at))
    const because = time >= from && time < to ? misdated(at, String(stream)) : undefined
    if (because === undefined || misplaced.has(String(stream))) return
    misplaced.add(String(stream))
    findings.push({
      kind: 'misdated',
      subject: 'record',
      stream: String(stream),
      id: String(id).slice(0, 100),
      because,
    })
  }

  function checkOf(stream: string, { anchors, claims }: KnownStream): StreamCheck {
    const isAtHorizon = startOfHour(stream.slice(0, 13)) < from
    const horizon = isAtHorizon ? { horizon: new Date(from).toISOString() } : {}
    return streamCheck({ stream, anchors: anchors.toSorted((a, b) => a.number - b.number), claims, ...horizon })
  }

  return {
    report: (finding: Finding) => void findings.push(finding),
    takeHeads(checkpoint: Checkpoint | undefined): void {
      for (const { stream, id, hash } of checkpoint?.heads ?? []) {
        const number = numberOf(id)
        if (number !== undefined)
          known(stream)?.anchors.push({
            number,
            hash,
            by: `checkpoint ${checkpoint?.id}`,
            ...(checkpoint && { at: checkpoint.at }),
          })
      }
    },
    takeIndex(document: LogDocument): void {
      const stream = known(document['stream'])
      if (!stream) return
      if (kindOfDocument(document) === 'record') takeOpening(document, stream)
      else stream.registered ||= isRegistration(document)
    },
    takeRecord(document: LogDocument): void {
      const stream = known(document['stream'])
      if (!stream) {
        takeBeyond(document)
        return
      }
      stream.check ??= checkOf(String(document['stream']), stream)
      stream.check.take(document)
    },
    verdict(checkpoints: CheckpointVerdict): LogVerdict {
      const judged = [...streams]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, stream]) => {
          const verdict = (stream.check ?? checkOf(name, stream)).end()
          // Clocks differ: the checkpoint that named a stream of the horizon's may be older than the horizon.
          const mayBeOlder = startOfHour(name.slice(0, 13)) < from + tolerance
          return { ...stream, name, verdict, mayBeOlder }
        })
      return judgeLog({ streams: judged, findings, unresolved, checkpoints })
    },
  }
}

/** Members that disagree do not register anything. */
function isRegistration({ stream, id, hour, boot, lane }: LogDocument): boolean {
  return stream === `${hour}/${boot}/${lane}` && id === String(stream).replaceAll('/', '_')
}
