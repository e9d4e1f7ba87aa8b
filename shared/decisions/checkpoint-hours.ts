/** Milliseconds of an hour. */
export const hourLength = 3_600_000

/** The hour of a time in epoch milliseconds, as streams name it: `2026-11-22T08`. */
export function hourOf(time: number): string {
  return new Date(time).toISOString().slice(0, 13)
}

/** When an hour begins, in epoch milliseconds. NaN for what is no hour. */
export function startOfHour(hour: string): number {
  return Date.parse(`${hour}:00:00.000Z`)
}

/** The hours from one to another, both included. */
export function* hoursFrom(first: string, last: string): Generator<string> {
  for (let time = startOfHour(first); time <= startOfHour(last); time += hourLength) yield hourOf(time)
}
