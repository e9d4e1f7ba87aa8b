import { hourLength, startOfHour } from './checkpoint-hours.ts'
import type { JudgedStream } from './verify-stream-notes.ts'

/** How far a stream is proven, by the number of its last record that is. */
export interface Proof {
  readonly number: number
  /** The stream that takes over from that record, where no checkpoint names it. */
  readonly by?: string
}

/**
 * A process that takes over from records which no checkpoint came to wrote them late: it was stopped, or Cosmos DB was
 * away, for longer than checkpoints wait for an hour. One that was idle took over from what was signed long before. So
 * what a signed stream says of older ones is not believed: whoever can write a stream can name any record in it.
 */
const furthest = 6 * hourLength

/**
 * How far each stream is proven: to the last record that a checkpoint names, or that a signed stream of the same process
 * takes over from, by way of others or not.
 */
export function proofsOf(streams: readonly JudgedStream[]): ReadonlyMap<string, Proof> {
  const byName = new Map(streams.map(stream => [stream.name, stream]))
  const proofs = new Map<string, Proof>()
  const waiting = streams.filter(isSigned).map(({ name }) => ({ name, root: name }))
  for (const { name } of waiting) proofs.set(name, { number: lastAnchor(byName.get(name)) })
  const seen = new Set(proofs.keys())
  // Those of earlier hours come first, from which one may see furthest back.
  for (const { name, root } of waiting) {
    const { stream, number } = openingOf(byName.get(name))?.predecessor ?? { stream: '', number: 0 }
    const before = byName.get(stream)
    if (!before || before.verdict.finding || !mayTakeOver(root, stream)) continue
    if (number > (proofs.get(stream)?.number ?? 0)) proofs.set(stream, { number, by: name })
    if (seen.has(stream)) continue
    seen.add(stream)
    waiting.push({ name: stream, root })
  }
  return proofs
}

/** What a stream says of itself, where the record that says it is the one that is there. */
export function openingOf(stream: JudgedStream | undefined): JudgedStream['opening'] {
  const { opening, verdict } = stream ?? {}
  return opening?.hash !== undefined && opening.hash === verdict?.opening ? opening : undefined
}

function isSigned({ anchors, verdict }: JudgedStream): boolean {
  return anchors.length > 0 && !verdict.finding
}

function lastAnchor(stream: JudgedStream | undefined): number {
  return (stream?.anchors ?? []).reduce((last, { number }) => Math.max(last, number), 0)
}

/** Of one process, and not too long before. */
function mayTakeOver(signed: string, before: string): boolean {
  const [hour = '', boot] = signed.split('/')
  const [earlier = '', sameBoot] = before.split('/')
  const distance = startOfHour(hour) - startOfHour(earlier)
  return boot === sameBoot && distance >= 0 && distance <= furthest
}
