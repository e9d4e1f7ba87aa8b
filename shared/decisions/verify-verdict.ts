import type { CheckpointVerdict } from './verify-checkpoints.ts'
import type { CopiesVerdict } from './verify-copies.ts'
import { doubtsOf } from './verify-doubts.ts'
import type { Finding } from './verify-finding.ts'
import { maxListed } from './verify-finding-list.ts'
import { findingsOf } from './verify-findings.ts'
import type { LogNotes } from './verify-log-notes.ts'
import type { JudgedStream } from './verify-stream-notes.ts'
import { openingOf, proofsOf } from './verify-taken-over.ts'
import { type TakenOver, takenOverOf, type Unproven, unprovenOf } from './verify-unproven.ts'

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

function unresolvedOf(streams: readonly JudgedStream[]): readonly string[] {
  return streams.flatMap(stream => openingOf(stream)?.unresolved ?? [])
}
