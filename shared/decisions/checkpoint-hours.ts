/** Milliseconds of an hour. */
export const hourLength = 3_600_000
/** Milliseconds of a day. */
export const dayLength = 24 * hourLength
/** After the end of an hour, a request that began in it, and clocks that differ. In milliseconds. */
export const grace = 300_000

/** The hour of a time in epoch milliseconds, as streams name it: `2026-11-22T08`. */
export function hourOf(time: number): string {
  return new Date(time).toISOString().slice(0, 13)
}

/** The hour that a stream names: the beginning of its name. */
export function hourOfStream(stream: string): string {
  return stream.slice(0, 13)
}

/** Whether an hour and its {@link grace} are over, at a time in epoch milliseconds. */
export function isOver(hour: string, time: number): boolean {
  return time >= startOfHour(hour) + hourLength + grace
}

/** When an hour begins, in epoch milliseconds. NaN for what is no hour. */
export function startOfHour(hour: string): number {
  return Date.parse(`${hour}:00:00.000Z`)
}

/** The hours from one to another, both included. */
export function* hoursFrom(first: string, last: string): Generator<string> {
  for (let time = startOfHour(first); time <= startOfHour(last); time += hourLength) yield hourOf(time)
}
