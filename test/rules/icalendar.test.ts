import { describe, expect, test } from 'vitest'
import { calendarFromICalendar } from '../../shared/rules/icalendar.ts'
import {
  calendarOf,
  daysOf,
  event,
  icalendar,
  outlookZone,
  periodsOf,
  problemsOf,
  today,
  upload,
} from './icalendar-text.ts'

const withoutUid = (...lines: readonly string[]) => event(...lines).replace('UID:1@example.com\r\n', '')

/** As Google publishes them: transparent, and with days of observance among them. */
const germanHolidays = icalendar(
  'CALSCALE:GREGORIAN',
  'METHOD:PUBLISH',
  'X-WR-CALNAME:Feiertage in Deutschland',
  'X-WR-TIMEZONE:UTC',
  ...[
    ['20261225', '20261226', 'Erster Weihnachtstag'],
    ['20261226', '20261227', 'Zweiter Weihnachtstag'],
    ['20261003', '20261004', 'Tag der Deutschen Einheit'],
    ['20240101', '20240102', 'Neujahr'],
  ].flatMap(([start, end, summary]) => [
    'BEGIN:VEVENT',
    `DTSTART;VALUE=DATE:${start}`,
    `DTEND;VALUE=DATE:${end}`,
    'DTSTAMP:20260511T074139Z',
    `UID:${start}_vsamuvkbgh4ap8mlrpc7ahs81s@google.com`,
    'CLASS:PUBLIC',
    'CREATED:20250829T093123Z',
    'DESCRIPTION:Gesetzlicher Feiertag\\nUm Feiertage auszublenden\\, gehe zu den Google Kalend',
    '  er-Einstellungen',
    'SEQUENCE:0',
    'STATUS:CONFIRMED',
    `SUMMARY:${summary}`,
    'TRANSP:TRANSPARENT',
    'END:VEVENT',
  ]),
)

/** As Outlook exports it: from the last Friday of the month until Monday, once left out and once moved. */
const outlookFreeze = icalendar(
  'METHOD:PUBLISH',
  ...outlookZone,
  event(
    'DTSTART;TZID=W. Europe Standard Time:20260130T180000',
    'DTEND;TZID=W. Europe Standard Time:20260202T060000',
    'RRULE:FREQ=MONTHLY;UNTIL=20260529T160000Z;INTERVAL=1;BYDAY=-1FR',
    'EXDATE;TZID=W. Europe Standard Time:20260424T180000',
    'X-MICROSOFT-CDO-BUSYSTATUS:BUSY',
  ),
  event(
    'RECURRENCE-ID;TZID=W. Europe Standard Time:20260227T180000',
    'DTSTART;TZID=W. Europe Standard Time:20260220T120000',
    'DTEND;TZID=W. Europe Standard Time:20260220T130000',
  ),
)

describe('feeds as they are published', () => {
  test('public holidays become days in their order, without those of more than a year ago', () => {
    expect(calendarOf(germanHolidays)).toEqual({
      schema: 1,
      id: 'holidays',
      days: ['2026-10-03', '2026-12-25', '2026-12-26'],
      periods: [],
    })
  })

  test('a file that begins with a byte order mark is read', () => {
    expect(calendarOf(`\uFEFF${germanHolidays}`)).toEqual(calendarOf(germanHolidays))
  })

  test('a freeze becomes periods by the zone of the file, without the excluded and with the moved one', () => {
    const { days, periods, knownUntil } = calendarOf(outlookFreeze)
    expect({ days, knownUntil }).toEqual({ days: [], knownUntil: undefined })
    expect(periods).toEqual([
      { from: '2026-01-30T17:00:00.000Z', to: '2026-02-02T05:00:00.000Z' },
      { from: '2026-02-20T11:00:00.000Z', to: '2026-02-20T12:00:00.000Z' },
      // As long as the first, though the clocks go forward in between (RFC 5545 section 3.8.5.3).
      { from: '2026-03-27T17:00:00.000Z', to: '2026-03-30T05:00:00.000Z' },
      { from: '2026-05-29T16:00:00.000Z', to: '2026-06-01T04:00:00.000Z' },
    ])
  })
})

