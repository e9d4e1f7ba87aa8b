import { type Checkpoint, type CheckpointKey, nextCheckpoint } from './checkpoint.ts'
import { hourLength, hourOf, hoursFrom, startOfHour } from './checkpoint-hours.ts'
import type { CheckpointStore, StreamEnd } from './cosmos-checkpoints.ts'
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
  /** What stands among registrations and is none: 20 at most. It has nothing signed. */
  readonly foreign: readonly string[]
  /** Streams and hours that could not be read: 20 at most. They are looked at again, and keep no other from its turn. */
  readonly unread: readonly string[]
  /** Another run made the next checkpoint first, and sees to the rest. */
  readonly overtaken: boolean
}

export type TakeCheckpoint = (signal: AbortSignal) => Promise<CheckpointRun>

/** A line of more than 32 KiB is cut by Application Insights, and a checkpoint is a line. */
const maxHeads = 150
/** After the end of an hour, a request that began in it, and clocks that differ. In milliseconds. */
const grace = 300_000
const parallel = 16
const reported = 20
const dayLength = 86_400_000
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

/** What one run has come to by now. */
interface Running extends Taking {
  readonly known: Known
  readonly startedAt: number
  openSince: string
  /** Heads that are not signed yet. */
  moved: ChainHead[]
  /** By hour, what was looked at. */
  readonly looks: Map<string, Set<string>>
  /** The hours of which everything was looked at. */
  readonly done: Set<string>
  readonly suspects: Set<string>
  readonly foreign: Set<string>
  readonly unread: Set<string>
  checkpoints: number
  heads: number
  open: number
  overtaken: boolean
}

/** Ends early with its signal, and where another run was first. */
async function takeCheckpoints(known: Known, taking: Taking): Promise<CheckpointRun> {
  const run = await beginRun(known, taking)
  if (!known.newestFirst) await look(run, growingOf(run))
  for (const hour of hoursInTurn(run)) {
    if (run.overtaken || run.signal.aborted) break
    await lookAtHour(run, hour)
  }
  if (!run.overtaken && (await commit(run, run.moved))) remember(run)
  return shown(run)
}

async function beginRun(known: Known, taking: Taking): Promise<Running> {
  const startedAt = taking.now()
  return {
    ...taking,
    known,
    startedAt,
    openSince: known.last?.openSince ?? (await firstHour(taking, startedAt)),
    moved: [],
    looks: new Map(),
    done: new Set(),
    suspects: new Set(),
    foreign: new Set(),
    unread: new Set(),
    checkpoints: 0,
    heads: 0,
    open: 0,
    overtaken: false,
  }
}

function growingOf({ known, openSince }: Running): readonly string[] {
  return [...known.growing].filter(stream => stream >= openSince)
}

function hoursInTurn({ known, openSince, startedAt }: Running): readonly string[] {
  const hours = [...hoursFrom(openSince, hourOf(startedAt + grace))]
  return known.newestFirst ? hours.toReversed() : hours
}

async function lookAtHour(run: Running, hour: string): Promise<void> {
  const { known, looks, startedAt, done } = run
  const streams = await streamsOf(run, hour)
  if (!streams) return
  const looked = lookedIn(looks, hour)
  const before = known.looked.get(roundOf(hour, startedAt))
  await look(run, leftOf(streams, looked, before))
  if (run.overtaken || streams.some(stream => !looked.has(stream) && !before?.has(stream))) return
  done.add(hour)
  // Only what was looked at whole, after its end, is done with.
  while (isOver(run.openSince, startedAt) && done.has(run.openSince)) {
    run.openSince = hourOf(startOfHour(run.openSince) + hourLength)
  }
}

/** Undefined where they could not be read: what one writer can put there must not end the signing of other hours. */
async function streamsOf({ store, foreign, unread }: Running, hour: string): Promise<readonly string[] | undefined> {
  try {
    const found = await store.streamsOf(hour)
    for (const each of found.foreign) foreign.add(each)
    return found.streams
  } catch {
    unread.add(hour)
    return undefined
  }
}

/** Looks where streams end by now, and signs as often as a checkpoint is full. */
async function look(run: Running, streams: readonly string[]): Promise<void> {
  const { looks, signal, startedAt, unread } = run
  for (const group of groups(streams, parallel)) {
    if (signal.aborted) return
    run.open += group.filter(stream => !isOver(stream.slice(0, 13), startedAt)).length
    run.moved.push(...(await movedHeads(run, group)))
    for (const stream of group) if (!unread.has(stream)) lookedIn(looks, stream.slice(0, 13)).add(stream)
    while (run.moved.length >= maxHeads) {
      if (!(await commit(run, run.moved.slice(0, maxHeads)))) return
      run.moved = run.moved.slice(maxHeads)
    }
  }
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

/** Only once it is signed: what was looked at for nothing is looked at again. */
function remember({ known, looks, done, openSince, startedAt, signal }: Running): void {
  for (const [hour, looked] of looks) {
    const round = roundOf(hour, startedAt)
    if (done.has(hour) && !isOver(hour, startedAt)) known.looked.delete(round)
    else known.looked.set(round, new Set([...(known.looked.get(round) ?? []), ...looked]))
  }
  for (const round of known.looked.keys()) if (round < openSince) known.looked.delete(round)
  known.newestFirst = signal.aborted && !known.newestFirst
}

/** Where the first checkpoint of all begins. What says to be older than any record may be was put there. */
async function firstHour({ store, retention }: CheckpointOptions, startedAt: number): Promise<string> {
  const first = (await store.firstHour(hourOf(startedAt - retention - dayLength))) ?? ''
  return startOfHour(first) <= startedAt ? first : hourOf(startedAt)
}

async function movedHeads(run: Running, streams: readonly string[]): Promise<readonly ChainHead[]> {
  const { known, suspects } = run
  const found = await Promise.all(streams.map(stream => endOf(run, stream)))
  return streams.flatMap((stream, place) => {
    const [end, signed] = [found[place], known.heads.get(stream)]
    if (!end) return []
    const { head, isOdd } = end
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

/** Undefined where it could not be read, which is no reason to leave the others unsigned. */
async function endOf({ store, known, unread }: Running, stream: string): Promise<StreamEnd | undefined> {
  try {
    return await store.end(stream, known.heads.get(stream)?.id)
  } catch {
    unread.add(stream)
    return undefined
  }
}

/** Makes the next checkpoint. False where another run was first. */
async function commit(run: Running, heads: readonly ChainHead[]): Promise<boolean> {
  const { known, store, key, deployment, retention, print, startedAt, openSince, open } = run
  const ttl = Math.floor((retention + dayLength) / 1000)
  const content = { deployment, at: new Date(startedAt).toISOString(), openSince, open, heads, ttl }
  const checkpoint = await nextCheckpoint(known.last, content, { key, signal: AbortSignal.timeout(signingTime) })
  run.overtaken = !(await store.create(checkpoint))
  if (run.overtaken) return false
  print(JSON.stringify(checkpoint))
  run.checkpoints += 1
  run.heads += heads.length
  known.last = checkpoint
  for (const head of heads) known.heads.set(head.stream, head)
  for (const stream of known.heads.keys()) if (stream < openSince) known.heads.delete(stream)
  for (const stream of known.growing) if (stream < openSince) known.growing.delete(stream)
  return true
}

function shown({ checkpoints, heads, suspects, foreign, unread, overtaken }: Running): CheckpointRun {
  const some = (all: ReadonlySet<string>) => [...all].slice(0, reported)
  return { checkpoints, heads, suspects: some(suspects), foreign: some(foreign), unread: some(unread), overtaken }
}

function* groups<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}
