import { z } from 'zod'
import { dayLength } from '../conditions/zone-clock.ts'
import { ICalendarMistake, quoted } from './mistake.ts'

/** What is asked of the components of ical.js, such as a VEVENT. Names are in lower case. */
export interface Component {
  getAllSubcomponents(name: string): readonly Component[]
  getAllProperties(name: string): readonly Property[]
  hasProperty(name: string): boolean
}

interface Property {
  /** Name, parameters, type and values in jCal (RFC 7265 section 3.4). */
  readonly jCal: readonly unknown[]
  getFirstParameter(name: string): string
}

/** The instant at which the clocks of a zone show a time, both in milliseconds: the clocks' as if they showed UTC. */
export type Zone = (local: number) => number

/** A DATE in days since 1970-01-01, or a DATE-TIME (RFC 5545 sections 3.3.4 and 3.3.5). */
export type Time =
  | { readonly kind: 'DATE'; readonly day: number }
  | { readonly kind: 'DATE-TIME'; readonly local: number; readonly zone: Zone }

/** How long an event is. Days are as long as the clocks make them, milliseconds are exact. */
export interface Length {
  readonly days: number
  readonly milliseconds: number
}

/** What orders times of one kind: days, or instants. */
export function order(time: Time): number {
  return time.kind === 'DATE' ? time.day : time.zone(time.local)
}

/** Its local date. */
export function dayOf(time: Time): number {
  return time.kind === 'DATE' ? time.day : Math.floor(time.local / dayLength)
}

/** The same time of another day. */
export function movedTo(day: number, time: Time): Time {
  if (time.kind === 'DATE') return { ...time, day }
  return { ...time, local: time.local + (day - dayOf(time)) * dayLength }
}

/** The value of a property that there is at most once. Throws {@link ICalendarMistake} where there are several. */
export function readValue(component: Component, name: string): unknown {
  const properties = component.getAllProperties(name)
  if (properties.length > 1) throw new ICalendarMistake(`expected one ${name.toUpperCase()}`)
  return properties[0]?.jCal[3]
}

/** The value of a text property that there is at most once. Throws {@link ICalendarMistake}. */
export function readText(component: Component, name: string): string | undefined {
  const value = readValue(component, name)
  if (value === undefined || typeof value === 'string') return value
  throw new ICalendarMistake(`${name.toUpperCase()}: expected text`)
}

/** Finds the zone of a local time, by the TZID where it has one. */
export type FindZone = (tzid: string | undefined) => Zone

/** All values of a property that holds times. Throws {@link ICalendarMistake}. */
export function readTimes(component: Component, name: string, findZone: FindZone): readonly Time[] {
  return component.getAllProperties(name).flatMap(property => {
    const zone = () => findZone(tzidOf(property))
    return property.jCal.slice(3).map(value => parseTime(value, name, zone))
  })
}

/** The time in a property that there is at most once. Throws {@link ICalendarMistake}. */
export function readTime(component: Component, name: string, findZone: FindZone): Time | undefined {
  const [time, ...others] = readTimes(component, name, findZone)
  if (others.length > 0) throw new ICalendarMistake(`expected one ${name.toUpperCase()}`)
  return time
}

function tzidOf(property: Property): string | undefined {
  return property.getFirstParameter('tzid') || undefined
}

const date = z.iso.date()
const dateTime = z.iso.datetime({ local: true })

/** Reads one time as ical.js writes it: ISO 8601. Throws {@link ICalendarMistake}. */
export function parseTime(value: unknown, name: string, zone: () => Zone): Time {
  const asDate = date.safeParse(value)
  if (asDate.success) return { kind: 'DATE', day: Date.parse(asDate.data) / dayLength }
  const asTime = dateTime.safeParse(value)
  if (!asTime.success) {
    const found = quoted(typeof value === 'string' ? value : JSON.stringify(value))
    throw new ICalendarMistake(`${name.toUpperCase()}: expected a DATE or a DATE-TIME, found ${found}`)
  }
  if (asTime.data.endsWith('Z')) return { kind: 'DATE-TIME', local: Date.parse(asTime.data), zone: utc }
  return { kind: 'DATE-TIME', local: Date.parse(`${asTime.data}Z`), zone: zone() }
}

/** The zone of times that end in `Z`. */
const utc: Zone = local => local

const duration = /^\+?P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/

/** A DURATION (RFC 5545 section 3.3.6). Throws {@link ICalendarMistake}. */
export function parseDuration(value: unknown): Length {
  const found = typeof value === 'string' ? duration.exec(value) : null
  if (!found) throw new ICalendarMistake('DURATION: expected weeks, days or hours, such as P1D or PT8H30M')
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = found.slice(1).map(digits => Number(digits ?? 0))
  return { days: weeks * 7 + days, milliseconds: ((hours * 60 + minutes) * 60 + seconds) * 1_000 }
}
