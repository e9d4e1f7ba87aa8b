import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { problemText } from '../../shared/document.ts'
import { type Calendar, isOn, nextEdge, type Period, parseCalendar } from '../../shared/rules/calendar.ts'

const document = { schema: 1, id: 'holidays', days: ['2026-12-25'], knownUntil: '2026-12-31' }

function calendar(content: object): Calendar {
  const parsed = parseCalendar({ content: { ...document, ...content }, version: '"7"' })
  if ('problems' in parsed) throw new Error(parsed.problems.map(problemText).join())
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

describe('the periods of a calendar', () => {
  const start = Date.parse('2026-06-01T00:00:00Z')
  const day = dayOf('2026-06-01')

  function ofPeriods(periods: readonly Period[]): Calendar {
    const instants = periods.map(({ from, to }) => ({
      from: new Date(start + from).toISOString(),
      to: new Date(start + to).toISOString(),
    }))
    return calendar({ days: [], knownUntil: undefined, periods: instants })
  }

  /** The next edge after a number of milliseconds from the start. */
  const edgeAfter = (found: Calendar, time: number) => nextEdge(found, start + time) - start

  /** So many within so few milliseconds that most overlap, touch or hold one another. */
  const span = 60
  const anyPeriod = fc
    .tuple(fc.nat(span - 1), fc.integer({ min: 1, max: 12 }))
    .map(([from, length]) => ({ from, to: Math.min(span, from + length) }))
  const anyPeriods = fc.array(anyPeriod, { maxLength: 12 })
  const anyTime = fc.integer({ min: -2, max: span + 2 })
  const runs = { numRuns: 2_000, seed: 504 }

  test('are judged as they stand, whichever overlap, touch or come first', () => {
    fc.assert(
      fc.property(anyPeriods, anyTime, (periods, time) => {
        const expected = periods.some(({ from, to }) => from <= time && time < to)
        expect(isOn(ofPeriods(periods), day, start + time)).toBe(expected)
      }),
      runs,
    )
  })

  test('next begin or end where somebody who looks at every millisecond sees it', () => {
    fc.assert(
      fc.property(anyPeriods, anyTime, (periods, time) => {
        const isWithin = (at: number) => periods.some(({ from, to }) => from <= at && at < to)
        const later = Array.from({ length: span + 1 }, (_, at) => at).filter(at => at > time)
        const expected = later.find(at => isWithin(at) !== isWithin(time)) ?? Number.POSITIVE_INFINITY
        expect(edgeAfter(ofPeriods(periods), time)).toBe(expected)
      }),
      runs,
    )
  })

  test.each([
    ['before them all', -1, 0],
    ['as the first begins', 0, 20],
    ['where it touches the next', 10, 20],
    ['as they end', 20, 30],
    ['within one that lies in another', 35, 50],
    ['after them all', 50, Number.POSITIVE_INFINITY],
  ])('asked %s, next begin or end where they do together', (_, time, expected) => {
    const periods = [
      { from: 30, to: 50 },
      { from: 10, to: 20 },
      { from: 0, to: 10 },
      { from: 34, to: 36 },
    ]
    expect(edgeAfter(ofPeriods(periods), time)).toBe(expected)
  })

  test('are searched by halves: of a thousand, a decision looks at eleven at most', () => {
    const thousand = Array.from({ length: 1_000 }, (_, index) => ({ from: index * 10, to: index * 10 + 5 }))
    const found = ofPeriods(thousand)
    let looks = 0
    const periods = new Proxy(found.periods, {
      get(all, name) {
        if (/^\d+$/.test(String(name))) looks += 1
        return Reflect.get(all, name)
      },
    })
    for (const ask of [
      (time: number) => isOn({ ...found, periods }, day, time),
      (time: number) => nextEdge({ ...found, periods }, time),
    ]) {
      for (const { from } of thousand) {
        looks = 0
        ask(start + from)
        expect(looks).toBeGreaterThan(0)
        expect(looks).toBeLessThanOrEqual(11)
      }
    }
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
    expect('problems' in parsed ? parsed.problems.map(problemText).join() : parsed).toContain(expected)
  })
})

function period(from: string, to: string): object {
  return { from: `2026-01-01T${from}:00:00Z`, to: `2026-01-01T${to}:00:00Z` }
}
