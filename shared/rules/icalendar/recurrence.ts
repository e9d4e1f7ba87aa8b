import ICAL from 'ical.js'
import { RRuleTemporal } from 'rrule-temporal'
import { Temporal } from 'temporal-polyfill'
import { z } from 'zod'
import { dayLength } from '../conditions/zone-clock.ts'
import { ICalendarLimit, ICalendarMistake, maxSteps, type Spend } from './mistake.ts'

/** About how many days each of them takes. */
const frequencies = { DAILY: 1, WEEKLY: 7, MONTHLY: 30, YEARLY: 365 }

/** A list in jCal, where a list of one is not a list. */
function listOf<One extends z.ZodType>(one: One) {
  const list = z.unknown().transform(value => (Array.isArray(value) ? value : [value]))
  return list.pipe(z.array(one).max(366)).optional()
}

/** Positions are counted from 1, and from the end with a minus. What else there is rrule-temporal would leave out. */
function positions(max: number) {
  const position = z.int().min(-max).max(max)
  return listOf(position.refine(position => position !== 0, 'expected another number than 0'))
}

/** An RRULE (RFC 5545 section 3.3.10) as ical.js hands it over. What it does not name here is refused. */
const recurrence = z
  .strictObject(
    {
      freq: z.enum(['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'], 'expected DAILY, WEEKLY, MONTHLY or YEARLY'),
      interval: z.int().min(1).max(10_000).default(1),
      count: z.int().min(1).optional(),
      until: z.string().optional(),
      /** From 1 for Sunday. */
      wkst: z.int().min(1).max(7).optional(),
      bymonth: positions(12),
      bymonthday: positions(31),
      byyearday: positions(366),
      // Where a year has no 53rd Friday, rrule-temporal 2.2.7 takes one of the next year.
      byday: listOf(z.string().refine(day => !day.includes('53'), 'expected numbers up to 52')),
      bysetpos: positions(366),
    },
    {
      error: issue =>
        issue.code === 'unrecognized_keys' ? `expected no ${issue.keys.join().toUpperCase()}` : undefined,
    },
  )
  .refine(({ count, until }) => !(count && until), 'expected COUNT or UNTIL, not both')
  // What the others refuse, rrule-temporal 2.2.7 reads in part only, or slowly.
  .refine(
    ({ byyearday, bymonthday, byday, bysetpos }) => !(byyearday && (bymonthday || byday || bysetpos)),
    'expected BYYEARDAY without BYMONTHDAY, BYDAY or BYSETPOS',
  )
  .refine(
    ({ freq, bymonth, bymonthday, byday }) =>
      freq !== 'YEARLY' || bymonth || !byday?.some(hasNumber) || (!bymonthday && byday.every(hasNumber)),
    'expected BYMONTH, or all of BYDAY with numbers and no BYMONTHDAY',
  )
export type Recurrence = z.output<typeof recurrence>

function hasNumber(day: string): boolean {
  return /\d/.test(day)
}

/** Checks the value of an RRULE. Throws {@link ICalendarMistake}. */
export function parseRecurrence(value: unknown): Recurrence {
  const parsed = recurrence.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const part = ['RRULE', ...(issue?.path.slice(0, 1) ?? [])].join(' ').toUpperCase()
  throw new ICalendarMistake(`${part}: ${issue?.message}`)
}

export interface Expansion {
  /** Days are counted from 1970-01-01. */
  readonly start: number
  /** The last day that is looked at. */
  readonly through: number
  readonly spend: Spend
}

/** The days of a recurrence, in their order, whatever its UNTIL says. Throws {@link ICalendarMistake}. */
export function daysOf(recurrence: Recurrence, { start, through, spend }: Expansion): readonly number[] {
  const { freq, interval, count } = recurrence
  const rule = openRule(recurrence, start)
  if (start > through) return []
  const days = daysBetween(rule, start, through)
  const last = days.length === count ? days.at(-1) : undefined
  spend(days.length + Math.ceil(((last ?? through) - start) / (interval * frequencies[freq])))
  return days
}

function openRule({ until, ...parts }: Recurrence, start: number): RRuleTemporal {
  try {
    return new RRuleTemporal({
      rruleString: ICAL.Recur.fromData(parts).toString(),
      dtstart: Temporal.Instant.fromEpochMilliseconds(start * dayLength).toZonedDateTimeISO('UTC'),
      strict: true,
      maxIterations: maxSteps,
      maxCandidateEvaluations: maxSteps,
    })
  } catch (error) {
    throw new ICalendarMistake(`RRULE: ${error instanceof Error ? error.message : 'expected one by RFC 5545'}`)
  }
}

function daysBetween(rule: RRuleTemporal, first: number, last: number): readonly number[] {
  try {
    const times = rule.between(new Date(first * dayLength), new Date(last * dayLength), true)
    return times.map(({ epochMilliseconds }) => epochMilliseconds / dayLength)
  } catch {
    // Its limits are all that is left for it to fail of.
    throw new ICalendarLimit()
  }
}
