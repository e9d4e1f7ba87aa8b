import { describe, expect, test } from 'vitest'
import { factsOf } from '../facts.ts'
import { problemsOf, resultOf, testsOf } from './judged.ts'
import { isOpen, type Window, windowsOf } from './windows.ts'

function openAt(time: string, ...windows: readonly Window[]): boolean | undefined {
  return isOpen(windowsOf(...windows), Date.parse(time))
}

/** 2026-06-01 was a Monday, and Berlin two hours ahead of UTC. */
const office = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '07:00', to: '19:00', timeZone: 'Europe/Berlin' }
const night = { days: ['fri'], from: '22:00', to: '06:00', timeZone: 'UTC' }

describe('a window', () => {
  test.each([
    ['2026-06-01T04:59:59.999Z', false],
    ['2026-06-01T05:00:00.000Z', true],
    ['2026-06-01T16:59:59.999Z', true],
    ['2026-06-01T17:00:00.000Z', false],
    ['2026-06-05T12:00:00.000Z', true],
    ['2026-06-06T12:00:00.000Z', false],
    ['2026-06-07T12:00:00.000Z', false],
    ['2026-12-01T05:30:00.000Z', false],
    ['2026-12-01T06:00:00.000Z', true],
  ])('from Monday to Friday, 07:00 to 19:00 in Berlin, at %s: %s', (time, isOpenThen) => {
    expect(openAt(time, office)).toBe(isOpenThen)
  })

  test.each([
    ['2026-06-05T21:59:59.999Z', false],
    ['2026-06-05T22:00:00.000Z', true],
    ['2026-06-06T05:59:59.999Z', true],
    ['2026-06-06T06:00:00.000Z', false],
    ['2026-06-05T05:00:00.000Z', false],
    ['2026-06-06T22:00:00.000Z', false],
  ])('over midnight belongs to the day on which it begins: on Fridays, at %s: %s', (time, isOpenThen) => {
    expect(openAt(time, night)).toBe(isOpenThen)
  })

  test.each([
    ['2026-06-05T23:59:59.999Z', true],
    ['2026-06-06T00:00:00.000Z', false],
    ['2026-06-05T00:00:00.000Z', false],
  ])('to 24:00 ends with its day, and to 00:00 too: at %s: %s', (time, isOpenThen) => {
    const evening = { days: ['fri'], from: '18:00', timeZone: 'UTC' }
    expect(openAt(time, { ...evening, to: '24:00' })).toBe(isOpenThen)
    expect(openAt(time, { ...evening, to: '00:00' })).toBe(isOpenThen)
  })

  test('without hours is the whole day, and without days every day', () => {
    expect(openAt('2026-06-06T00:00:00Z', { days: ['sat'], timeZone: 'UTC' })).toBe(true)
    expect(openAt('2026-06-06T23:59:59.999Z', { days: ['sat'], timeZone: 'UTC' })).toBe(true)
    expect(openAt('2026-06-07T00:00:00Z', { days: ['sat'], timeZone: 'UTC' })).toBe(false)
    for (const day of ['01', '02', '03', '04', '05', '06', '07'])
      expect(openAt(`2026-06-${day}T12:00:00Z`, { timeZone: 'UTC' }), day).toBe(true)
  })

  test.each([
    ['fri', '1969-12-26'],
    ['mon', '1969-12-29'],
    ['wed', '1969-12-31'],
    ['thu', '1970-01-01'],
    ['sun', '2026-05-31'],
    ['tue', '2028-02-29'],
  ])('on %s is open on %s, and on no other day of that week', (day, date) => {
    const noon = Date.parse(`${date}T12:00:00Z`)
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
    expect(days.filter(each => isOpen(windowsOf({ days: [each], timeZone: 'UTC' }), noon))).toEqual([day])
  })

  test.each([
    ['UTC', '09:00', '10:00'],
    ['Asia/Kolkata', '14:30', '15:30'],
    ['Europe/Kiev', '12:00', '13:00'],
    ['America/New_York', '05:00', '06:00'],
  ])('in %s is open by the clocks there: from nine to ten in UTC, it is from %s to %s', (timeZone, from, to) => {
    const window = { from, to, timeZone }
    expect(openAt('2026-06-01T08:59:59.999Z', window)).toBe(false)
    expect(openAt('2026-06-01T09:00:00.000Z', window)).toBe(true)
    expect(openAt('2026-06-01T09:59:59.999Z', window)).toBe(true)
    expect(openAt('2026-06-01T10:00:00.000Z', window)).toBe(false)
  })

  test('takes its weekday from the date there', () => {
    const late = { days: ['mon'], from: '23:00', to: '24:00', timeZone: 'America/New_York' }
    expect(openAt('2026-06-02T03:30:00Z', late)).toBe(true)
    expect(openAt('2026-06-01T03:30:00Z', late)).toBe(false)
  })
})

test.each([
  ['2026-06-01T12:00:00Z', true],
  ['2026-06-05T23:00:00Z', true],
  ['2026-06-01T23:00:00Z', false],
])('of several windows one has to be open: at %s: %s', (time, isOpenThen) => {
  expect(openAt(time, office, night)).toBe(isOpenThen)
})

test('the trace shows the windows, and what the clocks show in each zone once', () => {
  const facts = factsOf({ time: Date.parse('2026-06-07T23:30:00Z') })
  const [shown] = testsOf({ time: [office, { ...office, days: ['sat'] }, night] }, facts)
  expect(shown).toMatchObject({ test: 'time', met: false, expected: [office, { days: ['sat'] }, night] })
  expect(shown?.found).toEqual({ local: ['mon 2026-06-08T01:30 Europe/Berlin', 'sun 2026-06-07T23:30 UTC'] })
  expect(resultOf({ time: [office] }, facts)).toBe('not met')
})

test.each<[string, object, string]>([
  ['a day in full', { days: ['monday'] }, 'time[0].days[0]: Invalid option: expected one of "mon"'],
  ['no day', { days: [] }, 'time[0].days: Too small'],
  ['an hour that is none', { from: '25:00' }, 'time[0].from: expected a time of day from 00:00 to 23:59'],
  ['24:00 as a beginning', { from: '24:00', to: '12:00' }, 'time[0].from: expected a time of day from 00:00 to 23:59'],
  ['a minute after 24:00', { to: '24:01' }, 'time[0].to: expected a time of day from 00:00 to 24:00'],
  ['an hour of one digit', { from: '7:00' }, 'time[0].from: expected a time of day'],
  ['an end that is its beginning', { from: '07:00', to: '07:00' }, 'time[0].to: expected another time than "from"'],
  ['no zone', { timeZone: undefined }, 'time[0].timeZone: Invalid input: expected string'],
  ['an offset for a zone', { timeZone: '+02:00' }, 'time[0].timeZone: expected an IANA time zone'],
  ['another member', { until: '19:00' }, 'time[0]: Unrecognized key: "until"'],
])('a rule is refused for %s, by path and expectation', (_, mistake, problem) => {
  expect(problemsOf({ time: [{ timeZone: 'UTC', ...mistake }] })).toEqual([expect.stringContaining(problem)])
})

test('a rule is refused for no window at all', () => {
  expect(problemsOf({ time: [] })).toEqual([expect.stringContaining('time: Too small')])
})
