import { idOf } from './record-id.ts'
import type { JudgedStream } from './verify-stream-notes.ts'
import type { Proof } from './verify-taken-over.ts'

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

/** What stands after the last proven record of each stream. Streams of hours before `openSince` are closed. */
export function unprovenOf(
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

/** What is proven by taking over alone. */
export function takenOverOf(
  streams: readonly JudgedStream[],
  proofs: ReadonlyMap<string, Proof>,
): readonly TakenOver[] {
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