describe('all-day events', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['no end is one day', [], ['2026-12-24']],
    ['DTEND leaves that day out', ['DTEND;VALUE=DATE:20261227'], ['2026-12-24', '2026-12-25', '2026-12-26']],
    ['DURATION counts days', ['DURATION:P2D'], ['2026-12-24', '2026-12-25']],
    ['RDATE adds days', ['RDATE;VALUE=DATE:20261231,20261224'], ['2026-12-24', '2026-12-31']],
    ['TRANSP makes no difference', ['TRANSP:TRANSPARENT'], ['2026-12-24']],
    ['STATUS:CANCELLED is none', ['STATUS:CANCELLED'], []],
  ])('%s', (_, lines, expected) => {
    expect(daysOf('DTSTART;VALUE=DATE:20261224', ...lines)).toEqual(expected)
  })

  test('a day that two events name is there once', () => {
    const twice = [event('DTSTART;VALUE=DATE:20261224'), event('DTSTART;VALUE=DATE:20261224')]
    expect(calendarOf(icalendar(...twice)).days).toEqual(['2026-12-24'])
  })

  test('what began long ago is told of from a year ago', () => {
    expect(daysOf('DTSTART;VALUE=DATE:19990101', 'DTEND;VALUE=DATE:20250604')).toEqual([
      '2025-06-01',
      '2025-06-02',
      '2025-06-03',
    ])
  })
})

describe('timed events', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['UTC', ['DTSTART:20261224T120000Z', 'DTEND:20261224T130000Z'], ['2026-12-24T12:00Z 2026-12-24T13:00Z']],
    [
      'an IANA zone, without a VTIMEZONE',
      ['DTSTART;TZID=Europe/Berlin:20261224T120000', 'DURATION:PT30M'],
      ['2026-12-24T11:00Z 2026-12-24T11:30Z'],
    ],
    [
      'two zones',
      ['DTSTART;TZID=Europe/Berlin:20261224T120000', 'DTEND;TZID=America/New_York:20261224T120000'],
      ['2026-12-24T11:00Z 2026-12-24T17:00Z'],
    ],
    [
      'a DURATION of days, which are as long as the clocks make them',
      ['DTSTART;TZID=Europe/Berlin:20270327T120000', 'DURATION:P1DT1H'],
      ['2027-03-27T11:00Z 2027-03-28T11:00Z'],
    ],
    ['what was over a year ago', ['DTSTART:20250601T080000Z', 'DURATION:PT2H'], []],
    [
      'what was not over a year ago, from then on',
      ['DTSTART:00000101T000000Z', 'DTEND:20250601T100100Z'],
      ['2025-06-01T10:00Z 2025-06-01T10:01Z'],
    ],
    [
      'an RDATE that says DTSTART again',
      ['DTSTART:20261224T120000Z', 'DURATION:PT1H', 'RDATE:20261224T120000Z,20261225T120000Z'],
      ['2026-12-24T12:00Z 2026-12-24T13:00Z', '2026-12-25T12:00Z 2026-12-25T13:00Z'],
    ],
    [
      'an EXDATE in UTC',
      [
        'DTSTART;TZID=Europe/Berlin:20261224T120000',
        'DURATION:PT1H',
        'RRULE:FREQ=DAILY;COUNT=2',
        'EXDATE:20261224T110000Z',
      ],
      ['2026-12-25T11:00Z 2026-12-25T12:00Z'],
    ],
  ])('%s', (_, lines, expected) => {
    expect(periodsOf(...lines)).toEqual(expected)
  })

  test.each([
    ['that the clocks skip', '20270328T023000', '2027-03-28T01:30Z'],
    ['just before the clocks skip', '20270328T015959', '2027-03-28T00:59:59'],
    ['just after the skipped hour', '20270328T030000', '2027-03-28T01:00Z'],
    ['that the clocks repeat', '20261025T023000', '2026-10-25T00:30Z'],
    ['just after the repeated hour', '20261025T030000', '2026-10-25T02:00Z'],
  ])('a time %s is the same moment by a VTIMEZONE and by the IANA zone', (_, local, expected) => {
    const lines = (tzid: string) => event(`DTSTART;TZID=${tzid}:${local}`, 'DURATION:PT1S')
    const own = calendarOf(icalendar(...outlookZone, lines('W. Europe Standard Time')))
    expect(own.periods).toEqual(calendarOf(icalendar(lines('Europe/Berlin'))).periods)
    expect(own.periods[0]?.from.replace(':00.000Z', 'Z')).toContain(expected)
  })

  test('a VTIMEZONE counts before the IANA zone of the same name', () => {
    const zone = outlookZone.map(line => line.replace('W. Europe Standard Time', 'Asia/Tokyo'))
    const text = icalendar(...zone, event('DTSTART;TZID=Asia/Tokyo:20261224T120000', 'DURATION:PT1H'))
    expect(calendarOf(text).periods[0]?.from).toBe('2026-12-24T11:00:00.000Z')
  })

  test('a time before the first change of a VTIMEZONE is read by the offset before it', () => {
    const zone = [
      'BEGIN:VTIMEZONE',
      'TZID:New',
      'BEGIN:STANDARD',
      'DTSTART:20260601T000000',
      'RDATE:20270601T000000,20280601T000000',
      'TZOFFSETFROM:+0300',
      'TZOFFSETTO:+0430',
      'END:STANDARD',
      'END:VTIMEZONE',
    ]
    const at = (day: string) => event(`DTSTART;TZID=New:${day}T120000`, 'DURATION:PT1H')
    const { periods } = calendarOf(icalendar(...zone, at('20260501'), at('20260701')))
    expect(periods.map(({ from }) => from)).toEqual(['2026-05-01T09:00:00.000Z', '2026-07-01T07:30:00.000Z'])
  })
})

