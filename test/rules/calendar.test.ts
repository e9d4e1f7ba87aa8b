import { describe, expect, test } from 'vitest'
import { type Calendar, isOn, parseCalendar } from '../../shared/rules/calendar.ts'

const document = { schema: 1, id: 'holidays', days: ['2026-12-25'], knownUntil: '2026-12-31' }

function calendar(content: object): Calendar {
  const parsed = parseCalendar({ content: { ...document, ...content }, version: '"7"' })
  if ('problems' in parsed) throw new Error(parsed.problems.join())
  return parsed.calendar
}

const dayOf = (date: string) => Date.parse(date) / 86_400_000
const isOnAt = (found: Calendar, time: string) => isOn(found, dayOf(time.slice(0, 10)), Date.parse(time))

describe('what is on a calendar', () => {
  test.each<[string, boolean | undefined]>([
    ['2026-12-24T23:59:59Z', false],
    ['2026-12-25T00:00:00Z', true],
    ['2026-12-25T23:59:59Z', true],
    ['2026-12-26T00:00:00Z', false],
    ['2026-12-31T23:59:59Z', false],
    ['2027-01-01T00:00:00Z', undefined],
  ])('of a calendar of 25 December that is known until the end of the year, %s: %s', (time, expected) => {
    expect(isOnAt(calendar({}), time)).toBe(expected)
  })

  test('is the local day that is asked about, whatever day it is in UTC', () => {
    expect(isOn(calendar({}), dayOf('2026-12-25'), Date.parse('2026-12-24T23:30:00Z'))).toBe(true)
    expect(isOn(calendar({}), dayOf('2026-12-26'), Date.parse('2026-12-25T23:30:00Z'))).toBe(false)
  })

  test.each([
    ['2026-12-18T16:59:59.999Z', false],
    ['2026-12-18T17:00:00Z', true],
    ['2026-12-20T12:00:00Z', true],
    ['2026-12-21T04:59:59.999Z', true],
    ['2026-12-21T05:00:00Z', false],
  ])('of a period from Friday evening to Monday morning in Berlin, %s: %s', (time, expected) => {
    const periods = [
      { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
      { from: '2026-12-18T18:00:00+01:00', to: '2026-12-21T06:00:00+01:00' },
    ]
    expect(isOnAt(calendar({ days: [], periods }), time)).toBe(expected)
  })

  test('is known for ever where the calendar says nothing else', () => {
    expect(isOnAt(calendar({ knownUntil: undefined }), '9999-12-31T00:00:00Z')).toBe(false)
  })
})

describe('a calendar document', () => {
  test('keeps the version that it is stored under', () => {
    expect(calendar({}).version).toBe('"7"')
  })

  test.each<[string, object, string]>([
    ['a day that is not there', { days: ['2026-02-29'] }, 'days[0]: Invalid ISO date, found "2026-02-29"'],
    ['a member that nobody knows', { day: [] }, 'document: Unrecognized key: "day"'],
    ['another schema', { schema: 2 }, 'schema: Invalid input: expected 1, found 2'],
    ['a period of no time zone', { periods: [{ from: '2026-01-01T00:00:00', to: '2026-01-02T00:00:00Z' }] }, 'from'],
    ['a period that ends as it begins', { periods: [period('00', '00')] }, 'periods[0]: expected "from" before "to"'],
    ['more than 4,000 days', { days: Array(4_001).fill('2026-01-01') }, 'days: Too big'],
    ['more than 1,000 periods', { periods: Array(1_001).fill(period('00', '01')) }, 'periods: Too big'],
  ])('with %s is refused, and told why', (_, content, expected) => {
    const parsed = parseCalendar({ content: { ...document, ...content }, version: '"7"' })
    expect('problems' in parsed ? parsed.problems.join() : parsed).toContain(expected)
  })
})

function period(from: string, to: string): object {
  return { from: `2026-01-01T${from}:00:00Z`, to: `2026-01-01T${to}:00:00Z` }
}
