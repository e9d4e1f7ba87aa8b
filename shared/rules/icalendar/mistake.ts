/** Why an iCalendar is refused, in words for who uploads it. */
export class ICalendarMistake extends Error {}

/** How many steps all recurrences of an iCalendar may take: the days they name, and the periods that they go through. */
export const maxSteps = 20_000

/** Its recurrences take more steps: there is no point in reading on. */
export class ICalendarLimit extends ICalendarMistake {
  constructor() {
    super(`expected recurrences to take ${maxSteps} steps at most`)
  }
}

/** Counts steps. Throws {@link ICalendarLimit} when there are too many. */
export type Spend = (steps: number) => void

/** Allows {@link maxSteps}. */
export function startBudget(): Spend {
  let left = maxSteps
  return steps => {
    left -= steps
    if (left < 0) throw new ICalendarLimit()
  }
}

/** Text of the upload as problems quote it: 64 characters at most, on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text)
}
