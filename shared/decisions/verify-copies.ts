import type { Checkpoint } from './checkpoint.ts'
import { hashOf } from './record-hash.ts'
import { idOf, numberOf } from './record-id.ts'
import type { CheckpointCheck } from './verify-checkpoints.ts'
import type { LogDocument } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'

/** How copies compare with the chain that is there. */
export interface CopiesVerdict {
  /** Copies of checkpoints that are there. */
  readonly compared: number
  /** Checkpoints that only copies tell of: they are younger than the last one that is there. */
  readonly beyond: number
  /** Whether those were taken as part of the chain. */
  readonly taken: boolean
}

/** What becomes of a comparison. */
export interface Comparing {
  report(finding: Finding): void
  /** Copies that go on where the chain ends, in their order; absent where the log may have ended before them. */
  readonly onBeyond?: ((checkpoint: Checkpoint | undefined) => void) | undefined
}

/**
 * Holds copies of checkpoints, which were printed where nobody who can write to the log can change them, against the chain
 * that was taken. Checkpoints that were cut off and signed anew are told by that: a signature shows who signed, not when.
 * Copies that go on where the chain ends are taken as part of it, where anybody wants them.
 */
export async function compareCopies(
  copies: AsyncIterable<LogDocument>,
  chain: CheckpointCheck,
  { report, onBeyond }: Comparing,
): Promise<CopiesVerdict> {
  const end = lastOf(chain.hashes)
  const known = new Map(chain.hashes)
  const beyond = new Map<number, LogDocument>()
  let compared = 0
  for await (const copy of copies) {
    const number = numberOf(copy['id'])
    if (number === undefined) continue
    if (number > end && !known.has(number)) {
      known.set(number, hashOf(copy))
      beyond.set(number, copy)
    }
    if (!known.has(number)) continue
    if (number <= end) compared += 1
    if (known.get(number) !== hashOf(copy)) report(contradicted(number))
  }
  const later = onBeyond ? [...beyond].toSorted(([a], [b]) => a - b) : []
  for (const [, copy] of later) onBeyond?.(await chain.take(copy))
  return { compared, beyond: beyond.size, taken: onBeyond !== undefined }
}

function contradicted(number: number): Finding {
  const because = 'a copy of it, printed when it was made, says something else'
  return { kind: 'contradicted', subject: 'checkpoint', id: idOf(number), because }
}

function lastOf(hashes: ReadonlyMap<number, unknown>): number {
  let last = 0
  for (const number of hashes.keys()) last = Math.max(last, number)
  return last
}
