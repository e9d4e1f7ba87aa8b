import ICAL from 'ical.js'
import { Temporal } from 'temporal-polyfill'
import { problemText } from '../document.ts'
import { type CalendarDocument, parseCalendar } from './calendar.ts'
import { dayLength } from './conditions/zone-clock.ts'
import { type Event, nameOf, readEvent, visitStarts } from './icalendar/event.ts'
import { ICalendarLimit, ICalendarMistake, quoted, startBudget } from './icalendar/mistake.ts'
import { type Occurrences, occurrencesSince } from './icalendar/occurrences.ts'
import type { Reach } from './icalendar/series.ts'
import type { Component } from './icalendar/time.ts'
import { zonesOf } from './icalendar/zone.ts'

const maxBytes = 262_144
const maxEvents = 1_000

/** An iCalendar that an operator uploads. */
export interface Upload {
  /** The calendar's id. */
  readonly id: string
  readonly text: string
  /** Epoch milliseconds. */
  readonly now: number
}

export type Conversion = { readonly calendar: CalendarDocument } | Refusal

interface Refusal {
  readonly problems: readonly string[]
}

/**
 * Makes a calendar of an iCalendar (RFC 5545): what is on from a year ago until five years ahead. Where it goes on
 * beyond, `knownUntil` says so. All-day events become days, timed ones periods. Never throws, and returns no calendar
 * that {@link parseCalendar} would refuse. What cannot be read for certain is refused, never left out.
 */
export function calendarFromICalendar({ id, text, now }: Upload): Conversion {
  const parsed = parseText(text)
  if ('problems' in parsed) return parsed
  const today = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO('UTC')
  const occurrences = occurrencesSince(today.subtract({ years: 1 }).epochMilliseconds)
  const knownUntil = today.add({ years: 5 }).toPlainDate().toString()
  const expanded = expandEvents(parsed, occurrences, {
    // At the end of a day in one zone, it is as much as two days later by the clocks of another.
    through: Date.parse(knownUntil) / dayLength + 2,
    spend: startBudget(),
  })
  if ('problems' in expanded) return expanded
  const list = occurrences.list()
  if ('problems' in list) return list
  const calendar: CalendarDocument = { schema: 1, id, ...list, ...(expanded.goesOn && { knownUntil }) }
  const checked = parseCalendar({ content: calendar, version: '' })
  return 'problems' in checked ? { problems: checked.problems.map(problemText) } : { calendar }
}

function parseText(text: string): Component | Refusal {
  if (Buffer.byteLength(text) > maxBytes) return { problems: [`expected ${maxBytes} bytes at most`] }
  const calendar = parseComponent(text)
  if ('problems' in calendar) return calendar
  const events = calendar.getAllSubcomponents('vevent')
  return events.length > maxEvents ? { problems: [`expected ${maxEvents} events at most`] } : calendar
}

function parseComponent(text: string): Component | Refusal {
  try {
    const root: unknown = ICAL.parse(text.replace(/^\uFEFF/, ''))
    if (Array.isArray(root) && root[0] === 'vcalendar') return new ICAL.Component(root)
    return { problems: ['expected one VCALENDAR'] }
  } catch (error) {
    return { problems: [`expected an iCalendar (RFC 5545): ${quoted(error instanceof Error ? error.message : '')}`] }
  }
}

function expandEvents(
  calendar: Component,
  occurrences: Occurrences,
  reach: Reach,
): { readonly goesOn: boolean } | Refusal {
  const findZone = zonesOf(calendar, reach)
  const events: Event[] = []
  const unread = attemptEach(
    calendar.getAllSubcomponents('vevent').map(component => ({ component })),
    ({ component }) => events.push(readEvent(component, findZone)),
  )
  const standIns = Map.groupBy(events, ({ uid, replaces }) => replaces && uid)
  let goesOn = false
  // TRANSP:TRANSPARENT counts like any other event: that is how feeds mark public holidays.
  const unexpanded = attemptEach(
    events.filter(({ isCancelled }) => !isCancelled),
    event => {
      const replaced = event.replaces ? [] : (standIns.get(event.uid) ?? []).flatMap(({ replaces }) => replaces ?? [])
      const isCut = visitStarts(event, { findZone, replaced, ...reach }, start => occurrences.add(start, event.length))
      goesOn ||= isCut
    },
  )
  const problems = [...unread, ...unexpanded]
  return problems.length > 0 ? { problems } : { goesOn }
}

/** Returns what is wrong with each of them, up to the first that is too much. */
function attemptEach<Item extends { readonly component: Component }>(
  items: readonly Item[],
  attempt: (item: Item) => void,
): readonly string[] {
  const problems: string[] = []
  for (const item of items) {
    try {
      attempt(item)
    } catch (error) {
      if (!(error instanceof ICalendarMistake)) throw error
      problems.push(`event ${nameOf(item.component)}: ${error.message}`)
      if (error instanceof ICalendarLimit) break
    }
  }
  return problems
}
