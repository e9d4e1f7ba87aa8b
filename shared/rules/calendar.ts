import { z } from 'zod'
import { documentId, type Problem, problemsIn, type Stored } from '../document.ts'
import { dayLength } from './conditions/zone-clock.ts'

export const maxDays = 4_000
export const maxPeriods = 1_000

/** A span of time, whoever looks at it and from wherever: a change freeze, say. */
const period = z
  .strictObject({ from: z.iso.datetime({ offset: true }), to: z.iso.datetime({ offset: true }) })
  .refine(({ from, to }) => Date.parse(from) < Date.parse(to), 'expected "from" before "to"')

/** Named dates that time windows leave out or keep to: bank holidays, change freezes. */
export const calendarDocument = z.strictObject({
  schema: z.literal(1),
  id: documentId,
  /** Whole days, in the time zone of the window that names the calendar. */
  days: z.array(z.iso.date()).max(maxDays).default([]),
  periods: z.array(period).max(maxPeriods).default([]),
  /** The last day that the calendar tells of. Beyond it, whatever depends on it cannot be evaluated. */
  knownUntil: z.iso.date().optional(),
  description: z.string().max(1_024).optional(),
})
export type CalendarDocument = z.output<typeof calendarDocument>

/** A calendar as windows ask it. Days are counted from 1970-01-01, instants are epoch milliseconds. */
export interface Calendar {
  readonly version: string
  readonly days: ReadonlySet<number>
  /** In their order, and apart from each other. */
  readonly periods: readonly Period[]
  readonly knownUntil: number
}

export interface Period {
  readonly from: number
  readonly to: number
}

/** Calendars by id. One that cannot be read is not among them. */
export type Calendars = ReadonlyMap<string, Calendar>

/** Checks a calendar document: the same code when it is saved and when it is read. */
export function parseCalendar({
  content,
  version,
}: Stored<unknown>): { readonly calendar: Calendar } | { readonly problems: readonly Problem[] } {
  const parsed = calendarDocument.safeParse(content, { reportInput: true })
  if (!parsed.success) return { problems: problemsIn(parsed.error) }
  const { days, periods, knownUntil } = parsed.data
  const instants = joined(periods.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) })))
  const last = knownUntil === undefined ? Number.POSITIVE_INFINITY : dayNumber(knownUntil)
  return { calendar: { version, days: new Set(days.map(dayNumber)), periods: instants, knownUntil: last } }
}

/** Whether that day, or that moment of it, is on the calendar. Undefined where the calendar does not reach so far. */
export function isOn({ days, periods, knownUntil }: Calendar, day: number, time: number): boolean | undefined {
  if (day > knownUntil) return undefined
  const next = periods[endingAfter(periods, time)]
  return days.has(day) || (next !== undefined && next.from <= time)
}

/** When the calendar next begins or ceases to be on by its periods, after a time; infinity where it never does. */
export function nextEdge({ periods }: Calendar, time: number): number {
  const next = periods[endingAfter(periods, time)]
  if (!next) return Number.POSITIVE_INFINITY
  return next.from > time ? next.from : next.to
}

/** The index of the first period that ends after a time: they are many, and this is asked at every decision. */
function endingAfter(periods: readonly Period[], time: number): number {
  let [low, high] = [0, periods.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((periods[middle]?.to ?? Number.POSITIVE_INFINITY) > time) high = middle
    else low = middle + 1
  }
  return low
}

function joined(periods: readonly Period[]): readonly Period[] {
  const apart: Period[] = []
  for (const period of periods.toSorted((a, b) => a.from - b.from)) {
    const last = apart.at(-1)
    if (last && period.from <= last.to) apart[apart.length - 1] = { from: last.from, to: Math.max(last.to, period.to) }
    else apart.push(period)
  }
  return apart
}

/** Days since 1970-01-01 of an ISO 8601 date. */
function dayNumber(date: string): number {
  return Date.parse(date) / dayLength
}
