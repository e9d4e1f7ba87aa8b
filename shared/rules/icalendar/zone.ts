import { Temporal } from 'temporal-polyfill'
import { timeZone } from '../conditions/zone-clock.ts'
import { ICalendarMistake, quoted } from './mistake.ts'
import { type Reach, visitSeries } from './series.ts'
import { type Component, type FindZone, order, readText, readTime, readTimes, type Zone } from './time.ts'

/**
 * Finds zones by TZID: the file's own VTIMEZONE of that name, else the IANA zone. Throws {@link ICalendarMistake} where
 * there is neither, and for floating times, of which nobody can tell when they are.
 */
export function zonesOf(calendar: Component, reach: Reach): FindZone {
  const known = new Map<string, Zone>()
  return tzid => {
    if (tzid === undefined) throw new ICalendarMistake('expected times in UTC or with a TZID, found a floating one')
    const zone = known.get(tzid) ?? openZone(tzid)
    known.set(tzid, zone)
    return zone
  }

  function openZone(tzid: string): Zone {
    const own = calendar.getAllSubcomponents('vtimezone').find(component => readText(component, 'tzid') === tzid)
    return own ? ownZone(own, reach) : ianaZone(tzid)
  }
}

function ianaZone(name: string): Zone {
  if (!timeZone.safeParse(name).success)
    throw new ICalendarMistake(`expected a VTIMEZONE or an IANA time zone for TZID ${quoted(name)}`)
  return local => {
    const clocks = Temporal.Instant.fromEpochMilliseconds(local).toZonedDateTimeISO('UTC').toPlainDateTime()
    return clocks.toZonedDateTime(name).epochMilliseconds
  }
}

/** A moment at which the clocks of a zone change. Offsets and times in milliseconds. */
interface Change {
  readonly instant: number
  readonly before: number
  readonly after: number
}

/**
 * A zone as a VTIMEZONE describes it (RFC 5545 section 3.6.5). A time that the clocks skip is read by the offset before
 * the change, one that they repeat is the first of the two (section 3.3.5).
 */
function ownZone(component: Component, reach: Reach): Zone {
  const observances = [...component.getAllSubcomponents('standard'), ...component.getAllSubcomponents('daylight')]
  const changes = observances.flatMap(observance => changesOf(observance, reach)).sort((a, b) => a.instant - b.instant)
  const [first] = changes
  if (!first) throw new ICalendarMistake('VTIMEZONE: expected STANDARD or DAYLIGHT')
  return local => {
    const last = changes.findLast(({ instant, before, after }) => instant + Math.max(before, after) <= local)
    return local - (last?.after ?? first.before)
  }
}

function changesOf(observance: Component, reach: Reach): readonly Change[] {
  const [before, after] = [offsetOf(observance, 'tzoffsetfrom'), offsetOf(observance, 'tzoffsetto')]
  const findZone = () => (local: number) => local - before
  const start = readTime(observance, 'dtstart', findZone)
  if (!start) throw new ICalendarMistake('VTIMEZONE: expected DTSTART')
  const times = [...readTimes(observance, 'rdate', findZone)]
  visitSeries(observance, { start, findZone, ...reach }, time => times.push(time))
  return times.map(time => ({ instant: order(time), before, after }))
}

function offsetOf(observance: Component, name: string): number {
  const found = /^([+-])([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/.exec(readText(observance, name) ?? '')
  if (!found) throw new ICalendarMistake(`VTIMEZONE ${name.toUpperCase()}: expected an offset such as +0100`)
  const [, sign, hours, minutes, seconds = '0'] = found
  return (sign === '-' ? -1 : 1) * ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000
}
