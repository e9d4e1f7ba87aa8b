import { describe, expect, test } from 'vitest'
import type { Calendars } from '../../../shared/rules/calendar.ts'
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

  test.each([
    ['every day', undefined],
    ['from Monday to Friday', weekdays],
  ])('no time that matters, where they are open %s and longer than 25 hours', (_, days) => {
    expect(endFrom('2026-06-01T09:00:00Z', [{ ...utc, ...(days && { days }) }])).toBe(undefined)
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
