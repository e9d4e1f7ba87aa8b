import { Temporal } from 'temporal-polyfill'
import { z } from 'zod'

/** What the clocks of a time zone show. */
export interface LocalTime {
  /** Days since 1970-01-01 of the local date, and milliseconds since its midnight as the clocks show them. */
  readonly day: number
  readonly clock: number
  /** Epoch milliseconds until which the clocks go on without a jump. */
  readonly until: number
}

export interface ZoneClock {
  readonly timeZone: string
  /** Of a time in epoch milliseconds. */
  at(time: number): LocalTime
}

export const dayLength = 86_400_000

const canonicalZones = new Set(Intl.supportedValuesOf('timeZone'))

/** An IANA time zone by name. Offsets such as `+02:00` are none: they know no daylight saving. */
export const timeZone = z
  .string()
  .max(64)
  .refine(name => canonicalZones.has(name) || isAlias(name), 'expected an IANA time zone, such as Europe/Berlin')

function isAlias(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    // Asked of what reads the clocks later: Intl knows names, such as PST, that Temporal refuses.
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

interface Segment {
  readonly from: number
  readonly until: number
  readonly offset: number
}

/** The clocks of a zone. Between two jumps (daylight saving) they differ from UTC by one offset, which is remembered. */
export function zoneClock(timeZone: string): ZoneClock {
  let segment: Segment = { from: Number.POSITIVE_INFINITY, until: Number.NEGATIVE_INFINITY, offset: 0 }
  return {
    timeZone,
    at(time) {
      if (time < segment.from || time >= segment.until) segment = segmentAt(timeZone, time)
      const local = time + segment.offset
      const day = Math.floor(local / dayLength)
      return { day, clock: local - day * dayLength, until: segment.until }
    },
  }
}

function segmentAt(timeZone: string, time: number): Segment {
  const instant = Temporal.Instant.fromEpochMilliseconds(time)
  const zoned = instant.toZonedDateTimeISO(timeZone)
  // A jump at this very moment is behind us.
  const before = zoned.add({ milliseconds: 1 }).getTimeZoneTransition('previous')
  return {
    from: before?.epochMilliseconds ?? Number.NEGATIVE_INFINITY,
    until: zoned.getTimeZoneTransition('next')?.epochMilliseconds ?? Number.POSITIVE_INFINITY,
    offset: zoned.offsetNanoseconds / 1_000_000,
  }
}
