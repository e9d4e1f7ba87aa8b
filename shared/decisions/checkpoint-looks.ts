import { hourOfStream, isOver } from './checkpoint-hours.ts'

/** What one run has looked at. */
export interface Looks {
  /** Streams, by their hour. */
  readonly byHour: Map<string, Set<string>>
  /** The hours of which everything was looked at. */
  readonly done: Set<string>
}

/** What runs that were ended early have looked at, by the round of an hour, so that the next one goes on from there. */
export type EarlierLooks = Map<string, ReadonlySet<string>>

/** What a run and those before it have looked at. */
export interface LooksSoFar {
  readonly looks: Looks
  readonly known: { readonly earlier: EarlierLooks }
  /** When the run began, in epoch milliseconds. */
  readonly startedAt: number
}

/** Marks a stream as looked at. */
export function markLooked(looks: Looks, stream: string): void {
  lookedIn(looks, hourOfStream(stream)).add(stream)
}

/** Those of an hour's streams that this run has not looked at, first of all what the ones before it did not come to. */
export function leftOf(hour: string, streams: readonly string[], soFar: LooksSoFar): readonly string[] {
  const { looked, before } = looksAt(hour, soFar)
  const left = streams.filter(stream => !looked.has(stream))
  return [...left.filter(stream => !before.has(stream)), ...left.filter(stream => before.has(stream))]
}

/** Whether all of an hour's streams were looked at, by this run or the ones before it. */
export function isAllLooked(hour: string, streams: readonly string[], soFar: LooksSoFar): boolean {
  const { looked, before } = looksAt(hour, soFar)
  return streams.every(stream => looked.has(stream) || before.has(stream))
}

/** Keeps for later runs what this one has looked at, of hours that are still looked at. */
export function keepLooks({ looks, known: { earlier }, startedAt }: LooksSoFar, openSince: string): void {
  for (const [hour, looked] of looks.byHour) {
    const round = roundOf(hour, startedAt)
    if (looks.done.has(hour) && !isOver(hour, startedAt)) earlier.delete(round)
    else earlier.set(round, new Set([...(earlier.get(round) ?? []), ...looked]))
  }
  for (const round of earlier.keys()) if (round < openSince) earlier.delete(round)
}

function looksAt(hour: string, { looks, known: { earlier }, startedAt }: LooksSoFar) {
  return { looked: lookedIn(looks, hour), before: earlier.get(roundOf(hour, startedAt)) ?? new Set<string>() }
}

function lookedIn({ byHour }: Looks, hour: string): Set<string> {
  const found = byHour.get(hour) ?? new Set()
  byHour.set(hour, found)
  return found
}

/** What was looked at before the end of an hour says nothing about its end. */
function roundOf(hour: string, time: number): string {
  return isOver(hour, time) ? `${hour} over` : hour
}