describe('an event that stands in for an occurrence', () => {
  const series = event('DTSTART;VALUE=DATE:20261201', 'RRULE:FREQ=DAILY;COUNT=3')
  const standIn = (...lines: readonly string[]) => event('RECURRENCE-ID;VALUE=DATE:20261202', ...lines)

  test.each<[string, readonly string[], readonly string[]]>([
    ['moves it', ['DTSTART;VALUE=DATE:20261210'], ['2026-12-01', '2026-12-03', '2026-12-10']],
    [
      'makes it longer',
      ['DTSTART;VALUE=DATE:20261202', 'DURATION:P3D'],
      ['2026-12-01', '2026-12-02', '2026-12-03', '2026-12-04'],
    ],
    ['cancels it', ['DTSTART;VALUE=DATE:20261202', 'STATUS:CANCELLED'], ['2026-12-01', '2026-12-03']],
  ])('%s', (_, lines, expected) => {
    expect(calendarOf(icalendar(standIn(...lines), series)).days).toEqual(expected)
  })

  test('leaves series of another UID alone', () => {
    const other = standIn('DTSTART;VALUE=DATE:20261210').replace('UID:1@', 'UID:2@')
    expect(calendarOf(icalendar(series, other)).days).toEqual(['2026-12-01', '2026-12-02', '2026-12-03', '2026-12-10'])
  })
})

