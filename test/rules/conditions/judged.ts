import { problemText } from '../../../shared/document.ts'
import type { Calendars } from '../../../shared/rules/calendar.ts'
import { decide } from '../../../shared/rules/decide.ts'
import type { TestTrace } from '../../../shared/rules/decision.ts'
import type { Facts } from '../../../shared/rules/facts.ts'
import { parseRule } from '../../../shared/rules/ruleset.ts'
import { allow, factsOf, rulesetWith } from '../facts.ts'

/** The conditions of a rule, as they are stored. */
export type Conditions = Readonly<Record<string, unknown>>

export type Result = 'met' | 'not met' | 'cannot be evaluated'

const ofEveryAllow = ['issuer', 'scopes', 'environment']

/** The tests that an allow makes for its conditions, as the trace of a decision shows them. */
export function testsOf(
  conditions: Conditions,
  facts: Facts = factsOf(),
  calendars: Calendars = new Map(),
): readonly TestTrace[] {
  expectAccepted(conditions)
  const [trace] = decide(rulesetWith(calendars, allow('a', { conditions })), facts).trace
  return (trace?.tests ?? []).filter(({ test }) => !ofEveryAllow.includes(test))
}

/** What conditions of one test come to. */
export function resultOf(conditions: Conditions, facts?: Facts, calendars?: Calendars): Result {
  const [test, ...others] = testsOf(conditions, facts, calendars)
  if (!test || others.length > 0) throw new TypeError('expected conditions of one test')
  if (test.unevaluable !== undefined) return 'cannot be evaluated'
  return test.met ? 'met' : 'not met'
}

/** Why a rule with these conditions is refused; nothing where it is accepted. */
export function problemsOf(conditions: Conditions): readonly string[] {
  const parsed = parseRule(allow('a', { conditions }))
  return 'problems' in parsed ? parsed.problems.map(problemText) : []
}

function expectAccepted(conditions: Conditions): void {
  const problems = problemsOf(conditions)
  if (problems.length > 0) throw new TypeError(`expected conditions that are accepted: ${problems.join('; ')}`)
}
