import { randomUUID } from 'node:crypto'
import { groupCommit } from './group-commit.ts'
import type { DecisionLog } from './record.ts'
import { recordContent } from './record-content.ts'
import { chainBytes } from './stream.ts'
import type { StreamStore } from './stream-store.ts'
import type { ClosedStream } from './stream-writer.ts'
import type { QueueBounds } from './writing-queue.ts'

export interface DecisionLogOptions {
  readonly deployment: string
  /** For how long records are kept, in milliseconds. */
  readonly retention: number
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** The same records as structured lines, those of a batch at once; a convenience: Cosmos DB is the record. */
  readonly print: (lines: string) => void
  /** Called when a stream was closed because nobody can tell what it holds. There is a printed line, too. */
  readonly onClosed?: (closed: ClosedStream) => void
  /** All the time that a writer waits, in milliseconds. */
  readonly patience?: number
  readonly bounds?: QueueBounds
}

/** A decision log that ends. */
export interface OpenDecisionLog extends DecisionLog {
  /** Takes no more entries, and answers the writers of those that it has, within their time. */
  close(): Promise<void>
}

/** A record of more bytes than this is refused. */
const maxRecordBytes = 32 * 1024
/** What surrounds a record in a batch. */
const operationBytes = 64
const defaultBounds = { records: 10_000, bytes: 32_000_000 }

/**
 * The decision log of one process, under a boot id of its own: records are written in batches, each record holding the
 * hash of the one before it. `at` is when its writer came, up to its patience before its batch.
 */
export function openDecisionLog(store: StreamStore, options: DecisionLogOptions): OpenDecisionLog {
  const { now, print, patience = 4_000, bounds = defaultBounds } = options
  const origin = {
    boot: randomUUID(),
    deployment: options.deployment,
    ttl: Math.max(1, Math.round(options.retention / 1_000)),
  }
  const ownBytes = chainBytes(origin)
  const commits = groupCommit({
    ...options,
    store,
    origin,
    patience,
    bounds,
    hour: neverBack(() => new Date(now()).toISOString().slice(0, 13)),
    nextNumber: counter(),
    onCommitted: chained => print(chained.map(({ text }) => text).join('\n')),
    onClosed: closed => {
      print(JSON.stringify({ level: 'error', during: 'record', ...closed }))
      options.onClosed?.(closed)
    },
  })
  return {
    async write(entry) {
      const { members, bytes } = recordContent(entry, maxRecordBytes - ownBytes)
      const at = new Date(now()).toISOString()
      return commits.write({ at, members, bytes: bytes + ownBytes + operationBytes })
    },
    close: commits.close,
  }
}

/** The clock may be set back; what is over stays over. */
function neverBack(read: () => string): () => string {
  let latest = ''
  return () => {
    const next = read()
    if (next > latest) latest = next
    return latest
  }
}

function counter(): () => number {
  let next = 0
  return () => next++
}
