import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import type { Decision } from '../../shared/rules/decision.ts'
import { explain } from '../../shared/rules/explain.ts'
import { scenario } from '../properties/rule-arbitraries.ts'
import { allow, deny, factsOf, minute, rulesetOf, rulesetWith, someoneElse } from './facts.ts'

const reportOnly = { state: 'report-only' }

/** What is decided, but for how it is shown. */
function decided({ trace: _, passedOver: __, ...decision }: Decision) {
  return decision
}

function rulesShown({ trace }: Decision): readonly string[] {
  return trace.map(({ rule }) => rule)
}

test('decides as an exchange would, whatever the rules and the request', () => {
  fc.assert(
    fc.property(scenario, ({ documents, calendars, facts }) => {
      const ruleset = rulesetWith(calendars, ...documents)
      expect(decided(explain(facts, ruleset).decision)).toEqual(decided(decide(ruleset, facts)))
    }),
    { seed: 31 },
  )
})

test('shows every rule once and in order, whoever it is about, where an exchange shows those about the workload', () => {
  const ruleset = rulesetOf(allow('b'), deny('c', someoneElse), deny('a', { ...someoneElse, target: '*' }))
  expect(rulesShown(decide(ruleset, factsOf()))).toEqual(['b'])
  const { decision } = explain(factsOf(), ruleset)
  expect(decision).toMatchObject({ outcome: 'allowed', passedOver: 0 })
  expect(rulesShown(decision)).toEqual(['a', 'b', 'c'])
  expect(decision.trace[2]?.tests.at(-1)).toMatchObject({ test: 'namespace', met: false, found: 'payments' })
})

test('shows every rule of a denial, beyond the few nearby ones that an exchange shows', () => {
  const ruleset = rulesetOf(...Array.from({ length: 50 }, (_, number) => allow(`rule-${number}`, someoneElse)))
  expect(decide(ruleset, factsOf()).trace.length).toBeLessThan(50)
  const { decision } = explain(factsOf(), ruleset)
  expect(decision).toMatchObject({ outcome: 'denied', reason: 'no_rule', passedOver: 0 })
  expect(new Set(rulesShown(decision)).size).toBe(50)
})

test('tells no other decision where every rule is enforced, a draft or disabled', () => {
  const ruleset = rulesetOf(allow('a'), deny('b', { state: 'draft' }), deny('c', { state: 'disabled' }))
  expect(explain(factsOf(), ruleset)).toEqual({ decision: expect.objectContaining({ outcome: 'allowed' }) })
})

test('a report-only deny denies nothing, and would if it were enforced', () => {
  const { decision, ifEnforced } = explain(factsOf(), rulesetOf(allow('a'), deny('b', reportOnly)))
  expect(decision).toMatchObject({ outcome: 'allowed', rules: [{ id: 'a' }] })
  expect(ifEnforced).toMatchObject({ outcome: 'denied', reason: 'denied_by_rule', rules: [{ id: 'b' }] })
})

test('what would be denied shows every rule once, as it would be enforced', () => {
  const { ifEnforced } = explain(factsOf(), rulesetOf(allow('a', someoneElse), deny('b', reportOnly)))
  expect(ifEnforced).toMatchObject({
    passedOver: 0,
    trace: [
      { rule: 'a', state: 'enforced' },
      { rule: 'b', state: 'enforced' },
    ],
  })
  expect(ifEnforced?.trace).toHaveLength(2)
})

test('a report-only allow gives nothing, and would if it were enforced', () => {
  const { decision, ifEnforced } = explain(factsOf(), rulesetOf(allow('a', reportOnly)))
  expect(decision).toMatchObject({ outcome: 'denied', reason: 'no_rule', trace: [{ rule: 'a', matched: true }] })
  expect(ifEnforced).toMatchObject({ outcome: 'allowed', rules: [{ id: 'a' }] })
})

test('a report-only limit of all targets limits nothing, and would if it were enforced', () => {
  const limit = { effect: 'limit', target: '*', limit: { ttl: 'PT1M' }, workloads: [{ issuer: '*' }] }
  const ruleset = rulesetOf(allow('a'), { schema: 1, id: 'b', ...limit, ...reportOnly })
  const { decision, ifEnforced } = explain(factsOf(), ruleset)
  expect(decision).toMatchObject({ grant: { ttl: 15 * minute }, limits: [] })
  expect(ifEnforced).toMatchObject({ grant: { ttl: minute }, limits: [{ id: 'b' }] })
})
