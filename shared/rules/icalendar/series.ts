import { ICalendarMistake, type Spend } from './mistake.ts'
import { parseRecurrence } from './recurrence.ts'
import { visitDays } from './recurring-days.ts'
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
 * day. Throws {@link ICalendarMistake}.
 */
export function visitSeries(component: Component, series: Series, visit: (time: Time) => void): boolean {
  const { start, findZone, through, spend } = series
  const value = readValue(component, 'rrule')
  if (value === undefined) {
    const isBeyond = dayOf(start) > through
    if (!isBeyond) visit(start)
    return isBeyond
  }
  const recurrence = parseRecurrence(value)
  const until =
    recurrence.until === undefined ? undefined : parseTime(recurrence.until, 'RRULE UNTIL', () => findZone(undefined))
  if (until && until.kind !== start.kind)
    throw new ICalendarMistake(`RRULE UNTIL: expected a ${start.kind} as DTSTART is`)
  const isOver = (day: number) => until !== undefined && order(movedTo(day, start)) > order(until)
  return visitDays(recurrence, { start: dayOf(start), through, isOver, spend }, day => visit(movedTo(day, start)))
}
