import type { Calendars } from '../calendar.ts'
import type { Facts } from '../facts.ts'

/** What a test came to, with what it found. `unevaluable` says why it cannot be evaluated. */
export type Finding =
  | { readonly met: boolean; readonly found?: unknown }
  | { readonly unevaluable: string; readonly found?: unknown }

/** One test of a rule beyond whom it is about, compiled once for each change of the rule. */
export interface Condition {
  /** Its name in traces. */
  readonly test: string
  readonly expected: unknown
  /** Pure, and never throws. */
  judge(facts: Facts, calendars: Calendars): Finding
}

/** A finding of three-valued logic: undefined where it cannot be evaluated, and then why. */
export function finding(met: boolean | undefined, found: unknown, unevaluable: string): Finding {
  return met === undefined ? { unevaluable, found } : { met, found }
}
