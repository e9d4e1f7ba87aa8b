/** The times at which a timer is due, in UTC as in Azure. */
export interface Schedule {
  /** The first time after `time`, to the second. */
  next(time: Date): Date
}

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const days = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

// 29 February on a given weekday comes once in 28 years, or in 40 across a century like 2100.
const horizonYears = 41

/**
 * Parses `{second} {minute} {hour} {day} {month} {day-of-week}` (five fields: at second 0): `*`, numbers, names of
 * months and days, ranges, steps, lists. Where both day fields are restricted, both must fit, as in NCrontab. Throws for
 * anything else, and for a schedule that is never due.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
 */
export function parseSchedule(text: string): Schedule {
  const fields = text.trim().split(/\s+/)
  if (fields.length === 5) fields.unshift('0')
  if (fields.length !== 6) throw new Error(`"${text}" is not a schedule: six fields expected`)
  const [second = '', minute = '', hour = '', day = '', month = '', weekday = ''] = fields
  const due: Due = {
    second: parseField(second, 0, 59),
    minute: parseField(minute, 0, 59),
    hour: parseField(hour, 0, 23),
    day: parseField(day, 1, 31),
    month: parseField(month, 1, 12, months),
    weekday: parseField(weekday, 0, 6, days),
  }
  findNext(due, new Date())
  return { next: time => findNext(due, time) }
}

interface Due {
  readonly second: ReadonlySet<number>
  readonly minute: ReadonlySet<number>
  readonly hour: ReadonlySet<number>
  readonly day: ReadonlySet<number>
  readonly month: ReadonlySet<number>
  readonly weekday: ReadonlySet<number>
}

function parseField(field: string, min: number, max: number, names: readonly string[] = []): ReadonlySet<number> {
  return new Set(field.split(',').flatMap(part => parsePart(part, min, max, names)))
}

function parsePart(part: string, min: number, max: number, names: readonly string[]): number[] {
  const [, all, from = '', to, step] = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part) ?? []
  const read = (text: string) => (names.includes(text.toUpperCase()) ? names.indexOf(text.toUpperCase()) + min : +text)
  const first = all ? min : read(from)
  // "5/10" runs on to the end, "5" stands for itself.
  const last = to ? read(to) : all || step ? max : first
  const every = Number(step ?? 1)
  if (!(from !== '' || all) || !(first >= min && last <= max && first <= last && every > 0)) {
    throw new Error(`"${part}" is not understood in a schedule`)
  }
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, index) => first + index * every)
}

/** Skips whole months, days, hours and minutes that do not fit. */
function findNext(due: Due, after: Date): Date {
  const time = new Date(Math.floor(after.getTime() / 1000) * 1000 + 1000)
  const horizon = after.getUTCFullYear() + horizonYears
  while (time.getUTCFullYear() <= horizon) {
    if (!due.month.has(time.getUTCMonth() + 1)) skipTo(time, time.getUTCMonth() + 1)
    else if (!due.day.has(time.getUTCDate()) || !due.weekday.has(time.getUTCDay())) time.setUTCHours(24, 0, 0)
    else if (!due.hour.has(time.getUTCHours())) time.setUTCMinutes(60, 0)
    else if (!due.minute.has(time.getUTCMinutes())) time.setUTCSeconds(60)
    else if (!due.second.has(time.getUTCSeconds())) time.setUTCSeconds(time.getUTCSeconds() + 1)
    else return time
  }
  throw new Error('the schedule is never due')
}

function skipTo(time: Date, month: number): void {
  time.setUTCMonth(month, 1)
  time.setUTCHours(0, 0, 0)
}
