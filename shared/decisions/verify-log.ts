import type { Checkpoint } from './checkpoint.ts'
import { hourLength, startOfHour } from './checkpoint-hours.ts'
import { hashOf } from './record-hash.ts'
import { idOf, numberOf } from './record-id.ts'
import { asRegistration } from './registration.ts'
import { type CheckpointVerdict, checkpointCheck, type FindKey } from './verify-checkpoints.ts'
import { type CopiesVerdict, compareCopies } from './verify-copies.ts'
import { asDocument, kindOfDocument, type LogDocument, textOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import { findingList, maxListed } from './verify-findings.ts'
import { type StreamCheck, streamCheck } from './verify-stream.ts'
import { misdated, tolerance } from './verify-time.ts'
import { judgeLog, type LogVerdict, type StreamNotes } from './verify-verdict.ts'

interface KnownStream extends StreamNotes {
  check?: StreamCheck
}

/** A log to verify. All is read once, the index first, then the copies. */
export interface LogToVerify {
  /**
   * Checkpoints in the order of their ids, registrations, and the first records of streams (which name where they take
   * over from), in any mixture.
   */
  readonly index: AsyncIterable<LogDocument>
  /** Checkpoints as they were printed, in any order; what has no number is passed over. */
  readonly copies?: AsyncIterable<LogDocument> | undefined
  /** Whether it was taken down at one moment, as an export is: records that later copies tell of need not be in it. */
  readonly isExport?: boolean
  /** Every record, those of one stream in the order of their ids. Streams may be mixed. */
  readonly records: AsyncIterable<LogDocument>
  readonly findKey: FindKey
  /** Epoch milliseconds: what is older may have been taken by retention. Everything must be there where it is not given. */
  readonly from?: number
  /** Streams of later hours are not looked at. */
  readonly to?: number
  /** Until when checkpoints are expected, epoch milliseconds. Where it is not given, to the last record that is there. */
  readonly until?: number | undefined
  /** Which all documents must name. Where it is not given, what the first signed checkpoint names. */
  readonly deployment?: string | undefined
  /** What could not be read at all. Complete when both were read. */
  readonly problems?: readonly Finding[]
}

/**
 * Verifies a log: the signatures and the chain of checkpoints, then the chain of every stream up to what was signed.
 * Keeps what is in checkpoints and registrations, and of each stream as much as does not depend on its records.
 */
export async function verifyLog(asked: LogToVerify): Promise<LogVerdict> {
  const { index, copies, isExport = false, records, findKey, from, problems = [] } = asked
  const log = openLog(asked)
  const checkpoints = checkpointCheck(findKey, from === undefined ? '' : new Date(from).toISOString(), log.report)
  for await (const document of index) {
    if (kindOfDocument(document) !== 'checkpoint') log.takeIndex(document)
    else log.takeHeads(await checkpoints.take(document))
  }
  const comparing = { report: log.report, onBeyond: isExport ? undefined : log.takeHeads }
  const compared = copies && (await compareCopies(copies, checkpoints, comparing))
  for await (const document of records) log.takeRecord(document)
  for (const problem of problems) log.report(problem)
  return log.verdict(checkpoints.verdict(), compared)
}

function openLog({ from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, until, deployment }: LogToVerify) {
  const findings = findingList()
  const misplaced = new Set<string>()
  const streams = new Map<string, KnownStream>()
  let expected = deployment
  let before: Checkpoint | undefined
  let newest = ''

  function isBeyond(stream: string): boolean {
    const start = startOfHour(stream.slice(0, 13))
    return start + hourLength <= from || start >= to
  }

  /** What is known of a stream; undefined for one that is not looked at. */
  function known(name: string): KnownStream | undefined {
    if (isBeyond(name)) return undefined
    const found = streams.get(name) ?? { anchors: [], claims: [] }
    streams.set(name, found)
    return found
  }

  function takeRegistration(document: LogDocument): void {
    const registration = asRegistration(document)
    if (!registration) {
      const because = 'its members are not those of a registration, or do not agree: it registers nothing'
      findings.add({ kind: 'inserted', subject: 'registration', id: textOf(document['id']), because })
      return
    }
    const stream = known(registration.stream)
    if (stream) stream.registered ??= registration.deployment
  }

  /** The first record of a stream, as it is to be found again among the records. */
  function takeOpening(document: LogDocument, name: string): void {
    const stream = known(name)
    if (!stream || stream.opening || document['kind'] !== 'stream' || document['id'] !== idOf(1)) return
    const left = asDocument(document['unresolved'])
    const unresolved =
      left && `stream ${textOf(left['stream'])}, records ${textOf(left['from'])} to ${textOf(left['to'])}`
    const { stream: predecessor, id, hash } = asDocument(document['predecessor']) ?? {}
    const number = numberOf(id)
    const takesOver = typeof predecessor === 'string' && typeof hash === 'string' && number !== undefined
    stream.opening = {
      hash: hashOf(document),
      ...(unresolved !== undefined && { unresolved }),
      ...(takesOver && { predecessor: { stream: predecessor, number } }),
    }
    if (takesOver) known(predecessor)?.claims.push({ number, hash, by: name })
  }

  /** A record of a time that is looked at belongs into a stream that is. */
  function takeBeyond({ id, at }: LogDocument, stream: string): void {
    const time = typeof at === 'string' ? Date.parse(at) : Number.NaN
    const because = time >= from && time < to ? misdated(at, stream) : undefined
    if (because === undefined || misplaced.has(stream)) return
    if (misplaced.size < maxListed) misplaced.add(stream)
    findings.add({ kind: 'misdated', subject: 'record', stream, id: textOf(id), because })
  }

  function checkOf(stream: string, { anchors, claims }: KnownStream): StreamCheck {
    const isAtHorizon = startOfHour(stream.slice(0, 13)) < from
    const horizon = isAtHorizon ? { horizon: new Date(from).toISOString() } : {}
    const inOrder = anchors.toSorted((a, b) => a.number - b.number)
    return streamCheck({ stream, anchors: inOrder, claims, deployment: expected, ...horizon })
  }

  /** Whoever can have a stream signed that is long over can have it look as if it had always been there. */
  function isSignedLate(stream: string, { id, at }: Checkpoint): boolean {
    if (!before || stream.slice(0, 13) >= before.openSince) return false
    const because = `checkpoint ${id} of ${at} signs it, though checkpoint ${before.id} had done with its hour`
    findings.add({ kind: 'misdated', subject: 'stream', stream, because })
    return true
  }

  return {
    report: findings.add,
    takeHeads(checkpoint: Checkpoint | undefined): void {
      if (!checkpoint) return
      const { id: by, at, heads } = checkpoint
      expected ??= checkpoint.deployment
      if (checkpoint.deployment !== expected) {
        const because = `it is of deployment ${textOf(checkpoint.deployment)}`
        findings.add({ kind: 'foreign', subject: 'checkpoint', id: by, because })
      }
      for (const { stream, id, hash } of heads) {
        const number = numberOf(id)
        if (number === undefined || isSignedLate(stream, checkpoint)) continue
        known(stream)?.anchors.push({ number, hash, by: `checkpoint ${by}`, at })
      }
      before = checkpoint
    },
    takeIndex(document: LogDocument): void {
      const name = document['stream']
      const kind = kindOfDocument(document)
      if (kind === 'record' && typeof name === 'string') takeOpening(document, name)
      else takeRegistration(document)
    },
    takeRecord(document: LogDocument): void {
      const name = document['stream']
      if (typeof name !== 'string') {
        findings.add({ kind: 'unreadable', subject: 'record', because: `its stream is ${textOf(name)}` })
        return
      }
      const stream = known(name)
      if (!stream) {
        takeBeyond(document, name)
        return
      }
      const { at } = document
      if (typeof at === 'string' && at > newest) newest = at
      stream.check ??= checkOf(name, stream)
      stream.check.take(document)
    },
    verdict(checkpoints: CheckpointVerdict, copies: CopiesVerdict | undefined): LogVerdict {
      const judged = [...streams]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, stream]) => {
          const verdict = (stream.check ?? checkOf(name, stream)).end()
          // Clocks differ: the checkpoint that named a stream of the horizon's may be older than the horizon.
          const mayBeOlder = startOfHour(name.slice(0, 13)) < from + tolerance
          return { ...stream, name, verdict, mayBeOlder }
        })
      const end = until ?? Date.parse(newest)
      return judgeLog({ streams: judged, findings, checkpoints, copies, deployment: expected, end })
    },
  }
}
