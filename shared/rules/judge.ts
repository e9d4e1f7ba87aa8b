import type { Calendars } from './calendar.ts'
import type { Condition, Finding } from './conditions/condition.ts'
import type { RuleTrace, TestTrace } from './decision.ts'
import type { Facts } from './facts.ts'
import type { CompiledRule } from './ruleset.ts'
import { type CompiledSelector, selects } from './selector.ts'

/** A rule and what became of it. */
export interface Judged {
  readonly compiled: CompiledRule
  readonly trace: RuleTrace
}

/**
 * Judges one rule: first whom it is about, then everything else that it tests, cheap before dear. All of the cheap tests
 * are made even where one is not met, so that an operator sees all that is to be mended. Pure, and never throws.
 */
export function judge(compiled: CompiledRule, facts: Facts, calendars: Calendars): Judged {
  const { rule, version, state } = compiled
  const { selected, tests } = select(compiled.selectors, facts)
  const meets = (conditions: readonly Condition[]): boolean => {
    const made = conditions.map(each => traceOf(each, each.judge(facts, calendars), rule.effect))
    tests.push(...made)
    return made.every(({ met }) => met)
  }
  const matched = selected && meets(compiled.tests) && meets(compiled.lastTests)
  const { id, target, effect } = rule
  return { compiled, trace: { rule: id, version, target, effect, state, selected, matched, tests } }
}

function select(selectors: readonly CompiledSelector[], facts: Facts): { selected: boolean; tests: TestTrace[] } {
  const tests: TestTrace[] = []
  for (const selector of selectors) {
    const result = selects(selector, facts)
    tests.push(...result.tests)
    if (result.met) return { selected: true, tests }
  }
  return { selected: false, tests }
}

/** What cannot be evaluated is not met for an allow, and met for a deny or a limit: so that not knowing never opens. */
function traceOf({ test, expected }: Condition, finding: Finding, effect: RuleTrace['effect']): TestTrace {
  const found = finding.found === undefined ? {} : { found: finding.found }
  if ('met' in finding) return { test, met: finding.met, expected, ...found }
  return { test, met: effect !== 'allow', expected, ...found, unevaluable: finding.unevaluable }
}
