import { any, bool, double, duration, int, listOf, type Shape, string, timestamp } from './expression-shape.ts'

/** One way to call a function: what it takes (a method's receiver first) and what it gives. */
export interface Overload {
  readonly takes: readonly Shape[]
  readonly gives: Shape
}

const list = listOf(any)
const gives = (result: Shape, ...each: readonly (readonly Shape[])[]): readonly Overload[] =>
  each.map(takes => ({ takes, gives: result }))

const numbers: readonly (readonly Shape[])[] = [
  [int, int],
  [double, double],
  [int, double],
  [double, int],
]
const ordered = gives(bool, ...numbers, [string, string], [timestamp, timestamp], [duration, duration])
const arithmetic = [...gives(int, [int, int]), ...gives(double, [double, double])]
const partOfTime = gives(int, [timestamp], [timestamp, string])
const partOfDuration = [...partOfTime, ...gives(int, [duration])]
const aboutText = gives(bool, [string, string])

/** The functions of CEL's standard library that an expression may call, operators among them. There are no others. */
export const functions: Readonly<Record<string, readonly Overload[]>> = {
  '!_': gives(bool, [bool]),
  '_&&_': gives(bool, [bool, bool]),
  '_||_': gives(bool, [bool, bool]),
  '@not_strictly_false': gives(bool, [bool]),
  '_<_': ordered,
  '_<=_': ordered,
  '_>_': ordered,
  '_>=_': ordered,
  '_+_': [
    ...arithmetic,
    ...gives(string, [string, string]),
    ...gives(duration, [duration, duration]),
    ...gives(timestamp, [timestamp, duration], [duration, timestamp]),
    ...gives(list, [list, list]),
  ],
  '_-_': [
    ...arithmetic,
    ...gives(duration, [timestamp, timestamp], [duration, duration]),
    ...gives(timestamp, [timestamp, duration]),
  ],
  '_*_': arithmetic,
  '_/_': arithmetic,
  '_%_': gives(int, [int, int]),
  '-_': [...gives(int, [int]), ...gives(double, [double])],
  size: gives(int, [string], [list]),
  contains: aboutText,
  startsWith: aboutText,
  endsWith: aboutText,
  matches: aboutText,
  int: gives(int, [int], [double], [string]),
  double: gives(double, [double], [int], [string]),
  string: gives(string, [string], [bool], [int], [double], [timestamp]),
  timestamp: gives(timestamp, [string]),
  duration: gives(duration, [string]),
  getFullYear: partOfTime,
  getMonth: partOfTime,
  getDate: partOfTime,
  getDayOfMonth: partOfTime,
  getDayOfWeek: partOfTime,
  getDayOfYear: partOfTime,
  getHours: partOfDuration,
  getMinutes: partOfDuration,
  getSeconds: partOfDuration,
}

/** Those that are called on a receiver: `text.startsWith('a')`. `size` may be called either way. */
export const methods: ReadonlySet<string> = new Set(
  Object.keys(functions).filter(name => /^(get[A-Z]|contains|startsWith|endsWith|matches)/.test(name)),
)
