import { type Checkpoint, type CheckpointKey, nextCheckpoint } from './checkpoint.ts'
import { hourLength, hourOf, hoursFrom, startOfHour } from './checkpoint-hours.ts'
import type { CheckpointStore } from './cosmos-checkpoints.ts'
import type { ChainHead } from './record.ts'

export interface CheckpointOptions {
  readonly store: CheckpointStore
  /** The newest version of the key. Throws 503 `vault_*`. */
  readonly currentKey: (signal: AbortSignal) => Promise<CheckpointKey>
  readonly deployment: string
  /** Milliseconds for which records are kept; checkpoints are kept a day longer. */
  readonly retention: number
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** Takes every checkpoint as a line: a copy outside of Cosmos DB. */
  readonly print: (line: string) => void
}

/** What one run came to. */
export interface CheckpointRun {
  readonly checkpoints: number
  readonly heads: number
  /** Streams whose end is not what was signed, or further on: 20 at most. Somebody removed or altered records. */
  readonly suspects: readonly string[]
  /** Another run made the next checkpoint first, and sees to the rest. */
  readonly overtaken: boolean
}

export type TakeCheckpoint = (signal: AbortSignal) => Promise<CheckpointRun>

/** A line of more than 32 KiB is cut by Application Insights, and a checkpoint is a line. */
const maxHeads = 150
/** After the end of an hour, a request that began in it, and clocks that differ. In milliseconds. */
const grace = 300_000
const parallel = 16
const reportedSuspects = 20

/**
 * Takes checkpoints of the streams that may have grown since the last one. It goes on where the last checkpoint says,
 * whoever made it, so it may be ended at any time. Safe to run twice at once: one checkpoint of a number is created.
 */
export function checkpointTaker(options: CheckpointOptions): TakeCheckpoint {
  const known: Known = { last: undefined, heads: new Map() }
  return async signal => {
    await catchUp(known, options)
    const key = await options.currentKey(signal)
    return takeCheckpoints(known, { ...options, key, signal })
  }
}

interface Known {
  last: Checkpoint | undefined
  /** What was signed last of each stream that is still looked at. */
  readonly heads: Map<string, ChainHead>
}

/** Reads the checkpoints that others made; all of the streams that are still looked at, after a start. */
async function catchUp(known: Known, { store, now }: CheckpointOptions): Promise<void> {
  const last = await store.last(known.last, new Date(now()).toISOString().slice(0, 10))
  if (!last || last.id === known.last?.id) return
  const from = new Date(startOfHour(last.openSince)).toISOString()
  for (const { heads } of await store.since(from, last)) for (const head of heads) known.heads.set(head.stream, head)
  known.last = last
}

interface Taking extends CheckpointOptions {
  readonly key: CheckpointKey
  readonly signal: AbortSignal
}

async function takeCheckpoints(known: Known, taking: Taking): Promise<CheckpointRun> {
  const { store, now, signal } = taking
  const startedAt = now()
  const run = { checkpoints: 0, heads: 0, open: 0, suspects: new Set<string>(), overtaken: false }
  let openSince = known.last?.openSince ?? (await firstHour(taking, startedAt))
  let moved: ChainHead[] = []

  /** False where another run was first. */
  async function commit(heads: readonly ChainHead[]): Promise<boolean> {
    const place = { at: new Date(startedAt).toISOString(), openSince, open: run.open }
    const made = await commitHeads(known, { ...place, heads }, taking)
    run.overtaken = !made
    run.checkpoints += made ? 1 : 0
    run.heads += made ? heads.length : 0
    return made
  }

  for (const hour of hoursFrom(openSince, hourOf(startedAt + grace))) {
    if (signal.aborted) break
    const isOver = now() >= startOfHour(hour) + hourLength + grace
    for (const streams of groups(await store.streamsOf(hour), parallel)) {
      if (signal.aborted) break
      run.open += isOver ? 0 : streams.length
      moved.push(...(await movedHeads(streams, known, { store, suspects: run.suspects })))
      while (moved.length >= maxHeads) {
        if (!(await commit(moved.slice(0, maxHeads)))) return shown(run)
        moved = moved.slice(maxHeads)
      }
    }
    // Only what was looked at whole, after its end, is done with.
    if (isOver && hour === openSince && !signal.aborted) openSince = hourOf(startOfHour(hour) + hourLength)
  }
  await commit(moved)
  return shown(run)
}

/** Where the first checkpoint of all begins. */
async function firstHour({ store }: CheckpointOptions, startedAt: number): Promise<string> {
  const first = (await store.firstHour()) ?? ''
  return startOfHour(first) <= startedAt ? first : hourOf(startedAt)
}

async function movedHeads(
  streams: readonly string[],
  known: Known,
  { store, suspects }: Pick<CheckpointOptions, 'store'> & { readonly suspects: Set<string> },
): Promise<readonly ChainHead[]> {
  const found = await Promise.all(streams.map(stream => store.head(stream, known.heads.get(stream)?.id ?? '')))
  return streams.flatMap((stream, place) => {
    const [head, signed] = [found[place], known.heads.get(stream)]
    const isRecord = head !== undefined && /^\d{12}$/.test(head.id) && head.hash !== ''
    if (isRecord && head.id > (signed?.id ?? '')) return [head]
    // It is not signed anew: what was signed before tells what is wrong with it.
    if (head?.hash !== signed?.hash) suspects.add(stream)
    return []
  })
}

/** Makes the next checkpoint. False where another run was first. */
async function commitHeads(
  known: Known,
  content: { at: string; openSince: string; open: number; heads: readonly ChainHead[] },
  { store, key, signal, deployment, retention, print }: Taking,
): Promise<boolean> {
  const ttl = Math.floor((retention + 86_400_000) / 1000)
  const checkpoint = await nextCheckpoint(known.last, { deployment, ...content, ttl }, { key, signal })
  if (!(await store.create(checkpoint))) return false
  print(JSON.stringify(checkpoint))
  known.last = checkpoint
  for (const head of content.heads) known.heads.set(head.stream, head)
  for (const stream of known.heads.keys()) if (stream < content.openSince) known.heads.delete(stream)
  return true
}

function shown(run: Omit<CheckpointRun, 'suspects'> & { readonly suspects: ReadonlySet<string> }): CheckpointRun {
  const { checkpoints, heads, suspects, overtaken } = run
  return { checkpoints, heads, suspects: [...suspects].slice(0, reportedSuspects), overtaken }
}

function* groups<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}
