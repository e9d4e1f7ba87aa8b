import { ICalendarMistake, quoted } from './mistake.ts'
import { type Reach, visitSeries } from './series.ts'
import {
  type Component,
  dayOf,
  type FindZone,
  type Length,
  order,
  parseDuration,
  readText,
  readTime,
  readTimes,
  readValue,
  type Time,
} from './time.ts'

/** A VEVENT (RFC 5545 section 3.6.1). */
export interface Event {
  readonly component: Component
  readonly uid: string | undefined
  readonly isCancelled: boolean
  readonly start: Time
  readonly length: Length
  /** The occurrence of the series of the same UID that it stands in for: its RECURRENCE-ID. */
  readonly replaces: Time | undefined
}

/** What an event is called in problems. */
export function nameOf(component: Component): string {
  const names = ['summary', 'uid'].map(name => component.getAllProperties(name)[0]?.jCal[3])
  const name: unknown = names.find(Boolean)
  return typeof name === 'string' ? quoted(name) : 'without a name'
}

/** Reads an event, its series not yet. Throws {@link ICalendarMistake}. */
export function readEvent(component: Component, findZone: FindZone): Event {
  const start = readTime(component, 'dtstart', findZone)
  if (!start) throw new ICalendarMistake('expected DTSTART')
  if (component.hasProperty('exrule')) throw new ICalendarMistake('expected EXDATE instead of EXRULE')
  const replaces = readReplaced(component, findZone)
  const uid = readText(component, 'uid')
  if (replaces && uid === undefined) throw new ICalendarMistake('expected a UID with RECURRENCE-ID')
  return {
    component,
    uid,
    isCancelled: /^cancelled$/i.test(readText(component, 'status') ?? ''),
    start,
    length: readLength(component, start, findZone),
    replaces,
  }
}

function readReplaced(component: Component, findZone: FindZone): Time | undefined {
  const [property] = component.getAllProperties('recurrence-id')
  if (property?.getFirstParameter('range'))
    throw new ICalendarMistake('RECURRENCE-ID: expected one occurrence, not RANGE=THISANDFUTURE')
  return readTime(component, 'recurrence-id', findZone)
}

function readLength(component: Component, start: Time, findZone: FindZone): Length {
  const length = givenLength(component, start, findZone)
  if (!(length.days + length.milliseconds > 0)) throw new ICalendarMistake('expected an end after DTSTART')
  if (start.kind === 'DATE' && length.milliseconds > 0) throw new ICalendarMistake('DURATION: expected whole days')
  return length
}

function givenLength(component: Component, start: Time, findZone: FindZone): Length {
  const end = readTime(component, 'dtend', findZone)
  const duration = readValue(component, 'duration')
  if (end && duration !== undefined) throw new ICalendarMistake('expected DTEND or DURATION, not both')
  if (duration !== undefined) return parseDuration(duration)
  if (!end) return { days: start.kind === 'DATE' ? 1 : 0, milliseconds: 0 }
  expectKind(end, 'DTEND', start)
  const length = order(end) - order(start)
  return start.kind === 'DATE' ? { days: length, milliseconds: 0 } : { days: 0, milliseconds: length }
}

/**
 * Visits when an event begins, each time once: DTSTART, RRULE and RDATE, without EXDATE and what other events stand in
 * for. Returns whether it goes on after the last day. Throws {@link ICalendarMistake}.
 */
export function visitStarts(
  { component, start }: Event,
  options: Reach & { readonly findZone: FindZone; readonly replaced: readonly Time[] },
  visit: (start: Time) => void,
): boolean {
  const { findZone, replaced, through, spend } = options
  const left = [...readTimes(component, 'exdate', findZone), ...replaced]
  for (const time of left) expectKind(time, 'EXDATE or RECURRENCE-ID', start)
  const done = new Set(left.map(order))
  let first: number | undefined
  let goesOn = visitSeries(component, { start, ...options }, time => {
    first ??= order(time)
    once(time)
  })
  // What the first occurrence is would be undefined (RFC 5545 section 3.8.5.3).
  if (dayOf(start) <= through && first !== order(start))
    throw new ICalendarMistake('RRULE: expected DTSTART to be its first occurrence')
  for (const time of readTimes(component, 'rdate', findZone)) {
    expectKind(time, 'RDATE', start)
    spend(1)
    if (dayOf(time) > through) goesOn = true
    else once(time)
  }
  return goesOn

  function once(time: Time): void {
    if (!done.has(order(time))) visit(time)
    done.add(order(time))
  }
}

function expectKind({ kind }: Time, name: string, start: Time): void {
  if (kind !== start.kind) throw new ICalendarMistake(`${name}: expected a ${start.kind} as DTSTART is`)
}
