import { describe, expect, test } from 'vitest'
import type { Calendar, Calendars } from '../../../shared/rules/calendar.ts'
import { calendarsOf, type Window, windowsOf } from './windows.ts'

/** When windows that are open at the instant will all be closed. */
function endFrom(time: string, windows: readonly Window[], calendars: Calendars = new Map()): string | undefined {
  const end = windowsOf(...windows).openUntil(Date.parse(time), calendars)
  return end === undefined ? undefined : new Date(end).toISOString().replace('.000Z', 'Z')
}

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri']
const utc = { timeZone: 'UTC' }
const berlin = { timeZone: 'Europe/Berlin' }

/** 2026-06-01 was a Monday. */
describe('windows are open until', () => {
  test('the end of the one that is open', () => {
    expect(endFrom('2026-06-01T10:00:00.001Z', [{ ...berlin, from: '07:00', to: '19:00' }])).toBe(
      '2026-06-01T17:00:00Z',
    )
  })

  test('the end of the one that is open over midnight', () => {
    const night = { ...utc, days: ['mon'], from: '22:00', to: '06:00' }
    expect(endFrom('2026-06-01T23:00:00Z', [night])).toBe('2026-06-02T06:00:00Z')
    expect(endFrom('2026-06-02T01:00:00Z', [night])).toBe('2026-06-02T06:00:00Z')
  })

  test('midnight after the last of the days that adjoin, and not the first midnight', () => {
    const allDay = { ...utc, days: weekdays, from: '00:00', to: '24:00' }
    expect(endFrom('2026-06-05T09:00:00Z', [allDay])).toBe('2026-06-06T00:00:00Z')
    expect(endFrom('2026-06-04T23:30:00Z', [allDay])).toBe('2026-06-06T00:00:00Z')
  })

  test('no time that matters, where that is 25 hours ahead or more', () => {
    const allDay = { ...utc, days: weekdays }
    expect(endFrom('2026-06-04T23:00:00.001Z', [allDay])).toBe('2026-06-06T00:00:00Z')
    expect(endFrom('2026-06-04T23:00:00.000Z', [allDay])).toBe(undefined)
    expect(endFrom('2026-06-04T12:00:00.000Z', [allDay])).toBe(undefined)
  })

  test('the end of the last of those that adjoin or overlap, whatever their zones and their order', () => {
    const windows = [
      { ...utc, from: '14:00', to: '16:00' },
      { ...utc, from: '09:00', to: '12:00' },
      { ...berlin, from: '14:00', to: '16:30' },
    ]
    expect(endFrom('2026-06-01T10:00:00Z', windows)).toBe('2026-06-01T16:00:00Z')
  })

  test('the end of one, where the next begins a minute later', () => {
    const windows = [
      { ...utc, from: '09:00', to: '12:00' },
      { ...utc, from: '12:01', to: '15:00' },
    ]
    expect(endFrom('2026-06-01T10:00:00Z', windows)).toBe('2026-06-01T12:00:00Z')
  })

  test('now, where none is open', () => {
    expect(endFrom('2026-06-01T08:00:00Z', [{ ...utc, from: '09:00', to: '12:00' }])).toBe('2026-06-01T08:00:00Z')
  })

  test('no time that matters, where one is always open', () => {
    expect(endFrom('2026-06-01T09:00:00Z', [utc])).toBe(undefined)
  })
})

describe('where the clocks jump, windows are open until', () => {
  test.each([
    ['the jump that skips their end', '01:00', '02:30', '2026-03-29T00:30:00Z', '2026-03-29T01:00:00Z'],
    ['their end, an hour sooner', '01:00', '04:00', '2026-03-29T00:30:00Z', '2026-03-29T02:00:00Z'],
    ['their end, an hour later', '01:00', '04:00', '2026-10-24T23:30:00Z', '2026-10-25T03:00:00Z'],
    ['their end, as it comes first', '02:00', '02:30', '2026-10-25T00:15:00Z', '2026-10-25T00:30:00Z'],
    ['their end, as it comes again', '02:00', '02:30', '2026-10-25T01:15:00Z', '2026-10-25T01:30:00Z'],
    ['their end after what is repeated', '02:00', '03:00', '2026-10-25T00:15:00Z', '2026-10-25T02:00:00Z'],
    ['midnight after 25 hours', '00:00', '24:00', '2026-10-24T22:00:01Z', '2026-10-25T23:00:00Z'],
  ])('%s', (_, from, to, time, end) => {
    expect(endFrom(time, [{ ...berlin, days: ['sun'], from, to }])).toBe(end)
  })
})

