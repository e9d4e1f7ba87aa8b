import { z } from 'zod'
import { documentId } from '../../document.ts'
import { type Calendars, isOn, nextEdge } from '../calendar.ts'
import { type Condition, finding } from './condition.ts'
import { every, not, some, type Ternary } from './three-valued.ts'
import { dayLength, timeZone, type ZoneClock, zoneClock } from './zone-clock.ts'

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
type Weekday = (typeof weekdays)[number]

const opening = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day from 00:00 to 23:59')
const closing = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a time of day from 00:00 to 24:00')
const calendarIds = z
  .array(documentId)
  .max(16)
  .transform(ids => [...new Set(ids)])
  .prefault([])

const windowSchema = z
  .strictObject({
    days: z
      .array(z.enum(weekdays))
      .min(1)
      .max(7)
      .default([...weekdays]),
    from: opening.default('00:00'),
    to: closing.default('24:00'),
    timeZone,
    notOn: calendarIds,
    onlyOn: calendarIds,
  })
  .superRefine(({ from, to }, context) => {
    if (from === to)
      context.addIssue({ code: 'custom', path: ['to'], message: 'expected another time than "from"', input: to })
  })

/**
 * Windows by weekday and by what the local clocks show. A window over midnight belongs to the day on which it begins.
 * A time that the clocks skip is never shown, and one that they repeat is shown twice: the window holds accordingly.
 * Calendars are asked about the local date and the moment itself.
 */
export const timeCondition = z.array(windowSchema).min(1).max(32).transform(compileWindows)

/** The windows of a rule: in force while any of them is open. */
export interface TimeWindows {
  readonly conditions: readonly Condition[]
  /** Ids of the calendars that they name. */
  readonly calendars: readonly string[]
  /**
   * Epoch milliseconds at which no window will be open any more; undefined where that is more than a day ahead. Earlier
   * where windows and calendars change more often than anybody has use for.
   */
  openUntil(time: number, calendars: Calendars): number | undefined
}

type WindowText = z.output<typeof windowSchema>

interface Window {
  isOpen(time: number, calendars: Calendars): Ternary
  /** A time up to which an open window stays open: it may be open beyond. */
  staysUntil(time: number, calendars: Calendars): number
}

/** No credential lives longer than a day, so nobody needs to look further. */
const furthest = dayLength + 3_600_000
/** How many changes on the way are looked at: windows that adjoin, midnights, jumps of the clocks, periods. */
const maxChanges = 64

function compileWindows(texts: readonly WindowText[]): TimeWindows {
  const clocks = new Map(texts.map(({ timeZone }) => [timeZone, zoneClock(timeZone)]))
  const windows = texts.map(text => compileWindow(text, clocks.get(text.timeZone) ?? zoneClock(text.timeZone)))
  const named = [...new Set(texts.flatMap(({ notOn, onlyOn }) => [...notOn, ...onlyOn]))]
  const condition: Condition = {
    test: 'time',
    expected: texts,
    judge({ time }, calendars) {
      const met = some(windows.map(window => window.isOpen(time, calendars)))
      const local = [...clocks.values()].map(clock => shownBy(clock, time))
      const versions = Object.fromEntries(named.map(id => [id, calendars.get(id)?.version ?? null]))
      const found = { local, ...(named.length > 0 && { calendars: versions }) }
      return finding(met, found, 'a calendar is not there, or does not reach so far')
    },
  }
  return { conditions: [condition], calendars: named, openUntil }

  function openUntil(time: number, calendars: Calendars): number | undefined {
    let at = time
    for (let changes = 0; at - time < furthest; changes++) {
      if (changes === maxChanges) return at
      const open = windows.filter(window => window.isOpen(at, calendars) === true)
      if (open.length === 0) return at
      at = Math.max(...open.map(window => window.staysUntil(at, calendars)))
    }
    return undefined
  }
}

function compileWindow({ days, from, to, notOn, onlyOn }: WindowText, zone: ZoneClock): Window {
  const [opens, closes] = [millisecondsOf(from), millisecondsOf(to)]
  const named = [...notOn, ...onlyOn]

  /** The day on which the window began that the clocks are in. */
  function beganOn(day: number, clock: number): number | undefined {
    if (opens < closes) return opens <= clock && clock < closes ? day : undefined
    if (clock >= opens) return day
    return clock < closes ? day - 1 : undefined
  }

  return {
    isOpen(time, calendars) {
      const { day, clock } = zone.at(time)
      const began = beganOn(day, clock)
      if (began === undefined || !days.includes(weekdayOf(began))) return false
      const listed = (id: string): Ternary => {
        const calendar = calendars.get(id)
        return calendar && isOn(calendar, day, time)
      }
      return every([onlyOn.length === 0 || some(onlyOn.map(listed)), ...notOn.map(id => not(listed(id)))])
    },
    staysUntil(time, calendars) {
      const { clock, until } = zone.at(time)
      const onClock = [opens, closes, dayLength].filter(edge => edge > clock).map(edge => time + edge - clock)
      const known = named.flatMap(id => calendars.get(id) ?? [])
      return Math.min(until, ...onClock, ...known.map(calendar => nextEdge(calendar, time)))
    },
  }
}

function weekdayOf(day: number): Weekday {
  // 1970-01-01 was a Thursday.
  return weekdays[(((day + 3) % 7) + 7) % 7] ?? 'mon'
}

function millisecondsOf(clock: string): number {
  const [hours, minutes] = clock.split(':').map(Number)
  return ((hours ?? 0) * 60 + (minutes ?? 0)) * 60_000
}

function shownBy(zone: ZoneClock, time: number): string {
  const { day, clock } = zone.at(time)
  return `${weekdayOf(day)} ${new Date(day * dayLength + clock).toISOString().slice(0, 16)} ${zone.timeZone}`
}
