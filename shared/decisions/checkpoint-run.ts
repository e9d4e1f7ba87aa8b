import type { CheckpointKey } from './checkpoint.ts'
import { dayLength, hourOf, startOfHour } from './checkpoint-hours.ts'
import type { Known } from './checkpoint-known.ts'
import type { LooksSoFar } from './checkpoint-looks.ts'
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
  /** What stands among registrations and is none: 20 at most. It has nothing signed. */
  readonly foreign: readonly string[]
  /** Streams and hours that could not be read: 20 at most. They are looked at again, and keep no other from its turn. */
  readonly unread: readonly string[]
  /** Another run made the next checkpoint first, and sees to the rest. */
  readonly overtaken: boolean
}

/** What a run works with. */
export interface Taking extends CheckpointOptions {
  readonly key: CheckpointKey
  readonly signal: AbortSignal
}

/** What one run has come to by now. */
export interface Running extends Taking, LooksSoFar {
  readonly known: Known
  openSince: string
  /** Heads that are not signed yet. */
  moved: ChainHead[]
  readonly suspects: Set<string>
  readonly foreign: Set<string>
  readonly unread: Set<string>
  checkpoints: number
  heads: number
  /** How many streams were looked at that may still grow. */
  open: number
  overtaken: boolean
}

const reported = 20

/** Begins where the last checkpoint says. */
export async function beginRun(known: Known, taking: Taking): Promise<Running> {
  const startedAt = taking.now()
  return {
    ...taking,
    known,
    startedAt,
    openSince: known.last?.openSince ?? (await firstHour(taking, startedAt)),
    moved: [],
    looks: { byHour: new Map(), done: new Set() },
    suspects: new Set(),
    foreign: new Set(),
    unread: new Set(),
    checkpoints: 0,
    heads: 0,
    open: 0,
    overtaken: false,
  }
}

/** Where the first checkpoint of all begins. What says to be older than any record may be was put there. */
async function firstHour({ store, retention }: CheckpointOptions, startedAt: number): Promise<string> {
  const first = (await store.firstHour(hourOf(startedAt - retention - dayLength))) ?? ''
  return startOfHour(first) <= startedAt ? first : hourOf(startedAt)
}

/** What a run that ends has come to. */
export function resultOf({ checkpoints, heads, suspects, foreign, unread, overtaken }: Running): CheckpointRun {
  const some = (all: ReadonlySet<string>) => [...all].slice(0, reported)
  return { checkpoints, heads, suspects: some(suspects), foreign: some(foreign), unread: some(unread), overtaken }
}