/** Counts how often somebody asks for a calendar. */
class CountedCalendars extends Map<string, Calendar> {
  asked = 0

  override get(id: string): Calendar | undefined {
    this.asked += 1
    return super.get(id)
  }
}

describe('where calendars change all the time, windows are open until', () => {
  const start = Date.parse('2026-06-01T00:00:00Z')

  /** Periods that follow one another without a gap: each on the calendar that is next in turn. */
  function inTurn(ids: readonly string[], periods: number, length: number): Calendars {
    const at = (index: number) => new Date(start + index * length).toISOString()
    const all = Array.from({ length: periods }, (_, index) => ({ from: at(index), to: at(index + 1) }))
    const of = (turn: number) => ({ periods: all.filter((_, index) => index % ids.length === turn) })
    return calendarsOf(Object.fromEntries(ids.map((id, turn) => [id, of(turn)])))
  }

  test.each([
    [63, '2026-06-01T01:03:00Z'],
    [64, '2026-06-01T01:04:00Z'],
    [65, '2026-06-01T01:04:00Z'],
    [500, '2026-06-01T01:04:00Z'],
  ])('they close, after %i changes, but no further ahead than after 64', (changes, end) => {
    const calendars = inTurn(['even', 'odd'], changes, 60_000)
    const window = { ...utc, onlyOn: ['even', 'odd'] }
    expect(endFrom('2026-06-01T00:00:00Z', [window], calendars)).toBe(end)
  })

  test('a time that is not too late and is soon found, whatever an operator writes: 4 windows, 16 calendars of 1,000 periods', () => {
    const ids = Array.from({ length: 16 }, (_, index) => `calendar-${index}`)
    const calendars = new CountedCalendars(inTurn(ids, 16_000, 4_000))
    const windows = windowsOf(...Array.from({ length: 4 }, () => ({ ...utc, onlyOn: ids })))
    const end = windows.openUntil(start, calendars)
    expect(end).toBeGreaterThan(start)
    expect(end).toBeLessThanOrEqual(start + 16_000 * 4_000)
    // At each change, each window asks each of its calendars twice: whether it is on, and until when.
    expect(calendars.asked).toBeLessThanOrEqual(64 * 4 * 16 * 2)
  })
})

describe('beside calendars, windows are open until', () => {
  const calendars = calendarsOf({
    holidays: { days: ['2026-06-02'] },
    freeze: { periods: [{ from: '2026-06-01T15:30:00.250Z', to: '2026-06-01T18:00:00Z' }] },
    short: { days: [], knownUntil: '2026-06-01' },
  })
  const noon = '2026-06-01T12:00:00Z'

  test.each<[string, object, string, string | undefined]>([
    ['the holiday begins there', { ...berlin, notOn: ['holidays'] }, noon, '2026-06-01T22:00:00Z'],
    [
      'the holiday that they keep to ends',
      { ...berlin, onlyOn: ['holidays'] },
      '2026-06-02T12:00:00Z',
      '2026-06-02T22:00:00Z',
    ],
    ['a period begins', { ...utc, notOn: ['freeze'] }, noon, '2026-06-01T15:30:00.250Z'],
    [
      'the period that they keep to ends',
      { ...utc, onlyOn: ['freeze'] },
      '2026-06-01T16:00:00Z',
      '2026-06-01T18:00:00Z',
    ],
    ['nobody knows any more', { ...utc, notOn: ['short'] }, noon, '2026-06-02T00:00:00Z'],
    ['now, where nobody knows', { ...utc, notOn: ['missing'] }, noon, noon],
  ])('%s', (_, window, time, end) => {
    expect(endFrom(time, [{ timeZone: 'UTC', ...window }], calendars)).toBe(end)
  })

  test('the end of another that goes on', () => {
    const windows = [
      { ...utc, notOn: ['freeze'] },
      { ...utc, from: '15:00', to: '17:00' },
    ]
    expect(endFrom(noon, windows, calendars)).toBe('2026-06-01T17:00:00Z')
  })
})
