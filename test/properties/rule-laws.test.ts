import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import { type Decision, denialReasons } from '../../shared/rules/decision.ts'
import type { Facts } from '../../shared/rules/facts.ts'
import { parseRule } from '../../shared/rules/ruleset.ts'
import { type RuleDocument, rulesetWith } from '../rules/facts.ts'
import { anyAllow, anyDeny, anyLimit, anyRestriction, anyRule, type Scenario, scenario } from './rule-arbitraries.ts'
import { word } from './rule-facts-arbitraries.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 700, seed: 5 }

function decided({ documents, calendars, facts }: Scenario, ...more: readonly RuleDocument[]): Decision {
  return decide(rulesetWith(calendars, ...documents, ...more), facts)
}

/** A rule of an id that no other has, before or after them all. */
const another = (rule: fc.Arbitrary<RuleDocument>) =>
  fc.tuple(rule, word('0', 'x')).map(([one, beginning]) => ({ ...one, id: `${beginning}-${one.id}` }))
const listed = (list: unknown, one: string) => Array.isArray(list) && list.includes(one)
const inForce = (decision: Decision) => decision.trace.filter(({ state, matched }) => state === 'enforced' && matched)

/** What a decision shows of the generator: its outcome, what it grants, and how each test came out. */
function sights(decision: Decision): readonly string[] {
  const tests = decision.trace.flatMap(({ selected, tests }) => (selected ? tests : []))
  const results = tests.map(
    ({ test, met, unevaluable }) => `${test.split(' ')[0]} ${unevaluable ? 'unevaluable' : met}`,
  )
  if (decision.outcome === 'denied') return [decision.reason, ...results]
  const { grant, limits } = decision
  return [
    'allowed',
    ...(limits.length > 0 ? ['limited'] : []),
    ...['endsAt', 'quota'].filter(name => name in grant),
    ...results,
  ]
}

test('the cases are worth judging: allowed, denied for every reason, and every test met, unmet and unevaluable', () => {
  const seen = fc.sample(scenario, runs).flatMap(one => sights(decided(one)))
  const reasons = denialReasons.filter(reason => reason !== 'rule_unreadable')
  const certain = ['notBefore', 'expiresAt', 'scopes', 'environment']
  const others = ['time', 'network', 'clientCountry', 'clusterRegion', 'posture', 'claims', 'expression']
  const expected = [
    ...['allowed', 'limited', 'endsAt', 'quota', ...reasons],
    ...[...certain, ...others].flatMap(name => [`${name} true`, `${name} false`]),
    ...others.map(name => `${name} unevaluable`),
  ]
  const seldom = expected.filter(sight => seen.filter(each => each === sight).length < 10)
  expect(seldom).toEqual([])
  expect(seen.filter(sight => sight === 'allowed').length).toBeGreaterThan(runs.numRuns / 6)
})

describe('law 1', () => {
  test('nobody has access but by enforced allows that match, one for each scope', () => {
    fc.assert(
      fc.property(scenario, one => {
        const decision = decided(one)
        if (decision.outcome === 'denied') return
        const matching = inForce(decision).filter(({ effect }) => effect === 'allow')
        const granting = one.documents.filter(({ id }) => matching.some(({ rule }) => rule === id))
        expect(one.facts.scopes).not.toEqual([])
        for (const scope of one.facts.scopes) {
          expect(granting.some(({ effect, scopes }) => effect === 'allow' && listed(scopes, scope))).toBe(true)
        }
        const others = one.documents.filter(({ effect }) => effect !== 'allow')
        expect(decided({ ...one, documents: others }).outcome).toBe('denied')
      }),
      runs,
    )
  })
})

describe('law 2', () => {
  test('a deny that matches wins over every allow, whatever its priority', () => {
    fc.assert(
      fc.property(scenario, another(anyDeny), (one, deny) => {
        const matches = inForce(decided({ ...one, documents: [deny] })).length > 0
        const decision = decided(one, deny)
        const isDenied = decision.outcome === 'denied' && decision.reason === 'denied_by_rule'
        if (matches) expect(isDenied).toBe(true)
        else expect(isDenied).toBe(inForce(decision).some(({ effect }) => effect === 'deny'))
      }),
      runs,
    )
  })
})

