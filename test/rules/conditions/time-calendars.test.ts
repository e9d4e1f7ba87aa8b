import { describe, expect, test } from 'vitest'
import { factsOf } from '../facts.ts'
import { type Result, resultOf, testsOf } from './judged.ts'
import { calendarsOf, windowsOf } from './windows.ts'

const berlin = { timeZone: 'Europe/Berlin' }
const calendars = calendarsOf({
  holidays: { days: ['2026-12-25', '2026-12-26'] },
  freeze: { periods: [{ from: '2026-12-18T16:00:00Z', to: '2027-01-04T08:00:00+01:00' }] },
  releases: { days: ['2026-12-15'], periods: [{ from: '2026-12-16T08:00:00Z', to: '2026-12-16T10:00:00Z' }] },
  short: { days: ['2026-12-24'], knownUntil: '2026-12-24' },
})

function at(time: string, lists: { notOn?: readonly string[]; onlyOn?: readonly string[] }): Result {
  return resultOf({ time: [{ ...berlin, ...lists }] }, factsOf({ time: Date.parse(time) }), calendars)
}

describe('a window that is not on the days of a calendar', () => {
  test.each<[string, Result]>([
    ['2026-12-24T22:59:59.999Z', 'met'],
    ['2026-12-24T23:00:00.000Z', 'not met'],
    ['2026-12-26T22:59:59.999Z', 'not met'],
    ['2026-12-26T23:00:00.000Z', 'met'],
  ])('goes by the local date: in Berlin, at %s, it is %s', (time, result) => {
    expect(at(time, { notOn: ['holidays'] })).toBe(result)
  })

  test.each<[string, Result]>([
    ['2026-12-18T15:59:59.999Z', 'met'],
    ['2026-12-18T16:00:00.000Z', 'not met'],
    ['2027-01-04T06:59:59.999Z', 'not met'],
    ['2027-01-04T07:00:00.000Z', 'met'],
  ])('goes by the instant in a period: at %s, it is %s', (time, result) => {
    expect(at(time, { notOn: ['freeze'] })).toBe(result)
  })

  test('is on none of several calendars', () => {
    expect(at('2026-12-15T12:00:00Z', { notOn: ['holidays', 'releases'] })).toBe('not met')
    expect(at('2026-12-14T12:00:00Z', { notOn: ['holidays', 'releases'] })).toBe('met')
  })

  test('over midnight is closed on the holiday itself, whichever day it began on', () => {
    const window = { ...berlin, from: '22:00', to: '06:00', notOn: ['holidays'] }
    const before = Date.parse('2026-12-24T22:30:00Z')
    const [eve, holiday] = [before, before + 3_600_000].map(time =>
      resultOf({ time: [window] }, factsOf({ time }), calendars),
    )
    expect([eve, holiday]).toEqual(['met', 'not met'])
  })
})

describe('a window that is only on the days of a calendar', () => {
  test.each<[string, Result]>([
    ['2026-12-14T22:59:59.999Z', 'not met'],
    ['2026-12-14T23:00:00.000Z', 'met'],
    ['2026-12-15T23:00:00.000Z', 'not met'],
    ['2026-12-16T08:00:00.000Z', 'met'],
    ['2026-12-16T10:00:00.000Z', 'not met'],
  ])('is open on its days and in its periods: at %s, it is %s', (time, result) => {
    expect(at(time, { onlyOn: ['releases'] })).toBe(result)
  })

  test('is open on the days of any of several calendars', () => {
    expect(at('2026-12-25T12:00:00Z', { onlyOn: ['releases', 'holidays'] })).toBe('met')
    expect(at('2026-12-14T12:00:00Z', { onlyOn: ['releases', 'holidays'] })).toBe('not met')
  })

  test('is closed where another calendar forbids it', () => {
    expect(at('2026-12-25T12:00:00Z', { onlyOn: ['holidays'], notOn: ['freeze'] })).toBe('not met')
  })
})

describe('a calendar', () => {
  test.each<[string, object, Result]>([
    ['that is not there cannot be asked', { notOn: ['missing'] }, 'cannot be evaluated'],
    ['that is not there cannot be asked for days to keep to', { onlyOn: ['missing'] }, 'cannot be evaluated'],
    ['of a name that every object has is not there', { notOn: ['constructor'] }, 'cannot be evaluated'],
    ['beside one that forbids the day does not matter', { notOn: ['missing', 'holidays'] }, 'not met'],
    ['beside one that has the day does not matter', { onlyOn: ['missing', 'holidays'] }, 'met'],
    ['beside one that lacks the day does matter', { onlyOn: ['missing', 'releases'] }, 'cannot be evaluated'],
  ])('%s', (_, lists, result) => {
    expect(at('2026-12-25T12:00:00Z', lists)).toBe(result)
  })

  test.each<[string, Result]>([
    ['2026-12-24T12:00:00.000Z', 'not met'],
    ['2026-12-23T12:00:00.000Z', 'met'],
    ['2026-12-24T22:59:59.999Z', 'not met'],
    ['2026-12-24T23:00:00.000Z', 'cannot be evaluated'],
  ])('tells of its last day to the end, and not of what comes then: at %s: %s', (time, result) => {
    expect(at(time, { notOn: ['short'] })).toBe(result)
  })

  test('that cannot be asked does not matter outside the window', () => {
    const window = { ...berlin, from: '09:00', to: '10:00', notOn: ['missing'] }
    expect(resultOf({ time: [window] }, factsOf({ time: Date.parse('2026-12-25T12:00:00Z') }))).toBe('not met')
  })

  test('that cannot be asked does not matter where another window is open', () => {
    const windows = [{ ...berlin, notOn: ['missing'] }, berlin]
    expect(resultOf({ time: windows }, factsOf(), calendars)).toBe('met')
  })

  test('is named once by the windows that ask for it', () => {
    const windows = [
      { ...berlin, notOn: ['holidays', 'freeze'] },
      { ...berlin, onlyOn: ['releases'], notOn: ['freeze'] },
    ]
    expect(windowsOf(...windows).calendars.toSorted()).toEqual(['freeze', 'holidays', 'releases'])
  })

  test('that a window names twice counts once', () => {
    const window = { ...berlin, notOn: ['holidays', 'freeze', 'holidays'], onlyOn: ['releases', 'releases'] }
    const [shown] = testsOf({ time: [window] }, factsOf(), calendars)
    expect(shown?.expected).toMatchObject([{ notOn: ['holidays', 'freeze'], onlyOn: ['releases'] }])
  })

  test('is shown with its version, and with null where it is not there', () => {
    const window = { ...berlin, notOn: ['holidays', 'missing'], onlyOn: ['holidays'] }
    const [shown] = testsOf({ time: [window] }, factsOf(), calendars)
    expect(shown?.found).toMatchObject({ calendars: { holidays: 'v-holidays', missing: null } })
  })
})
