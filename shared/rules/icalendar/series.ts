import { ICalendarMistake, type Spend } from './mistake.ts'
import { daysOf, parseRecurrence, type Recurrence } from './recurrence.ts'
import { type Component, dayOf, type FindZone, movedTo, order, parseTime, readValue, type Time } from './time.ts'

/** How far series are followed. */
export interface Reach {
  /** The last local day, from 1970-01-01. */
  readonly through: number
  readonly spend: Spend
}

export interface Series extends Reach {
  readonly start: Time
  readonly findZone: FindZone
}

/**
 * Visits DTSTART and what its RRULE makes of it, in their order. Returns whether the series goes on after the last
 * day, as one does that has no end before, even if no other day is left. Throws {@link ICalendarMistake}.
 */
export function visitSeries(component: Component, series: Series, visit: (time: Time) => void): boolean {
  const value = readValue(component, 'rrule')
  if (value !== undefined) return visitRecurrence(parseRecurrence(value), series, visit)
  const isBeyond = dayOf(series.start) > series.through
  if (!isBeyond) visit(series.start)
  return isBeyond
}

function visitRecurrence(recurrence: Recurrence, series: Series, visit: (time: Time) => void): boolean {
  const { start, through, spend } = series
  const until = readUntil(recurrence, series)
  // What is not over in UTC may be so a day later by the clocks of DTSTART.
  const last = until ? Math.min(through, dayOf(until) + 1) : through
  // Days are moved afterwards: a time that the clocks skip is none to rrule-temporal, but a freeze is on all the same.
  const times = daysOf(recurrence, { start: dayOf(start), through: last, spend }).map(day => movedTo(day, start))
  for (const time of times) if (!until || order(time) <= order(until)) visit(time)
  return last === through && times.length !== recurrence.count
}

function readUntil({ until }: Recurrence, { start, findZone }: Series): Time | undefined {
  if (until === undefined) return undefined
  const time = parseTime(until, 'RRULE UNTIL', () => findZone(undefined))
  if (time.kind !== start.kind) throw new ICalendarMistake(`RRULE UNTIL: expected a ${start.kind} as DTSTART is`)
  return time
}
