/** Why an iCalendar is refused, in words for who uploads it. */
export class ICalendarMistake extends Error {}

/** It holds more than is expanded: there is no point in reading on. */
export class ICalendarLimit extends ICalendarMistake {}

/** Counts down. Throws {@link ICalendarLimit} when nothing is left. */
export type Spend = () => void

/** Allows that many calls. */
export function budgetOf(total: number, what: string): Spend {
  let left = total
  return () => {
    if (left === 0) throw new ICalendarLimit(`expected ${what} to take ${total} steps at most`)
    left--
  }
}

/** Text of the upload as problems quote it: 64 characters at most, on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text)
}
