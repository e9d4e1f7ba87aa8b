import { type Conversion, calendarFromICalendar } from '../../shared/rules/icalendar.ts'

/** The day on which everything is uploaded. */
export const today = Date.parse('2026-06-01T10:00:00Z')

/** Lines as they stand in a file. */
export function icalendar(...lines: readonly string[]): string {
  return ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//Example//EN', ...lines, 'END:VCALENDAR', ''].join('\r\n')
}

export function event(...lines: readonly string[]): string {
  return ['BEGIN:VEVENT', 'UID:1@example.com', 'SUMMARY:Freeze', ...lines, 'END:VEVENT'].join('\r\n')
}

/** Central Europe, as Outlook describes it: since 1601, though that is no Sunday. */
export const outlookZone = [
  'BEGIN:VTIMEZONE',
  'TZID:W. Europe Standard Time',
  'BEGIN:STANDARD',
  'DTSTART:16010101T030000',
  'TZOFFSETFROM:+0200',
  'TZOFFSETTO:+0100',
  'RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10',
  'END:STANDARD',
  'BEGIN:DAYLIGHT',
  'DTSTART:16010101T020000',
  'TZOFFSETFROM:+0100',
  'TZOFFSETTO:+0200',
  'RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3',
  'END:DAYLIGHT',
  'END:VTIMEZONE',
]

export function upload(text: string, now = today): Conversion {
  return calendarFromICalendar({ id: 'holidays', text, now })
}

/** The calendar that it becomes. Throws where it is refused. */
export function calendarOf(text: string, now = today) {
  const result = upload(text, now)
  if ('problems' in result) throw new Error(result.problems.join('\n'))
  return result.calendar
}

export const daysOf = (...lines: readonly string[]) => calendarOf(icalendar(event(...lines))).days

export const periodsOf = (...lines: readonly string[]) =>
  calendarOf(icalendar(event(...lines))).periods.map(({ from, to }) => `${shown(from)} ${shown(to)}`)

/** To the minute. */
const shown = (time: string) => time.replace(':00.000Z', 'Z')

export function problemsOf(text: string): readonly string[] {
  const result = upload(text)
  return 'problems' in result ? result.problems : []
}
