import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, test } from 'vitest'
import { dayLength, timeZone, type ZoneClock, zoneClock } from '../../../shared/rules/conditions/zone-clock.ts'

/** What the clocks show, as one would read them: date and time. */
function shown(clock: ZoneClock, time: number): string {
  const { day, clock: sinceMidnight } = clock.at(time)
  return new Date(day * dayLength + sinceMidnight).toISOString().slice(0, -1)
}

describe('the clocks of a zone', () => {
  test.each([
    ['UTC', '2026-06-01T12:00:00Z', '2026-06-01T12:00:00.000'],
    ['Asia/Kolkata', '2026-06-01T20:00:00Z', '2026-06-02T01:30:00.000'],
    ['Asia/Kathmandu', '2026-06-01T18:14:59.999Z', '2026-06-01T23:59:59.999'],
    ['America/New_York', '2026-06-01T03:59:59.999Z', '2026-05-31T23:59:59.999'],
    ['Pacific/Kiritimati', '2026-06-01T10:00:00Z', '2026-06-02T00:00:00.000'],
    ['Europe/Kiev', '2026-01-01T12:00:00Z', '2026-01-01T14:00:00.000'],
    ['Europe/Berlin', '1969-12-31T23:30:00Z', '1970-01-01T00:30:00.000'],
    ['Europe/Berlin', '1969-12-30T22:30:00Z', '1969-12-30T23:30:00.000'],
  ])('of %s show at %s: %s', (zone, time, expected) => {
    expect(shown(zoneClock(zone), Date.parse(time))).toBe(expected)
  })

  test.each([
    ['Europe/Berlin', '2026-03-29T01:00:00Z', '2026-03-29T01:59:59.999', '2026-03-29T03:00:00.000'],
    ['Europe/Berlin', '2026-10-25T01:00:00Z', '2026-10-25T02:59:59.999', '2026-10-25T02:00:00.000'],
    ['America/New_York', '2026-03-08T07:00:00Z', '2026-03-08T01:59:59.999', '2026-03-08T03:00:00.000'],
    ['America/New_York', '2026-11-01T06:00:00Z', '2026-11-01T01:59:59.999', '2026-11-01T01:00:00.000'],
    ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', '2026-10-04T01:59:59.999', '2026-10-04T02:30:00.000'],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', '2026-04-05T01:59:59.999', '2026-04-05T01:30:00.000'],
  ])('of %s jump at %s from %s to %s, and tell so before', (zone, time, before, after) => {
    const [clock, jump] = [zoneClock(zone), Date.parse(time)]
    expect([shown(clock, jump - 1), shown(clock, jump)]).toEqual([before, after])
    expect(clock.at(jump - 1).until).toBe(jump)
    expect(clock.at(jump).until).toBeGreaterThan(jump + 90 * dayLength)
  })

  test.each(['UTC', 'Asia/Kolkata'])('of %s never jump', zone => {
    expect(zoneClock(zone).at(Date.parse('2026-06-01T12:00:00Z')).until).toBe(Number.POSITIVE_INFINITY)
  })

  test('show the same whatever they were asked before: they agree with Temporal, one after the other', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'Europe/Kiev']
    const clocks = new Map(zones.map(zone => [zone, zoneClock(zone)]))
    const time = fc.integer({ min: Date.parse('2020-01-01T00:00:00Z'), max: Date.parse('2036-01-01T00:00:00Z') })
    fc.assert(
      fc.property(fc.constantFrom(...clocks), time, ([zone, clock], at) => {
        const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone).toPlainDateTime()
        expect(shown(clock, at)).toBe(local.toString({ smallestUnit: 'millisecond' }))
      }),
      { numRuns: 500, seed: 4 },
    )
  })
})

describe('a time zone', () => {
  test.each(['Europe/Berlin', 'Europe/Kiev', 'Asia/Calcutta', 'US/Eastern', 'UTC', 'Etc/GMT+5'])('may be %s', name => {
    expect(timeZone.safeParse(name).success).toBe(true)
    expect(() => zoneClock(name).at(0)).not.toThrow()
  })

  test.each(['', 'Z', '+02:00', 'GMT+2', 'PST', 'CEST', 'Mars/Olympus', 'Europe', '2026-06-01T12:00[Europe/Berlin]'])(
    'is refused where it is %j',
    name => {
      expect(timeZone.safeParse(name).error?.issues[0]?.message).toMatch(/^expected an IANA time zone/)
    },
  )
})
