import type { Writing } from './writing.ts'

/** What a transaction of Cosmos DB's may hold is 100 operations and 2 MB. The hundredth is for a stream's first record. */
const batchRecords = 99
const batchBytes = 1_500_000

/** How much may wait. */
export interface QueueBounds {
  readonly records: number
  readonly bytes: number
}

/** Who waits for the next batch, first come, first served. */
export interface WritingQueue {
  /** False where too many wait. */
  add(writing: Writing): boolean
  /** The next batch: what fits into one. */
  take(): readonly Writing[]
  /** Those whose time is over before that; they do not wait any more. */
  takeOverdue(before: number): readonly Writing[]
  /** When the time of the first is over. */
  next(): number | undefined
  isEmpty(): boolean
  exceedsBatch(): boolean
}

/** A queue with bounds. All its writings have the same patience, so that the first is the first whose time is over. */
export function writingQueue(bounds: QueueBounds): WritingQueue {
  const waiting: Writing[] = []
  let bytes = 0

  function takeFirst(count: number): readonly Writing[] {
    const taken = waiting.splice(0, count)
    for (const writing of taken) bytes -= writing.bytes
    return taken
  }

  function fitting(): number {
    let [count, sum] = [0, 0]
    for (const writing of waiting.slice(0, batchRecords)) {
      sum += writing.bytes
      if (sum > batchBytes && count > 0) break
      count += 1
    }
    return count
  }

  return {
    add(writing) {
      if (waiting.length >= bounds.records || bytes + writing.bytes > bounds.bytes) return false
      waiting.push(writing)
      bytes += writing.bytes
      return true
    },
    take: () => takeFirst(fitting()),
    takeOverdue(before) {
      const kept = waiting.findIndex(({ until }) => until > before)
      return takeFirst(kept < 0 ? waiting.length : kept)
    },
    next: () => waiting[0]?.until,
    isEmpty: () => waiting.length === 0,
    exceedsBatch: () => waiting.length > batchRecords || bytes > batchBytes,
  }
}
