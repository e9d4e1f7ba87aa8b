import { dayLength } from '../conditions/zone-clock.ts'
import type { Spend } from './mistake.ts'
import type { Recurrence } from './recurrence.ts'

export interface Expansion {
  /** Days are counted from 1970-01-01. */
  readonly start: number
  /** The last day that is looked at. */
  readonly through: number
  /** Whether UNTIL is before that day. */
  readonly isOver: (day: number) => boolean
  readonly spend: Spend
}

/**
 * Visits the days of a recurrence, in their order, and returns whether it goes on after the last day that is looked at.
 *
 * Not by ical.js: its iterator never returns from rules such as `FREQ=DAILY;INTERVAL=7;BYDAY=TU` that begin on a
 * Monday, it knows BYSETPOS in some rules only, and it moves 29 February to 1 March where RFC 5545 leaves it out.
 */
export function visitDays(rule: Recurrence, expansion: Expansion, visit: (day: number) => void): boolean {
  const { start, through, isOver, spend } = expansion
  const complete = withDefaults(rule, start)
  let left = rule.count ?? Number.POSITIVE_INFINITY
  for (let skipped = 0; ; skipped += rule.interval) {
    spend()
    const [first, after] = intervalOf(rule, start, skipped)
    if (first > through) return !isOver(first)
    for (const day of chosenDays(complete, first, after)) {
      if (day < start) continue
      if (isOver(day)) return false
      if (day > through) return true
      spend()
      visit(day)
      left--
      if (left === 0) return false
    }
  }
}

/** What a rule leaves open is as in DTSTART (RFC 5545 section 3.3.10). */
function withDefaults(rule: Recurrence, start: number): Recurrence {
  if (rule.byday || rule.bymonthday || rule.byyearday) return rule
  const { month, monthDay, weekday } = dateOf(start)
  switch (rule.freq) {
    case 'DAILY':
      return rule
    case 'WEEKLY':
      return { ...rule, byday: [{ weekday, nth: undefined }] }
    case 'MONTHLY':
      return { ...rule, bymonthday: [monthDay] }
    case 'YEARLY':
      return { ...rule, bymonth: rule.bymonth ?? [month], bymonthday: [monthDay] }
  }
}

/** The first day of the day, week, month or year that many after the one of DTSTART, and the first day after it. */
function intervalOf({ freq, wkst }: Recurrence, start: number, skipped: number): readonly [number, number] {
  const { year, month, weekday } = dateOf(start)
  const firstOfWeek = start - ((weekday + 8 - wkst) % 7)
  switch (freq) {
    case 'DAILY':
      return [start + skipped, start + skipped + 1]
    case 'WEEKLY':
      return [firstOfWeek + 7 * skipped, firstOfWeek + 7 * skipped + 7]
    case 'MONTHLY':
      return [firstOfMonth(year, month + skipped), firstOfMonth(year, month + skipped + 1)]
    case 'YEARLY':
      return [firstOfMonth(year + skipped, 1), firstOfMonth(year + skipped + 1, 1)]
  }
}

function chosenDays(rule: Recurrence, first: number, after: number): readonly number[] {
  const days = Array.from({ length: after - first }, (_, index) => first + index).filter(day => isChosen(rule, day))
  return days.filter((_, index) => isAt(rule.bysetpos, { at: index + 1, of: days.length }))
}

function isChosen({ freq, bymonth, bymonthday, byyearday, byday }: Recurrence, day: number): boolean {
  const { year, month, weekday } = dateOf(day)
  if (bymonth && !bymonth.includes(month)) return false
  const inMonth = within(firstOfMonth(year, month), firstOfMonth(year, month + 1), day)
  const inYear = within(firstOfMonth(year, 1), firstOfMonth(year + 1, 1), day)
  // "The first Monday" is one of the year only where the rule names no month.
  const { at, of } = freq === 'YEARLY' && !bymonth ? inYear : inMonth
  const nths = [undefined, Math.ceil(at / 7), -Math.ceil((of - at + 1) / 7)]
  return (
    isAt(bymonthday, inMonth) &&
    isAt(byyearday, inYear) &&
    (!byday || byday.some(one => one.weekday === weekday && nths.includes(one.nth)))
  )
}

interface Position {
  readonly at: number
  readonly of: number
}

function isAt(positions: readonly number[] | undefined, { at, of }: Position): boolean {
  return !positions || positions.includes(at) || positions.includes(at - of - 1)
}

function within(first: number, after: number, day: number): Position {
  return { at: day - first + 1, of: after - first }
}

function dateOf(day: number) {
  const date = new Date(day * dayLength)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    monthDay: date.getUTCDate(),
    weekday: date.getUTCDay(),
  }
}

/** Days in the 400 years after which all dates fall on the same weekdays again. */
const cycle = 146_097

function firstOfMonth(year: number, month: number): number {
  // Date.UTC takes the years 0 to 99 for those of 1900.
  return Date.UTC(year + 400, month - 1) / dayLength - cycle
}
