import { nextCheckpoint } from './checkpoint.ts'
import { dayLength } from './checkpoint-hours.ts'
import { takeSigned } from './checkpoint-known.ts'
import type { Running } from './checkpoint-run.ts'

/** A line of more than 32 KiB is cut by Application Insights, and a checkpoint is a line. */
const maxHeads = 150
/** What was looked at is signed even where the run has come to its end. In milliseconds, beyond the run's own. */
const signingTime = 5_000

/** Makes checkpoints as long as one would be full. False where another run was first. */
export async function signFull(run: Running): Promise<boolean> {
  while (run.moved.length >= maxHeads) if (!(await signNext(run))) return false
  return true
}

/** Makes the next checkpoint, of as many heads as it holds. False where another run was first. */
export async function signNext(run: Running): Promise<boolean> {
  const { known, store, key, deployment, retention, print, startedAt, openSince, open } = run
  const heads = run.moved.slice(0, maxHeads)
  const ttl = Math.floor((retention + dayLength) / 1000)
  const content = { deployment, at: new Date(startedAt).toISOString(), openSince, open, heads, ttl }
  const checkpoint = await nextCheckpoint(known.last, content, { key, signal: AbortSignal.timeout(signingTime) })
  run.overtaken = !(await store.create(checkpoint))
  if (run.overtaken) return false
  print(JSON.stringify(checkpoint))
  run.checkpoints += 1
  run.heads += heads.length
  run.moved = run.moved.slice(maxHeads)
  takeSigned(known, checkpoint)
  return true
}
