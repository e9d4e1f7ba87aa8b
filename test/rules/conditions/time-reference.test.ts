import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { expect, test } from 'vitest'
import { minute } from '../facts.ts'
import { calendarsOf, isOpen, type Window, windowsOf } from './windows.ts'

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'UTC', 'Asia/Beirut']

interface CalendarText {
  readonly days: readonly string[]
  readonly periods: readonly { readonly from: string; readonly to: string }[]
  readonly knownUntil?: string
}
type CalendarTexts = Readonly<Record<string, CalendarText>>

/** Whether a window is open, told from its text and from what Temporal says of the moment. */
function isOpenByReference(window: Window, calendars: CalendarTexts, time: number): boolean | undefined {
  const { from = '00:00', to = '24:00', notOn = [], onlyOn = [] } = window
  const local = Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO(window.timeZone).toPlainDateTime()
  const clock = local.toPlainTime().toString({ smallestUnit: 'minute', roundingMode: 'floor' })
  const isDay = (date: Temporal.PlainDateTime) => (window.days ?? days).includes(days[date.dayOfWeek - 1] ?? '')
  const today = isDay(local) && from <= clock && (clock < to || to < from)
  const sinceYesterday = isDay(local.subtract({ days: 1 })) && to < from && clock < to
  if (!today && !sinceYesterday) return false
  const date = local.toPlainDate().toString()
  const listed = (id: string) => isListed(calendars[id], date, time)
  const [kept, left] = [onlyOn.map(listed), notOn.map(listed)]
  if (left.includes(true) || (kept.length > 0 && kept.every(each => each === false))) return false
  return left.includes(undefined) || (kept.length > 0 && !kept.includes(true)) ? undefined : true
}

function anyByReference(windows: readonly Window[], calendars: CalendarTexts, time: number): boolean | undefined {
  const each = windows.map(window => isOpenByReference(window, calendars, time))
  return each.includes(true) || (each.includes(undefined) ? undefined : false)
}

function isListed(calendar: CalendarText | undefined, date: string, time: number): boolean | undefined {
  if (!calendar || date > (calendar.knownUntil ?? '9999-12-31')) return undefined
  const isIn = ({ from, to }: { from: string; to: string }) => Date.parse(from) <= time && time < Date.parse(to)
  return calendar.days.includes(date) || calendar.periods.some(isIn)
}

/** Moments near the jumps of the zones in 2026, and others. */
const jumps = ['03-08T07', '03-28T22', '03-29T01', '04-04T15', '10-03T15', '10-24T21', '10-25T01', '11-01T06']
const moment = fc.oneof(
  fc
    .tuple(fc.constantFrom(...jumps), fc.integer({ min: -36 * 60, max: 6 * 60 }), fc.constantFrom(0, 0, 1, 59_999))
    .map(([jump, minutes, milliseconds]) => Date.parse(`2026-${jump}:00:00Z`) + minutes * minute + milliseconds),
  fc.integer({ min: Date.parse('2026-01-01T00:00:00Z'), max: Date.parse('2026-12-31T00:00:00Z') }),
)
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom('00', '15', '30', '59'))
  .map(([hour, minutes]) => `${String(hour).padStart(2, '0')}:${minutes}`)
const someOf = (...all: readonly string[]) => fc.subarray([...all], { minLength: 1 })

const members = {
  timeZone: fc.constantFrom(...zones),
  days: someOf(...days),
  from: clock,
  to: fc.oneof(clock, fc.constant('24:00')),
  notOn: someOf('busy', 'busier', 'missing'),
  onlyOn: someOf('busy', 'busier', 'missing'),
}
const window: fc.Arbitrary<Window> = fc
  .oneof(
    { weight: 4, arbitrary: fc.record(members, { requiredKeys: ['timeZone'] }) },
    { weight: 1, arbitrary: fc.record({ timeZone: members.timeZone, notOn: fc.constantFrom([], ['busy']) }) },
  )
  .filter(({ from = '00:00', to = '24:00' }: Window) => from !== to)

/** What may be on calendars, given a moment: days and periods about it, so that they matter. */
const dateOf = (time: number) => new Date(time).toISOString().slice(0, 10)
const calendarAbout = (time: number): fc.Arbitrary<CalendarText> => {
  const date = fc.integer({ min: -2, max: 2 }).map(day => dateOf(time + day * 24 * 60 * minute))
  const minutes = fc.integer({ min: -24 * 60, max: 24 * 60 })
  const period = fc.tuple(minutes, fc.integer({ min: 1, max: 600 })).map(([from, length]) => ({
    from: new Date(time + from * minute).toISOString(),
    to: new Date(time + (from + length) * minute).toISOString(),
  }))
  const text = {
    days: fc.array(date, { maxLength: 3 }),
    periods: fc.array(period, { maxLength: 2 }),
    knownUntil: date,
  }
  return fc.record(text, { requiredKeys: ['days', 'periods'] })
}

const scenario = fc.tuple(moment, fc.array(window, { minLength: 1, maxLength: 3 })).chain(([time, windows]) =>
  fc.record({
    time: fc.constant(time),
    windows: fc.constant(windows),
    calendars: fc.record({ busy: calendarAbout(time), busier: calendarAbout(time) }),
  }),
)

test('windows are open when Temporal and their text say so, and until the moment that they say', () => {
  const seen = new Map<string, number>()
  const see = (sight: string) => seen.set(sight, (seen.get(sight) ?? 0) + 1)
  fc.assert(
    fc.property(scenario, ({ time, windows, calendars }) => {
      const compiled = windowsOf(...windows)
      const read = calendarsOf(calendars)
      const byReference = (at: number) => anyByReference(windows, calendars, at)
      const openNow = byReference(time)
      see(String(openNow))
      expect(isOpen(compiled, time, read)).toBe(openNow)
      if (openNow !== true) return
      const end = compiled.openUntil(time, read)
      see(end === undefined ? 'endless' : 'ending')
      const last = end ?? time + 25 * 60 * minute
      const before = Array.from({ length: 101 }, (_, step) => time + Math.floor(((last - 1 - time) * step) / 100))
      expect(before.filter(at => byReference(at) !== true)).toEqual([])
      if (end !== undefined) expect(byReference(end)).not.toBe(true)
    }),
    { numRuns: 1_500, seed: 41 },
  )
  for (const sight of ['true', 'false', 'undefined', 'ending', 'endless'])
    expect(seen.get(sight) ?? 0, sight).toBeGreaterThan(40)
}, 120_000)