describe('what cannot be read for certain is refused', () => {
  test.each<[string, readonly string[], string]>([
    ['a floating time', ['DTSTART:20261224T120000', 'DURATION:PT1H'], 'UTC or with a TZID, found a floating one'],
    ['an unknown zone', ['DTSTART;TZID=Berlin Time:20261224T120000'], 'an IANA time zone for TZID "Berlin Time"'],
    ['no start', [], 'expected DTSTART'],
    ['two starts', ['DTSTART;VALUE=DATE:20261224', 'DTSTART;VALUE=DATE:20261225'], 'expected one DTSTART'],
    ['a day that is not there', ['DTSTART;VALUE=DATE:20260229'], 'DTSTART: expected a DATE or a DATE-TIME'],
    ['an end before the start', ['DTSTART;VALUE=DATE:20261224', 'DTEND;VALUE=DATE:20261223'], 'an end after DTSTART'],
    ['a moment', ['DTSTART:20261224T120000Z'], 'expected an end after DTSTART'],
    ['an end of another kind', ['DTSTART;VALUE=DATE:20261224', 'DTEND:20261225T000000Z'], 'DTEND: expected a DATE as'],
    ['hours of a day', ['DTSTART;VALUE=DATE:20261224', 'DURATION:PT8H'], 'DURATION: expected whole days'],
    [
      'a DURATION back in time',
      ['DTSTART:20261224T120000Z', 'DURATION:-PT8H'],
      'DURATION: expected weeks, days or hours',
    ],
    ['two ends', ['DTSTART;VALUE=DATE:20261224', 'DURATION:P1D', 'DTEND;VALUE=DATE:20261225'], 'not both'],
    ['an end out of reach', ['DTSTART:20261224T120000Z', 'DURATION:P9999999D'], 'an end before the year 10000'],
    ['EXRULE', ['DTSTART;VALUE=DATE:20261224', 'EXRULE:FREQ=DAILY'], 'expected EXDATE instead of EXRULE'],
    ['an EXDATE of another kind', ['DTSTART;VALUE=DATE:20261224', 'EXDATE:20261224T000000Z'], 'expected a DATE as'],
    ['a PERIOD', ['DTSTART;VALUE=DATE:20261224', 'RDATE;VALUE=PERIOD:20261224T000000Z/P1D'], 'RDATE: expected'],
    [
      'a change of all that follows',
      ['RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20261224', 'DTSTART;VALUE=DATE:20261224'],
      'not RANGE=THISANDFUTURE',
    ],
  ])('%s', (_, lines, expected) => {
    const [problem, ...others] = problemsOf(icalendar(event(...lines)))
    expect(problem).toMatch(/^event "Freeze": /)
    expect(problem).toContain(expected)
    expect(others).toEqual([])
  })

  test.each([
    ['nothing', ''],
    ['a page', '<!DOCTYPE html>\n<title>Sign in</title>'],
    ['a file cut short', germanHolidays.slice(0, 600)],
    ['an address book', 'BEGIN:VCARD\nVERSION:4.0\nFN:A\nEND:VCARD'],
    ['two calendars', germanHolidays + germanHolidays],
    ['one that ends twice', `${germanHolidays}END:VCALENDAR\r\nEND:VCALENDAR\r\nX:1`],
  ])('%s is no calendar', (_, text) => {
    expect(problemsOf(text).join()).toMatch(/^expected (an iCalendar \(RFC 5545\)|one VCALENDAR)/)
  })

  test('every event that is wrong is named: by its summary, else by its UID, in 64 characters', () => {
    const nameless = withoutUid().replace('SUMMARY:Freeze\r\n', '')
    const wordy = event().replace('SUMMARY:Freeze', `SUMMARY:${'\\n'.repeat(10)}${'ä'.repeat(1_000)}`)
    const byUid = event().replace('SUMMARY:Freeze\r\n', '')
    expect(problemsOf(icalendar(nameless, wordy, event('DTSTART;VALUE=DATE:20261224'), byUid))).toEqual([
      'event without a name: expected DTSTART',
      `event "${'\\n'.repeat(10)}${'ä'.repeat(53)}…": expected DTSTART`,
      'event "1@example.com": expected DTSTART',
    ])
  })

  test('an occurrence that is replaced in a series that nobody can name', () => {
    const text = icalendar(withoutUid('RECURRENCE-ID;VALUE=DATE:20261224', 'DTSTART;VALUE=DATE:20261225'))
    expect(problemsOf(text)).toEqual(['event "Freeze": expected a UID with RECURRENCE-ID'])
  })

  test('an id that no calendar can have', () => {
    const result = calendarFromICalendar({ id: 'Holidays!', text: germanHolidays, now: today })
    expect(result).toMatchObject({ problems: [expect.stringContaining('id: expected lower-case letters')] })
  })
})

describe('what is too much is refused with its limit', () => {
  const nextDay = (count: number) => new Date(today + count * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')
  const days = (count: number) => event('DTSTART;VALUE=DATE:20260601', `DTEND;VALUE=DATE:${nextDay(count)}`)
  const hour = (index: number) => event(`DTSTART:${nextDay(index)}T120000Z`, 'DURATION:PT1H')
  const hours = (count: number) => icalendar(...Array.from({ length: count }, (_, index) => hour(index)))

  test.each<[string, string, string, string]>([
    ['events', hours(1_000), hours(1_000).replace('END:VCAL', `${hour(0)}\r\nEND:VCAL`), '1000 events'],
    ['days', icalendar(days(4_000)), icalendar(days(4_001)), '4000 days at most, with all recurrences'],
    [
      'periods',
      icalendar(event('DTSTART:20260601T120000Z', 'DURATION:PT1H', 'RRULE:FREQ=DAILY;COUNT=1000')),
      icalendar(event('DTSTART:20260601T120000Z', 'DURATION:PT1H', 'RRULE:FREQ=DAILY;COUNT=1001')),
      '1000 periods at most, with all recurrences',
    ],
    ['bytes', icalendar(`X-A:${'ä'.repeat(131_029)}`), icalendar(`X-A:${'ä'.repeat(131_073)}`), '262144 bytes at most'],
  ])('%s', (_, most, more, limit) => {
    expect(upload(most)).toHaveProperty('calendar')
    expect(problemsOf(more)).toEqual([expect.stringContaining(`expected ${limit}`)])
  })

  test.each([
    ['day', 'DTSTART;VALUE=DATE:20260601', 'DTEND;VALUE=DATE:99991231'],
    ['week', 'DTSTART;VALUE=DATE:20260601', 'DURATION:P999999999W'],
    ['days again and again', 'DTSTART;VALUE=DATE:20260601', 'DURATION:P400W', 'RRULE:FREQ=DAILY'],
  ])('an endless %s', (_, ...lines) => {
    expect(problemsOf(icalendar(event(...lines)))).toEqual([expect.stringContaining('expected 4000 days at most')])
  })
})