describe('law 3', () => {
  test('a ttl is the shortest of the one without limits and of every limit that matches, and nothing else changes', () => {
    const limits = fc.array(anyLimit, { maxLength: 4 }).map(all => all.map((one, at) => ({ ...one, id: `x-${at}` })))
    fc.assert(
      fc.property(scenario, limits, (one, more) => {
        const without = one.documents.filter(({ effect }) => effect !== 'limit')
        const before = decided({ ...one, documents: without })
        const after = decided({ ...one, documents: without }, ...more)
        expect(after.outcome).toBe(before.outcome)
        if (before.outcome === 'denied' || after.outcome === 'denied') return
        const matching = more.filter(({ id }) => after.limits.some(limit => limit.id === id)).map(parseRule)
        const bounds = matching.flatMap(one => ('rule' in one && one.rule.effect === 'limit' ? one.rule.limit.ttl : []))
        expect(before.grant.ttl).toBeLessThanOrEqual(one.facts.target.maxTtl)
        expect(after.grant).toEqual({ ...before.grant, ttl: Math.min(before.grant.ttl, ...bounds) })
      }),
      runs,
    )
  })
})

describe('law 4', () => {
  test('the order of storage never matters', () => {
    const shuffled = scenario.chain(one =>
      fc.tuple(fc.constant(one), fc.shuffledSubarray([...one.documents], { minLength: one.documents.length })),
    )
    fc.assert(
      fc.property(shuffled, ([one, documents]) => {
        expect(decided({ ...one, documents })).toEqual(decided(one))
      }),
      runs,
    )
  })

  const isAllowed = scenario.filter(one => decided(one).outcome === 'allowed')
  test('another allow never removes access', () => {
    fc.assert(
      fc.property(isAllowed, another(anyAllow), (one, allow) => {
        expect(decided(one, allow).outcome).toBe('allowed')
      }),
      runs,
    )
  })

  test('another deny or limit never gives access', () => {
    fc.assert(
      fc.property(scenario, another(anyRestriction), (one, restriction) => {
        if (decided(one).outcome === 'denied') expect(decided(one, restriction).outcome).toBe('denied')
      }),
      runs,
    )
  })
})

describe('law 5', () => {
  test('what cannot be evaluated is not met for an allow, and met for a deny or a limit', () => {
    fc.assert(
      fc.property(scenario, one => {
        for (const { effect, tests } of decided(one).trace) {
          for (const { met, unevaluable } of tests) if (unevaluable) expect(met).toBe(effect !== 'allow')
        }
      }),
      runs,
    )
  })

  const losses: readonly ((facts: Facts) => Facts)[] = [
    facts => ({ ...facts, client: { provenance: 'unknown' } }),
    ({ posture: _, ...facts }) => facts,
    facts => ({ ...facts, workload: { ...facts.workload, claims: {} } }),
  ]
  test('a fact that is lost never gives access', () => {
    fc.assert(
      fc.property(scenario, fc.subarray([...losses], { minLength: 1 }), (one, lose) => {
        const facts = lose.reduce((left, each) => each(left), one.facts)
        if (decided({ ...one, facts }).outcome === 'allowed') expect(decided(one).outcome).toBe('allowed')
      }),
      runs,
    )
  })
})

describe('a rule that is not enforced', () => {
  test('changes nothing but the trace where it is report-only', () => {
    fc.assert(
      fc.property(scenario, another(anyRule), (one, rule) => {
        const told = ({ trace: _, passedOver: __, ...decision }: Decision) => decision
        expect(told(decided(one, { ...rule, state: 'report-only' }))).toEqual(told(decided(one)))
      }),
      runs,
    )
  })

  test('changes nothing at all where it is a draft or disabled', () => {
    fc.assert(
      fc.property(scenario, another(anyRule), fc.constantFrom('draft', 'disabled'), (one, rule, state) => {
        expect(decided(one, { ...rule, state })).toEqual(decided(one))
      }),
      runs,
    )
  })
})
