import { unavailable } from '../errors.ts'
import { type Lane, openLane } from './lane.ts'
import type { RecordPosition } from './record.ts'
import type { Unchained } from './stream.ts'
import type { LaneParts } from './stream-writer.ts'
import type { Writing } from './writing.ts'
import { type QueueBounds, writingQueue } from './writing-queue.ts'

/** Writers that arrive while a batch is under way share the next one. */
export interface GroupCommit {
  /** Returns when the record is durable. Throws 503 `record_unavailable`, or `record_too_large`. */
  write(unchained: Unchained & Pick<Writing, 'bytes'>): Promise<RecordPosition>
  /** Takes no more, and returns when what was taken is answered. */
  close(): Promise<void>
}

export interface GroupCommitParts extends LaneParts {
  readonly bounds: QueueBounds
}

const maxLanes = 8

/**
 * One queue, and lanes that take batches from it. A light load uses the first lane alone; a further one takes part where
 * more than a batch waits for those before it, or where those are stuck.
 */
export function groupCommit(parts: GroupCommitParts): GroupCommit {
  const { monotonic, patience } = parts
  const queue = writingQueue(parts.bounds)
  const lanes: Lane[] = []
  const closing = new AbortController()
  const working = new Set<Promise<void>>()
  let alarmed: NodeJS.Timeout | undefined
  let isPumping = false

  /** One lane more. Until the first has a record, another would have nothing to take over from. */
  function anotherLane(): Lane | undefined {
    const predecessor = lanes[0]?.head() ?? null
    if (lanes.length > 0 && !predecessor) return undefined
    const lane = openLane(predecessor, parts, { onChange: pump, closing: closing.signal })
    lanes.push(lane)
    return lane
  }

  /** After what else arrived in this turn of the event loop: it goes in the same batch, which costs a request. */
  function pumpSoon(): void {
    if (isPumping) return
    isPumping = true
    setImmediate(() => {
      isPumping = false
      pump()
    })
  }

  /** Hands out what waits, as far as there are lanes for it. */
  function pump(): void {
    dropOverdue()
    for (let index = 0; index < maxLanes && !queue.isEmpty(); index++) {
      const lane = lanes[index] ?? anotherLane()
      if (!lane) break
      if (lane.state() === 'idle') start(lane)
      if (lane.state() === 'busy' && !queue.exceedsBatch()) break
    }
    watchQueue()
  }

  function start(lane: Lane): void {
    const writings = queue.take()
    // Whatever becomes of the lane, nobody may wait for ever, or take what was not written for written.
    const refuseAll = () => {
      for (const { reject } of writings) reject(unavailable('record_unavailable', { detail: { error: 'lane failed' } }))
    }
    const work = lane.write(writings).catch(refuseAll)
    working.add(work)
    void work.finally(() => working.delete(work))
  }

  /** What is sent shall have time enough to be settled: a quarter of its patience. The rest is not sent. */
  function dropOverdue(): void {
    for (const { reject } of queue.takeOverdue(monotonic() + patience / 4)) {
      reject(unavailable('record_unavailable', { detail: { error: 'waited too long' } }))
    }
  }

  function watchQueue(): void {
    const next = queue.next()
    if (alarmed || next === undefined) return
    alarmed = setTimeout(
      () => {
        alarmed = undefined
        pump()
      },
      Math.max(0, next - patience / 4 - monotonic()),
    )
  }

  return {
    write(unchained) {
      return new Promise((resolve, reject) => {
        const writing = { ...unchained, until: monotonic() + patience, resolve, reject }
        if (closing.signal.aborted) return reject(unavailable('record_unavailable', { detail: { error: 'closed' } }))
        if (queue.add(writing)) return pumpSoon()
        reject(unavailable('record_unavailable', { detail: { error: 'too many wait' } }))
      })
    },
    async close() {
      closing.abort()
      pump()
      while (working.size > 0) await Promise.race(working)
      clearTimeout(alarmed)
    },
  }
}
