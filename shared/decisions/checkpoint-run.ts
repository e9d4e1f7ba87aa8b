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
/** What was looked at is signed even where the run has come to its end. In milliseconds, beyond the run's own. */
const signingTime = 5_000

/**
 * Takes checkpoints of the streams that may have grown since the last one. It goes on where the last checkpoint says,
 * whoever made it, so it may be ended at any time. Safe to run twice at once: one checkpoint of a number is created.
 */
export function checkpointTaker(options: CheckpointOptions): TakeCheckpoint {
  const known: Known = { last: undefined, heads: new Map(), growing: new Set(), looked: new Map(), newestFirst: false }
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
  /** Known ones that had grown when they were looked at last: looked at first, whatever else is registered meanwhile. */
  readonly growing: Set<string>
  /** By hour, what runs that were ended early have looked at, so that the next one goes on from there. */
  readonly looked: Map<string, ReadonlySet<string>>
  /** Runs that are ended early take turns, so that no hour is so full that another one is never looked at. */
  newestFirst: boolean
}

/** Reads the checkpoints that others made; all of the streams that are still looked at, after a start. */
async function catchUp(known: Known, { store, now }: CheckpointOptions): Promise<void> {
  const last = await store.last(known.last, new Date(now()).toISOString().slice(0, 10))
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
  const done = new Set<string>()
  const looks = new Map<string, Set<string>>()

  /** False where another run was first. */
  async function commit(heads: readonly ChainHead[]): Promise<boolean> {
    const place = { at: new Date(startedAt).toISOString(), openSince, open: run.open }
    const made = await commitHeads(known, { ...place, heads }, taking)
    run.overtaken = !made
    run.checkpoints += made ? 1 : 0
    run.heads += made ? heads.length : 0
    return made
  }

  /** False where another run was first. Ends early with its signal. */
  async function look(streams: readonly string[]): Promise<boolean> {
    for (const group of groups(streams, parallel)) {
      if (signal.aborted) break
      run.open += group.filter(stream => !isOver(stream.slice(0, 13), startedAt)).length
      moved.push(...(await movedHeads(group, known, { store, suspects: run.suspects })))
      for (const stream of group) lookedIn(looks, stream.slice(0, 13)).add(stream)
      while (moved.length >= maxHeads) {
        if (!(await commit(moved.slice(0, maxHeads)))) return false
        moved = moved.slice(maxHeads)
      }
    }
    return true
  }

  const growing = known.newestFirst ? [] : [...known.growing].filter(stream => stream >= openSince)
  if (!(await look(growing))) return shown(run)
  const hours = [...hoursFrom(openSince, hourOf(startedAt + grace))]
  for (const hour of known.newestFirst ? hours.toReversed() : hours) {
    if (signal.aborted) break
    const streams = await store.streamsOf(hour)
    const looked = lookedIn(looks, hour)
    if (!(await look(leftOf(streams, looked, known.looked.get(roundOf(hour, startedAt)))))) return shown(run)
    const before = known.looked.get(roundOf(hour, startedAt))
    if (signal.aborted && streams.some(stream => !looked.has(stream) && !before?.has(stream))) break
    done.add(hour)
    // Only what was looked at whole, after its end, is done with.
    while (isOver(openSince, startedAt) && done.has(openSince)) openSince = hourOf(startOfHour(openSince) + hourLength)
  }
  if (await commit(moved)) remember(known, { looks, done, openSince, startedAt, ended: signal.aborted })
  return shown(run)
}

function isOver(hour: string, time: number): boolean {
  return time >= startOfHour(hour) + hourLength + grace
}

/** What was looked at before the end of an hour says nothing about its end. */
function roundOf(hour: string, time: number): string {
  return isOver(hour, time) ? `${hour} over` : hour
}

function lookedIn(looks: Map<string, Set<string>>, hour: string): Set<string> {
  const found = looks.get(hour) ?? new Set()
  looks.set(hour, found)
  return found
}

/** What this run has not looked at, first of all what the ones before it did not come to. */
function leftOf(streams: readonly string[], looked: ReadonlySet<string>, before: ReadonlySet<string> = new Set()) {
  const left = streams.filter(stream => !looked.has(stream))
  return [...left.filter(stream => !before.has(stream)), ...left.filter(stream => before.has(stream))]
}

interface Looked {
  readonly looks: ReadonlyMap<string, ReadonlySet<string>>
  /** The hours of which everything was looked at. */
  readonly done: ReadonlySet<string>
  readonly openSince: string
  readonly startedAt: number
  readonly ended: boolean
}

/** Only once it is signed: what was looked at for nothing is looked at again. */
function remember(known: Known, { looks, done, openSince, startedAt, ended }: Looked): void {
  for (const [hour, looked] of looks) {
    const round = roundOf(hour, startedAt)
    if (done.has(hour) && !isOver(hour, startedAt)) known.looked.delete(round)
    else known.looked.set(round, new Set([...(known.looked.get(round) ?? []), ...looked]))
  }
  for (const round of known.looked.keys()) if (round < openSince) known.looked.delete(round)
  known.newestFirst = ended && !known.newestFirst
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
  const found = await Promise.all(streams.map(stream => store.end(stream, known.heads.get(stream)?.id)))
  return streams.flatMap((stream, place) => {
    const [{ head, isOdd } = { isOdd: false }, signed] = [found[place], known.heads.get(stream)]
    known.growing.delete(stream)
    if (isOdd) suspects.add(stream)
    if (head && head.hash !== '' && head.id > (signed?.id ?? '')) {
      if (signed) known.growing.add(stream)
      return [head]
    }
    // It is not signed anew: what was signed before tells what is wrong with it.
    if (head?.hash !== signed?.hash) suspects.add(stream)
    return []
  })
}

/** Makes the next checkpoint. False where another run was first. */
async function commitHeads(
  known: Known,
  content: { at: string; openSince: string; open: number; heads: readonly ChainHead[] },
  { store, key, deployment, retention, print }: Taking,
): Promise<boolean> {
  const ttl = Math.floor((retention + 86_400_000) / 1000)
  const signal = AbortSignal.timeout(signingTime)
  const checkpoint = await nextCheckpoint(known.last, { deployment, ...content, ttl }, { key, signal })
  if (!(await store.create(checkpoint))) return false
  print(JSON.stringify(checkpoint))
  known.last = checkpoint
  for (const head of content.heads) known.heads.set(head.stream, head)
  for (const stream of known.heads.keys()) if (stream < content.openSince) known.heads.delete(stream)
  for (const stream of known.growing) if (stream < content.openSince) known.growing.delete(stream)
  return true
}

function shown(run: Omit<CheckpointRun, 'suspects'> & { readonly suspects: ReadonlySet<string> }): CheckpointRun {
  const { checkpoints, heads, suspects, overtaken } = run
  return { checkpoints, heads, suspects: [...suspects].slice(0, reportedSuspects), overtaken }
}

function* groups<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}
