import { z } from 'zod'
import { ICalendarMistake } from './mistake.ts'

const frequencies = ['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'] as const
const weekdays = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']

/** A list in jCal, where a list of one is not a list. */
function listOf<One extends z.ZodType>(one: One) {
  const list = z.unknown().transform(value => (Array.isArray(value) ? value : [value]))
  return list.pipe(z.array(one).max(366)).optional()
}

/** Positions are counted from 1, and from the end with a minus. */
const positions = (max: number) =>
  listOf(
    z
      .int()
      .min(-max)
      .max(max)
      .refine(position => position !== 0, 'expected another number than 0'),
  )

const weekday = z
  .string()
  .regex(/^[+-]?\d{0,2}(SU|MO|TU|WE|TH|FR|SA)$/)
  .transform(text => ({ weekday: weekdays.indexOf(text.slice(-2)), nth: Number.parseInt(text, 10) || undefined }))

/** An RRULE (RFC 5545 section 3.3.10) as ical.js hands it over. What is not expanded here is refused. */
const recurrence = z
  .strictObject(
    {
      freq: z.enum(frequencies, 'expected DAILY, WEEKLY, MONTHLY or YEARLY'),
      interval: z.int().min(1).max(10_000).default(1),
      count: z.int().min(1).optional(),
      until: z.string().optional(),
      /** From 1 for Sunday. Monday where the rule does not say. */
      wkst: z.int().min(1).max(7).default(2),
      bymonth: positions(12),
      bymonthday: positions(31),
      byyearday: positions(366),
      byday: listOf(weekday),
      bysetpos: positions(366),
    },
    { error: issue => (issue.code === 'unrecognized_keys' ? `expected no ${issue.keys.join(', ')}` : undefined) },
  )
  .refine(({ count, until }) => !(count && until), 'expected COUNT or UNTIL, not both')
  .refine(({ freq, bymonthday }) => !(bymonthday && freq === 'WEEKLY'), 'expected no BYMONTHDAY with WEEKLY')
  .refine(({ freq, byyearday }) => !byyearday || freq === 'YEARLY', 'expected BYYEARDAY with YEARLY only')
  .refine(
    ({ freq, byday }) => !byday?.some(({ nth }) => nth) || freq === 'MONTHLY' || freq === 'YEARLY',
    'expected numbers in BYDAY with MONTHLY or YEARLY only',
  )
export type Recurrence = z.output<typeof recurrence>

/** Checks the value of an RRULE. Throws {@link ICalendarMistake}. */
export function parseRecurrence(value: unknown): Recurrence {
  const parsed = recurrence.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new ICalendarMistake(`RRULE ${z.core.toDotPath(issue?.path ?? []).toUpperCase()}: ${issue?.message}`)
}
