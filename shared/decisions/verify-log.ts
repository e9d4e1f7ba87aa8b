import { checkpointCheck, type FindKey } from './verify-checkpoints.ts'
import { compareCopies } from './verify-copies.ts'
import { kindOfDocument, type LogDocument } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import { findingList } from './verify-finding-list.ts'
import { type IndexReadingOptions, indexReading } from './verify-index.ts'
import { recordReading } from './verify-records.ts'
import { notedStreams } from './verify-stream-notes.ts'
import { judgeLog, type LogVerdict } from './verify-verdict.ts'

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
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, until, problems = [] } = asked
  const range = { from, to }
  const findings = findingList()
  const report = findings.add
  const streams = notedStreams(range)
  const { checkpoints, copies, deployment } = await readIndex(asked, { streams, report })
  const read = recordReading({ streams, range, deployment, report })
  for await (const record of asked.records) read.take(record)
  for (const problem of problems) report(problem)
  const judged = read.end()
  const end = until ?? Date.parse(read.newest())
  return judgeLog({ streams: judged, findings, checkpoints, copies, deployment, end })
}

/** Notes what checkpoints, copies of them, registrations and first records say of the streams. */
async function readIndex(
  { index, copies, isExport = false, findKey, from, deployment }: LogToVerify,
  noting: Omit<IndexReadingOptions, 'deployment'>,
) {
  const { report } = noting
  const read = indexReading({ ...noting, deployment })
  const checkpoints = checkpointCheck(findKey, from === undefined ? '' : new Date(from).toISOString(), report)
  for await (const document of index) {
    if (kindOfDocument(document) !== 'checkpoint') read.take(document)
    else read.takeHeads(await checkpoints.take(document))
  }
  const comparing = { report, onBeyond: isExport ? undefined : read.takeHeads }
  const compared = copies && (await compareCopies(copies, checkpoints, comparing))
  return { checkpoints: checkpoints.verdict(), copies: compared, deployment: read.deployment() }
}
