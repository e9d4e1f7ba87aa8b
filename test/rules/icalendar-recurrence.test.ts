import fc from 'fast-check'
import ICAL from 'ical.js'
import { describe, expect, test } from 'vitest'
import { type CalendarDocument, parseCalendar } from '../../shared/rules/calendar.ts'
import { calendarOf, event, icalendar, outlookZone, periodsOf, problemsOf, today, upload } from './icalendar-text.ts'

const everyFirstOfJune = 'BYMONTH=6;BYMONTHDAY=1'

/** The first so many days of a recurrence, for one who uploads it on the day on which it begins. */
function daysFrom(start: string, rule: string, count: number): readonly string[] {
  const now = Date.parse(`${dashed(start)}T10:00:00Z`)
  return calendarOf(icalendar(event(`DTSTART;VALUE=DATE:${start}`, `RRULE:${rule}`)), now).days.slice(0, count)
}

const fiveYearsAfter = (day: string) => `${Number(day.slice(0, 4)) + 5}${day.slice(4)}`

const dashed = (day: string) => `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}`

describe('the examples of RFC 5545 section 3.8.5.3', () => {
  test.each<[string, string, string]>([
    ['19970902', 'FREQ=DAILY;INTERVAL=10;COUNT=5', '0902 0912 0922 1002 1012'],
    [
      '19970902',
      'FREQ=WEEKLY;UNTIL=19971007;WKST=SU;BYDAY=TU,TH',
      '0902 0904 0909 0911 0916 0918 0923 0925 0930 1002 1007',
    ],
    ['19970901', 'FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR;COUNT=6', '0901 0903 0905 0915 0917 0919'],
    ['19970805', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO', '0805 0810 0819 0824'],
    ['19970805', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU', '0805 0817 0819 0831'],
    ['19970905', 'FREQ=MONTHLY;COUNT=4;BYDAY=1FR', '0905 1003 1107 1205'],
    ['19970907', 'FREQ=MONTHLY;INTERVAL=2;COUNT=6;BYDAY=1SU,-1SU', '0907 0928 1102 1130 0104 0125'],
    ['19970922', 'FREQ=MONTHLY;COUNT=6;BYDAY=-2MO', '0922 1020 1117 1222 0119 0216'],
    ['19970928', 'FREQ=MONTHLY;BYMONTHDAY=-3', '0928 1029 1128 1229 0129 0226'],
    ['19970930', 'FREQ=MONTHLY;COUNT=6;BYMONTHDAY=1,-1', '0930 1001 1031 1101 1130 1201'],
    ['19970610', 'FREQ=YEARLY;COUNT=4;BYMONTH=6,7', '0610 0710 0610 0710'],
    ['19970101', 'FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200', '0101 0410 0719 0101 0409 0718'],
    ['19970519', 'FREQ=YEARLY;BYDAY=20MO', '0519 0518 0517'],
    ['19970313', 'FREQ=YEARLY;BYMONTH=3;BYDAY=TH', '0313 0320 0327 0305 0312'],
    ['19980213', 'FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13', '0213 0313 1113 0813 1013'],
    ['19970913', 'FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13', '0913 1011 1108 1213 0110 0207'],
    ['19961105', 'FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8', '1105 1107'],
    ['19970904', 'FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3', '0904 1007 1106'],
    ['19970929', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2', '0929 1030 1127 1230 0129 0226'],
    ['20070115', 'FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5', '0115 0130 0215 0315 0330'],
  ])('DTSTART %s, %s', (start, rule, expected) => {
    const days = expected.split(' ')
    expect(daysFrom(start, rule, days.length).map(day => day.slice(5).replace('-', ''))).toEqual(days)
  })
})

test('a day that a month or year does not have is left out', () => {
  expect(daysFrom('20240229', 'FREQ=YEARLY', 2)).toEqual(['2024-02-29', '2028-02-29'])
  expect(daysFrom('20260131', 'FREQ=MONTHLY', 3)).toEqual(['2026-01-31', '2026-03-31', '2026-05-31'])
})

test('a recurrence since the year 1 is one, as some programs write them', () => {
  const text = icalendar(event('DTSTART;VALUE=DATE:00010101', 'RRULE:FREQ=YEARLY'))
  expect(calendarOf(text).days.slice(0, 2)).toEqual(['2026-01-01', '2027-01-01'])
})

describe('the times of a recurrence', () => {
  const starts = (...lines: readonly string[]) =>
    periodsOf(...lines, 'DURATION:PT30M').map(period => period.slice(0, 'YYYY-MM-DDTHH:MMZ'.length))

  test('are the same by the clocks, also on the day on which they skip it', () => {
    const lines = ['DTSTART;TZID=Europe/Berlin:20270327T023000', 'RRULE:FREQ=DAILY;COUNT=3']
    expect(starts(...lines)).toEqual(['2027-03-27T01:30Z', '2027-03-28T01:30Z', '2027-03-29T00:30Z'])
  })

  test('end with the moment of UNTIL, whatever day it is by the clocks', () => {
    const lines = ['DTSTART;TZID=Pacific/Kiritimati:20261224T080000', 'RRULE:FREQ=DAILY;UNTIL=20261225T180000Z']
    expect(starts(...lines)).toEqual(['2026-12-23T18:00Z', '2026-12-24T18:00Z', '2026-12-25T18:00Z'])
    const before = lines.map(line => line.replace('T180000Z', 'T175959Z'))
    expect(starts(...before)).toEqual(['2026-12-23T18:00Z', '2026-12-24T18:00Z'])
  })
})

describe('where ical.js is right, its own iterator agrees', () => {
  const weekdays = fc.subarray(['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'], { minLength: 1 }).map(days => days.join())
  const interval = fc.integer({ min: 1, max: 5 })
  const rules: readonly fc.Arbitrary<string>[] = [
    interval.map(n => `FREQ=DAILY;INTERVAL=${n}`),
    fc.tuple(interval, weekdays).map(([n, days]) => `FREQ=WEEKLY;INTERVAL=${n};BYDAY=${days}`),
    fc.tuple(interval, fc.integer({ min: 1, max: 28 })).map(([n, d]) => `FREQ=MONTHLY;INTERVAL=${n};BYMONTHDAY=${d}`),
    fc
      .tuple(fc.constantFrom(1, 2, 3, 4, -1, -2), fc.constantFrom('MO', 'FR', 'SU'))
      .map(p => `FREQ=MONTHLY;BYDAY=${p.join('')}`),
    fc
      .tuple(interval, fc.integer({ min: 1, max: 12 }))
      .map(([n, m]) => `FREQ=YEARLY;INTERVAL=${n};BYMONTH=${m};BYDAY=-1MO`),
  ]

  test.each(rules.map((rule, index) => [index, rule] as const))('%i', (_, anyRule) => {
    fc.assert(
      fc.property(anyRule, fc.integer({ min: 20_000, max: 22_000 }), (rule, day) => {
        const iterate = (from: InstanceType<typeof ICAL.Time>) => ICAL.Recur.fromString(rule).iterator(from)
        const any = ICAL.Time.fromDateString(new Date(day * 86_400_000).toISOString().slice(0, 10))
        const first = iterate(any).next().clone()
        const iterator = iterate(first)
        const expected = Array.from({ length: 4 }, () => iterator.next().toString()).filter(
          day => day < fiveYearsAfter(first.toString()),
        )
        expect(daysFrom(first.toString().replaceAll('-', ''), rule, expected.length)).toEqual(expected)
      }),
      { seed: 5545 },
    )
  })
})

describe('what is known', () => {
  const known = (...lines: readonly string[]) =>
    calendarOf(icalendar(event('DTSTART;VALUE=DATE:20261224', ...lines))).knownUntil

  test.each<[string, string | undefined, readonly string[]]>([
    ['an endless recurrence', '2031-06-01', ['RRULE:FREQ=YEARLY']],
    ['one of every day', '2031-06-01', ['RRULE:FREQ=DAILY']],
    ['one of every day that UNTIL ends before', undefined, ['RRULE:FREQ=DAILY;UNTIL=20310601']],
    ['one that COUNT ends after five years', '2031-06-01', ['RRULE:FREQ=YEARLY;COUNT=6']],
    ['one that COUNT ends before', undefined, ['RRULE:FREQ=YEARLY;COUNT=5']],
    ['one that UNTIL ends after five years', '2031-06-01', ['RRULE:FREQ=YEARLY;UNTIL=20320101']],
    ['one that UNTIL ends before', undefined, ['RRULE:FREQ=YEARLY;UNTIL=20310101']],
    ['a date after five years', '2031-06-01', ['RDATE;VALUE=DATE:20400101']],
  ])('of %s is until %s', (_, expected, lines) => {
    expect(known(...lines)).toBe(expected)
  })

  test('of an event after five years is until then', () => {
    expect(calendarOf(icalendar(event('DTSTART;VALUE=DATE:20400101')))).toMatchObject({
      days: [],
      knownUntil: '2031-06-01',
    })
  })

  test('is every occurrence up to the last moment of that day in any zone', () => {
    const lines = [
      'DTSTART;TZID=Pacific/Kiritimati:20260601T000000',
      'DURATION:PT1H',
      'RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE',
    ]
    const { periods, knownUntil } = calendarOf(icalendar(event(...lines)))
    expect(knownUntil).toBe('2031-06-01')
    const endOfDay = Date.parse('2031-06-01T23:59:59-12:00')
    // Until then it is Monday in Kiritimati, 2 June.
    expect(periods.at(-1)).toMatchObject({ from: '2031-06-02T10:00:00.000Z' })
    expect(Date.parse(periods.at(-1)?.from ?? '') + 86_400_000).toBeGreaterThan(endOfDay)
  })
})

describe('a recurrence that cannot be expanded for certain, or not in time, is refused', () => {
  test.each<[string, string, string]>([
    ['20260601', 'FREQ=SECONDLY', 'RRULE FREQ: expected DAILY, WEEKLY, MONTHLY or YEARLY'],
    ['20260601', 'FREQ=HOURLY;INTERVAL=24', 'RRULE FREQ: expected DAILY, WEEKLY, MONTHLY or YEARLY'],
    ['20260601', 'FREQ=DAILY;BYHOUR=1,2', 'RRULE: expected no BYHOUR'],
    ['20260601', 'FREQ=YEARLY;BYWEEKNO=23', 'RRULE: expected no BYWEEKNO'],
    ['20260601', 'FREQ=DAILY;INTERVAL=2000000000', 'RRULE INTERVAL: '],
    ['20260601', 'FREQ=DAILY;COUNT=0', 'RRULE COUNT: '],
    ['20260601', 'FREQ=DAILY;COUNT=2;UNTIL=20260701', 'expected COUNT or UNTIL, not both'],
    ['20260601', 'FREQ=DAILY;UNTIL=20260701T000000Z', 'RRULE UNTIL: expected a DATE as DTSTART is'],
    ['20260601', 'FREQ=DAILY;UNTIL=20260501', 'expected DTSTART to be its first occurrence'],
    ['20260601', 'FREQ=WEEKLY;BYMONTHDAY=1', 'RRULE: BYMONTHDAY MUST NOT be used when FREQ is WEEKLY'],
    ['20260601', 'FREQ=WEEKLY;BYDAY=1MO', 'RRULE: BYDAY with numeric value MUST NOT be used'],
    ['20260601', 'FREQ=MONTHLY;BYYEARDAY=152', 'RRULE: BYYEARDAY MUST NOT be used when FREQ is DAILY'],
    ['20260601', 'FREQ=MONTHLY;BYMONTHDAY=0', 'RRULE BYMONTHDAY: expected another number than 0'],
    ['20260601', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'expected DTSTART to be its first occurrence'],
    // rrule-temporal 2.2.7 would leave days out of these, or add others.
    ['20270101', 'FREQ=YEARLY;BYDAY=53FR', 'RRULE BYDAY: expected numbers up to 52'],
    ['20260601', 'FREQ=YEARLY;BYDAY=MO,20TU', 'RRULE: expected BYMONTH, or all of BYDAY with numbers'],
    ['20260601', 'FREQ=YEARLY;BYDAY=22MO;BYMONTHDAY=1', 'RRULE: expected BYMONTH, or all of BYDAY with numbers'],
    ['20260601', 'FREQ=YEARLY;BYYEARDAY=152;BYDAY=MO', 'RRULE: expected BYYEARDAY without'],
    ['20260601', 'FREQ=YEARLY;BYYEARDAY=152;BYMONTHDAY=1', 'RRULE: expected BYYEARDAY without'],
    ['20260601', 'FREQ=YEARLY;BYYEARDAY=152;BYSETPOS=1', 'RRULE: expected BYYEARDAY without'],
    // Whoever looks for the first day of these without a limit never finds one.
    ['20260601', 'FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30', 'expected DTSTART to be its first occurrence'],
    ['20260601', 'FREQ=DAILY;INTERVAL=7;BYDAY=TU', 'expected DTSTART to be its first occurrence'],
    ['20260201', 'FREQ=MONTHLY;INTERVAL=48;BYDAY=5SU', 'expected DTSTART to be its first occurrence'],
  ])('DTSTART %s, %s', (start, rule, expected) => {
    const [problem, ...others] = problemsOf(icalendar(event(`DTSTART;VALUE=DATE:${start}`, `RRULE:${rule}`)))
    expect(problem).toContain(expected)
    expect(others).toEqual([])
  })

  test('two rules of one event', () => {
    const text = icalendar(event('DTSTART;VALUE=DATE:20260601', 'RRULE:FREQ=DAILY', 'RRULE:FREQ=WEEKLY'))
    expect(problemsOf(text)).toEqual(['event "Freeze": expected one RRULE'])
  })

  test('a time zone that changes every second', () => {
    const zone = [
      'BEGIN:VTIMEZONE',
      'TZID:Odd',
      'BEGIN:STANDARD',
      'DTSTART:20000101T000000',
      'TZOFFSETFROM:+0100',
      'TZOFFSETTO:+0200',
      'RRULE:FREQ=SECONDLY',
      'END:STANDARD',
      'END:VTIMEZONE',
    ]
    const text = icalendar(...zone, event('DTSTART;TZID=Odd:20260601T120000', 'DURATION:PT1H'))
    expect(problemsOf(text)).toEqual([expect.stringContaining('RRULE FREQ: expected DAILY')])
  })

  test.each([
    ['a thousand events of every year', '20260601', 'FREQ=YEARLY', 1_000, true],
    ['a thousand that COUNT ended long ago', '20000103', 'FREQ=WEEKLY;COUNT=5', 1_000, true],
    ['a thousand that UNTIL ended long ago', '20000103', 'FREQ=WEEKLY;UNTIL=20000201', 1_000, true],
    ['the days of forty-five years, looked through for one', '19860601', `FREQ=DAILY;${everyFirstOfJune}`, 1, true],
    ['the same, twice', '19860601', `FREQ=DAILY;${everyFirstOfJune}`, 2, false],
    ['every other day of forty-five years', '19860601', 'FREQ=DAILY;INTERVAL=2', 1, true],
    ['the days of forty-five years', '19860601', 'FREQ=DAILY', 1, false],
    ['every other day of forty-five years, three times', '19860601', 'FREQ=DAILY;INTERVAL=2', 3, false],
    ['the weeks of two thousand years', '00010101', 'FREQ=WEEKLY', 1, false],
    ['the days of two thousand years', '00010101', 'FREQ=YEARLY;BYDAY=SU,MO,TU,WE,TH,FR,SA;BYSETPOS=152', 1, false],
  ])('more than 20,000 steps in all: %s', (_, start, rule, count, isAccepted) => {
    const once = event(`DTSTART;VALUE=DATE:${start}`, `RRULE:${rule}`)
    const problems = problemsOf(icalendar(...Array(count).fill(once)))
    const refusal = 'event "Freeze": expected recurrences to take 20000 steps at most'
    expect(problems).toEqual(isAccepted ? [] : [refusal])
  })

  test('more than 20,000 steps beside what begins later than is looked at', () => {
    const later = event('DTSTART;VALUE=DATE:20990101', 'RRULE:FREQ=DAILY')
    const often = event('DTSTART;VALUE=DATE:19860601', 'RRULE:FREQ=DAILY')
    expect(problemsOf(icalendar(later, often))).toEqual([expect.stringContaining('20000 steps at most')])
  })
})

/** Lines that make sense, and some that make none, put together at random. */
const anyText = fc
  .array(
    fc.record({
      start: fc.constantFrom(
        'DTSTART;VALUE=DATE:20261224',
        'DTSTART;VALUE=DATE:00000101',
        'DTSTART;VALUE=DATE:99991231',
        'DTSTART:20261224T235959Z',
        'DTSTART:00000101T000000Z',
        'DTSTART;TZID=America/New_York:20261224T120000',
        'DTSTART;TZID=Nowhere:20261224T120000',
        'DTSTART;TZID=W. Europe Standard Time:20261224T120000',
        'DTSTART;VALUE=RECUR:FREQ=DAILY',
      ),
      end: fc.constantFrom('', 'DURATION:P1D', 'DURATION:P3W', 'DTEND:20270101T000000Z', 'DTEND;VALUE=DATE:99991231'),
      rule: fc.constantFrom('', '', 'RRULE:FREQ=YEARLY', 'RRULE:FREQ=WEEKLY;COUNT=3', 'RRULE:FREQ=MONTHLY;BYDAY=-1TH'),
      more: fc.subarray([
        'RDATE;VALUE=DATE:20270103',
        'EXDATE;VALUE=DATE:20261224',
        'STATUS:CANCELLED',
        'STATUS;VALUE=RECUR:FREQ=DAILY',
      ]),
    }),
    { maxLength: 4 },
  )
  .map(events => events.map(({ start, end, rule, more }) => event(...[start, end, rule, ...more].filter(Boolean))))
  .map(events => icalendar(...outlookZone, ...events))

const spoilt = fc
  .tuple(
    anyText,
    fc.nat(),
    fc.nat(40),
    fc.constantFrom('', 'TZID:2\r\n', ':', ';', '"', '\n', '9', 'BEGIN:VEVENT\n', '\u0000', 'é'),
  )
  .map(([text, at, length, put]) => {
    const from = at % text.length
    return text.slice(0, from) + put + text.slice(from + length)
  })

function expectAccepted(calendar: CalendarDocument): void {
  const stored = JSON.parse(JSON.stringify(calendar))
  expect(parseCalendar({ content: stored, version: '1' })).toHaveProperty('calendar')
  expect(calendar.days).toEqual([...new Set(calendar.days)].toSorted())
}

test('whatever is uploaded, it is refused or becomes a calendar that is accepted, its days sorted and once each', () => {
  const outcomes = new Set<boolean>()
  fc.assert(
    fc.property(fc.oneof(anyText, spoilt, fc.string()), text => {
      const result = upload(text, today)
      outcomes.add('calendar' in result)
      if ('problems' in result) expect(result.problems).not.toEqual([])
      else expectAccepted(result.calendar)
    }),
    { numRuns: 500, seed: 5545 },
  )
  expect(outcomes.size).toBe(2)
})
