import { grace, hourOf, hoursFrom } from './checkpoint-hours.ts'
import { catchUp, type Known, nothingKnown } from './checkpoint-known.ts'
import { lookAtHour, lookAtStreams } from './checkpoint-look.ts'
import { keepLooks } from './checkpoint-looks.ts'
import {
  beginRun,
  type CheckpointOptions,
  type CheckpointRun,
  type Running,
  resultOf,
  type Taking,
} from './checkpoint-run.ts'
import { signNext } from './checkpoint-signing.ts'

/** Ends early with its signal. Throws 503 `record_unavailable` and `vault_*`. */
export type TakeCheckpoint = (signal: AbortSignal) => Promise<CheckpointRun>

/**
 * Takes checkpoints of the streams that may have grown since the last one. It goes on where the last checkpoint says,
 * whoever made it, so it may be ended at any time. Safe to run twice at once: one checkpoint of a number is created.
 */
export function checkpointTaker(options: CheckpointOptions): TakeCheckpoint {
  const known = nothingKnown()
  return async signal => {
    await catchUp(known, options.store, options.now())
    const key = await options.currentKey(signal)
    return takeCheckpoints(known, { ...options, key, signal })
  }
}

/** Ends early with its signal, and where another run was first. */
async function takeCheckpoints(known: Known, taking: Taking): Promise<CheckpointRun> {
  const run = await beginRun(known, taking)
  if (!known.newestFirst) await lookAtStreams(run, growingOf(run))
  for (const hour of hoursInTurn(run)) {
    if (run.overtaken || run.signal.aborted) break
    await lookAtHour(run, hour)
  }
  // Only once it is signed: what was looked at for nothing is looked at again.
  if (!run.overtaken && (await signNext(run))) {
    keepLooks(run, run.openSince)
    known.newestFirst = run.signal.aborted && !known.newestFirst
  }
  return resultOf(run)
}

function growingOf({ known, openSince }: Running): readonly string[] {
  return [...known.growing].filter(stream => stream >= openSince)
}

function hoursInTurn({ known, openSince, startedAt }: Running): readonly string[] {
  const hours = [...hoursFrom(openSince, hourOf(startedAt + grace))]
  return known.newestFirst ? hours.toReversed() : hours
}
