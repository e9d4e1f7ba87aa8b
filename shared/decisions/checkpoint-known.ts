import type { Checkpoint } from './checkpoint.ts'
import { startOfHour } from './checkpoint-hours.ts'
import type { EarlierLooks } from './checkpoint-looks.ts'
import type { CheckpointStore } from './cosmos-checkpoints.ts'
import type { ChainHead } from './record.ts'

/** What the runs of one process hand on from one to the next. */
export interface Known {
  last: Checkpoint | undefined
  /** What was signed last of each stream that is still looked at. */
  readonly heads: Map<string, ChainHead>
  /** Known ones that had grown when they were looked at last: looked at first, whatever else is registered meanwhile. */
  readonly growing: Set<string>
  readonly earlier: EarlierLooks
  /** Runs that are ended early take turns, so that no hour is so full that another one is never looked at. */
  newestFirst: boolean
}

/** What a process knows when it starts. */
export function nothingKnown(): Known {
  return { last: undefined, heads: new Map(), growing: new Set(), earlier: new Map(), newestFirst: false }
}

/** Reads the checkpoints that others made; all of the streams that are still looked at, after a start. */
export async function catchUp(known: Known, store: CheckpointStore, now: number): Promise<void> {
  const last = await store.last(known.last, new Date(now).toISOString().slice(0, 10))
  if (!last || last.id === known.last?.id) return
  const from = new Date(startOfHour(last.openSince)).toISOString()
  for (const { heads } of await store.since(from, last)) {
    for (const head of heads) {
      if (known.heads.has(head.stream)) known.growing.add(head.stream)
      known.heads.set(head.stream, head)
    }
  }
  known.last = last
}

/** Takes what a checkpoint of this process signed, and forgets streams of hours that are done with. */
export function takeSigned(known: Known, checkpoint: Checkpoint): void {
  const { heads, openSince } = checkpoint
  known.last = checkpoint
  for (const head of heads) known.heads.set(head.stream, head)
  for (const stream of known.heads.keys()) if (stream < openSince) known.heads.delete(stream)
  for (const stream of known.growing) if (stream < openSince) known.growing.delete(stream)
}
