import { groupsOf } from '../groups.ts'
import { hourLength, hourOf, hourOfStream, isOver, startOfHour } from './checkpoint-hours.ts'
import { isAllLooked, leftOf, markLooked } from './checkpoint-looks.ts'
import type { Running } from './checkpoint-run.ts'
import { signFull } from './checkpoint-signing.ts'
import type { StreamEnd } from './cosmos-stream-end.ts'
import type { ChainHead } from './record.ts'

const parallel = 16

/** Looks at what is left of an hour's streams. Ends early with the run's signal, and where another run was first. */
export async function lookAtHour(run: Running, hour: string): Promise<void> {
  const { looks, startedAt } = run
  const streams = await streamsOf(run, hour)
  if (!streams) return
  await lookAtStreams(run, leftOf(hour, streams, run))
  if (run.overtaken || !isAllLooked(hour, streams, run)) return
  looks.done.add(hour)
  // Only what was looked at whole, after its end, is done with.
  while (isOver(run.openSince, startedAt) && looks.done.has(run.openSince)) {
    run.openSince = hourOf(startOfHour(run.openSince) + hourLength)
  }
}

/** Looks where streams end by now, and signs as often as a checkpoint is full. */
export async function lookAtStreams(run: Running, streams: readonly string[]): Promise<void> {
  const { looks, signal, startedAt, unread } = run
  for (const group of groupsOf(streams, parallel)) {
    if (signal.aborted) return
    run.open += group.filter(stream => !isOver(hourOfStream(stream), startedAt)).length
    run.moved.push(...(await movedHeads(run, group)))
    for (const stream of group) if (!unread.has(stream)) markLooked(looks, stream)
    if (!(await signFull(run))) return
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

async function movedHeads(run: Running, streams: readonly string[]): Promise<readonly ChainHead[]> {
  const ends = await Promise.all(streams.map(async stream => ({ stream, end: await endOf(run, stream) })))
  return ends.flatMap(({ stream, end }) => (end && movedHead(run, stream, end)) ?? [])
}

/** The head that is to be signed; undefined where the stream ends where it did. */
function movedHead({ known, suspects }: Running, stream: string, { head, isOdd }: StreamEnd): ChainHead | undefined {
  const signed = known.heads.get(stream)
  known.growing.delete(stream)
  if (isOdd) suspects.add(stream)
  if (head && head.hash !== '' && head.id > (signed?.id ?? '')) {
    if (signed) known.growing.add(stream)
    return head
  }
  // It is not signed anew: what was signed before tells what is wrong with it.
  if (head?.hash !== signed?.hash) suspects.add(stream)
  return undefined
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
