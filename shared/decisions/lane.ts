import { setTimeout as wait } from 'node:timers/promises'
import type { ChainHead } from './record.ts'
import type { Settlement } from './settle.ts'
import type { ChainedRecord } from './stream.ts'
import { type LaneParts, streamWriter } from './stream-writer.ts'
import { isOfOneRecord, refuse, type Writing } from './writing.ts'

/** Writes one batch at a time into a stream of its own. */
export interface Lane {
  /** `stuck`: what became of its batch is not known yet, or is not on record; others need not wait for it. */
  state(): LaneState
  /** The last record that is known to be there. */
  head(): ChainHead | null
  /** Answers every one of these writers. Returns when the lane is free again. Never throws. */
  write(writings: readonly Writing[]): Promise<void>
}

type LaneState = 'idle' | 'busy' | 'stuck'

/** What a lane does beside writing. */
export interface LaneSurroundings {
  /** Called when {@link Lane.state} has changed. */
  readonly onChange: () => void
  /** Ends the pauses between attempts to open a stream anew: after it there is one more. */
  readonly closing: AbortSignal
}

/** Between attempts to open a stream anew, in milliseconds. */
const reopenPause = 1_000

/** A lane that takes over from that record. It opens its stream with its first batch. */
export function openLane(predecessor: ChainHead | null, parts: LaneParts, surroundings: LaneSurroundings): Lane {
  const { onChange, closing } = surroundings
  const writer = streamWriter(predecessor, parts, () => become('stuck'))
  let state: LaneState = 'idle'

  function become(next: LaneState): void {
    if (state === next) return
    state = next
    onChange()
  }

  /** One over-sized record fails alone, not its batch: what is refused for a record's sake is sent in halves. */
  async function writeAll(writings: readonly Writing[]): Promise<void> {
    const until = Math.min(...writings.map(writing => writing.until))
    const groups = [writings]
    for (let group = groups.shift(); group; group = groups.shift()) {
      const { chained, settlement } = await writer.append(group, until)
      if (isOfOneRecord(settlement) && group.length > 1) groups.unshift(...halves(group))
      else answer(group, chained, settlement)
      // The stream is closed.
      if (settlement.kind === 'unresolved') return answer(groups.flat(), [], settlement)
    }
  }

  /**
   * What opens a stream that names an unresolved range goes alone, and is sent until it is there: with writers beside it
   * it could become unresolved itself, and there is a place for one range in it.
   */
  async function reopen(): Promise<void> {
    while (writer.owesOpening()) {
      become('stuck')
      const last = closing.aborted
      await writer.append([])
      if (last || !writer.owesOpening()) return
      await wait(reopenPause, undefined, { signal: closing, ref: false }).catch(() => undefined)
    }
  }

  return {
    state: () => state,
    head: writer.head,
    async write(writings) {
      become('busy')
      try {
        writer.rollOver()
        // Only a log that closes leaves an opening owed. Beside it a batch could become unresolved, and nothing would say so.
        if (writer.owesOpening()) answer(writings, [], { kind: 'refused', detail: { error: 'closed' } })
        else await writeAll(writings)
        await reopen()
      } finally {
        become('idle')
      }
    },
  }
}

function answer(group: readonly Writing[], chained: readonly ChainedRecord[], settlement: Settlement): void {
  // Before the group, there may be the record that opened the stream.
  const own = chained.slice(chained.length - group.length)
  for (const [index, writing] of group.entries()) {
    const head = own[index]?.head
    if (settlement.kind !== 'committed') refuse(writing, settlement)
    else if (head) writing.resolve({ stream: head.stream, id: head.id })
  }
}

function halves<T>(group: readonly T[]): readonly (readonly T[])[] {
  const half = Math.ceil(group.length / 2)
  return [group.slice(0, half), group.slice(half)]
}
