import { type CalendarDocument, maxDays, maxPeriods } from '../calendar.ts'
import { dayLength } from '../conditions/zone-clock.ts'
import { ICalendarMistake } from './mistake.ts'
import { type Length, order, type Time } from './time.ts'

/** The days and periods that a calendar is made of, while they are collected. */
export interface Occurrences {
  /** Throws {@link ICalendarMistake} where its end cannot be written. */
  add(start: Time, length: Length): void
  /** In their order, each day once. */
  list(): Pick<CalendarDocument, 'days' | 'periods'> | { readonly problems: readonly string[] }
}

/** In days from 1970-01-01, or in epoch milliseconds. `to` is no part of it. */
interface Span {
  readonly from: number
  readonly to: number
}

/** The last moment that can be written: RFC 3339 has years of four digits. */
const lastMoment = Date.parse('9999-12-31T23:59:59.999Z')

/** Collects what is not over at that time, in epoch milliseconds. */
export function occurrencesSince(time: number): Occurrences {
  const allDay: Span[] = []
  const periods: Span[] = []
  return {
    add(start, { days, milliseconds }) {
      if (start.kind === 'DATE') return void allDay.push({ from: start.day, to: start.day + days })
      const period = { from: order(start), to: start.zone(start.local + days * dayLength) + milliseconds }
      if (!(period.to <= lastMoment)) throw new ICalendarMistake('expected an end before the year 10000')
      if (period.to > time) periods.push({ ...period, from: Math.max(period.from, time) })
    },
    list() {
      const days = daysOf(allDay, Math.floor(time / dayLength))
      if (days.length > maxDays) return { problems: [`expected ${maxDays} days at most, with all recurrences`] }
      if (periods.length > maxPeriods)
        return { problems: [`expected ${maxPeriods} periods at most, with all recurrences`] }
      return {
        days: days.map(day => shown(day * dayLength).slice(0, 10)),
        periods: periods.toSorted(byTime).map(({ from, to }) => ({ from: shown(from), to: shown(to) })),
      }
    },
  }
}

/** All days from the first on, up to one more than a calendar holds, however often and long the spans overlap. */
function daysOf(spans: readonly Span[], first: number): readonly number[] {
  const days: number[] = []
  let next = first
  for (const { from, to } of spans.toSorted(byTime)) {
    for (next = Math.max(next, from); next < to && days.length <= maxDays; next++) days.push(next)
  }
  return days
}

function byTime(a: Span, b: Span): number {
  return a.from - b.from || a.to - b.to
}

function shown(time: number): string {
  return new Date(time).toISOString()
}
