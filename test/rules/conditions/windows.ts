import { problemText } from '../../../shared/document.ts'
import { type Calendars, parseCalendar } from '../../../shared/rules/calendar.ts'
import type { TimeWindows } from '../../../shared/rules/conditions/time.ts'
import { parseRule } from '../../../shared/rules/ruleset.ts'
import { allow, factsOf, minute } from '../facts.ts'

/** A time window as a rule stores it. */
export interface Window {
  readonly timeZone: string
  readonly days?: readonly string[]
  readonly from?: string
  readonly to?: string
  readonly notOn?: readonly string[]
  readonly onlyOn?: readonly string[]
}

/** The windows of a rule, compiled. */
export function windowsOf(...windows: readonly Window[]): TimeWindows {
  const parsed = parseRule(allow('a', { conditions: { time: windows } }))
  const time = 'rule' in parsed && parsed.rule.conditions.time
  if (!time) throw new TypeError(`expected windows that are accepted: ${JSON.stringify(parsed)}`)
  return time
}

/** Calendars by id, of documents without what all of them have. */
export function calendarsOf(documents: Readonly<Record<string, object>>): Calendars {
  return new Map(
    Object.entries(documents).map(([id, members]) => {
      const parsed = parseCalendar({ content: { schema: 1, id, ...members }, version: `v-${id}` })
      if ('problems' in parsed) throw new TypeError(parsed.problems.map(problemText).join('; '))
      return [id, parsed.calendar]
    }),
  )
}

const noCalendars: Calendars = new Map()

/** Whether one of the windows is open; undefined where it cannot be told. */
export function isOpen(windows: TimeWindows, time: number, calendars = noCalendars): boolean | undefined {
  const finding = windows.conditions[0]?.judge(factsOf({ time }), calendars)
  return finding && 'met' in finding ? finding.met : undefined
}

/** When the windows are open, to the minute: `15:00/16:30` in UTC, for a day of 24 hours from the instant. */
export function openingsFrom(start: string, windows: TimeWindows, calendars = noCalendars): readonly string[] {
  const first = Date.parse(start)
  const open = Array.from(
    { length: 24 * 60 },
    (_, index) => isOpen(windows, first + index * minute, calendars) === true,
  )
  const edges = open.flatMap((now, index) => (now === (open[index - 1] ?? false) ? [] : [first + index * minute]))
  const texts = edges.map(edge => new Date(edge).toISOString().slice(11, 16))
  return texts.flatMap((text, index) => (index % 2 === 0 ? [`${text}/${texts[index + 1] ?? ''}`] : []))
}
