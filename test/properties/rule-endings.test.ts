import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Calendars } from '../../shared/rules/calendar.ts'
import { decide } from '../../shared/rules/decide.ts'
import { parseRule } from '../../shared/rules/ruleset.ts'
import { allow, factsOf, minute, type RuleDocument, rulesetWith } from '../rules/facts.ts'
import { calendars } from './rule-arbitraries.ts'
import { window } from './rule-condition-arbitraries.ts'
import { instant, sparse } from './rule-facts-arbitraries.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 1_000, seed: 24 }

/** No credential lives longer, so that nobody looks further ahead. */
const aDay = 24 * 60 * minute

const ending = fc
  .tuple(
    sparse({ expiresAt: instant.map(time => new Date(time).toISOString()) }, 0.3),
    fc.record({ time: fc.array(window, { minLength: 1, maxLength: 3 }) }),
    sparse({ outlive: fc.boolean() }, 0.4),
  )
  .map(([validity, conditions, grant]) => ({ ...validity, conditions, grant }))

/** Minutes of a day, more of them near the hours at which windows and clocks change. */
const minuteOfDay = fc.oneof(
  fc.nat(24 * 60 - 1),
  fc.nat(47).map(half => half * 30),
)

/** Whether every rule is in force at a time, but for those whose credentials may outlive them. */
function areInForce(documents: readonly RuleDocument[], time: number, known: Calendars): boolean {
  const rules = documents.map(parseRule).flatMap(parsed => ('rule' in parsed ? parsed.rule : []))
  return rules.every(rule => {
    if (rule.effect === 'allow' && rule.grant.outlive) return true
    const windows = rule.conditions.time?.conditions ?? []
    const findings = windows.map(condition => condition.judge(factsOf({ time }), known))
    const isValid = rule.expiresAt === undefined || time < Date.parse(rule.expiresAt)
    return isValid && findings.every(finding => 'met' in finding && finding.met)
  })
}

test('a credential ends with the first of the windows and rules that give it, and not before', () => {
  const counts = { ending: 0, lasting: 0 }
  const moments = fc.array(minuteOfDay, { minLength: 20 })
  fc.assert(
    fc.property(ending, ending, calendars, instant, moments, (one, other, known, time, minutes) => {
      const documents = [allow('a', one), allow('b', { ...other, scopes: ['write'] })]
      const decision = decide(rulesetWith(known, ...documents), factsOf({ time, scopes: ['read', 'write'] }))
      if (decision.outcome === 'denied') return
      const { endsAt = Number.POSITIVE_INFINITY } = decision.grant
      counts[endsAt - time < aDay ? 'ending' : 'lasting'] += 1
      const before = [endsAt - 1, ...minutes.map(each => time + each * minute)]
      const within = before.filter(at => at < endsAt && at - time < aDay)
      expect(within.filter(at => !areInForce(documents, at, known))).toEqual([])
      if (Number.isFinite(endsAt)) expect(areInForce(documents, endsAt, known)).toBe(false)
    }),
    runs,
  )
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(30)
})
