import { describe, expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import type { Allowed, Denied } from '../../shared/rules/decision.ts'
import { allow, deny, factsOf, minute, type RuleDocument, rulesetOf, someoneElse } from './facts.ts'

type Documents = readonly RuleDocument[]

function decided(rules: Documents, facts = factsOf()) {
  return decide(rulesetOf(...rules), facts)
}

function allowed(rules: Documents, facts = factsOf()): Allowed {
  const decision = decided(rules, facts)
  if (decision.outcome !== 'allowed') throw new Error(`expected to be allowed, was ${decision.reason}`)
  return decision
}

function denied(rules: Documents, facts = factsOf()): Denied {
  const decision = decided(rules, facts)
  if (decision.outcome !== 'denied') throw new Error('expected to be denied, was allowed')
  return decision
}

function at(time: string) {
  return factsOf({ time: Date.parse(time) })
}

describe('who is allowed', () => {
  test('nobody, without a rule', () => {
    const nothing = { outcome: 'denied', reason: 'no_rule', selected: false, rules: [], trace: [], passedOver: 0 }
    expect(denied([])).toEqual(nothing)
  })

  test('a workload that an allow rule is about, with the rule and its version named', () => {
    const { grant, rules } = allowed([allow('a')])
    expect(grant).toEqual({ scopes: ['read'], ttl: 15 * minute, share: 'pod' })
    expect(rules).toEqual([{ id: 'a', target: 'orders-db', version: 'v-a' }])
  })

  test('not a workload that a matching deny is about, whatever its priority', () => {
    const { reason, rules } = denied([allow('a', { priority: 0 }), deny('z', { priority: 100_000 })])
    expect({ reason, rules }).toEqual({
      reason: 'denied_by_rule',
      rules: [{ id: 'z', target: 'orders-db', version: 'v-z' }],
    })
  })

  test('nobody whom a guardrail denies', () => {
    expect(denied([allow('a'), deny('g', { target: '*' })])).toMatchObject({
      reason: 'denied_by_rule',
      rules: [{ id: 'g', target: '*' }],
    })
  })

  test('a request that a deny of other scopes is not about, and not one that asks for those too', () => {
    const rules: Documents = [allow('a', { scopes: ['read', 'write'] }), deny('d', { scopes: ['write'] })]
    expect(decided(rules).outcome).toBe('allowed')
    expect(denied(rules, factsOf({ scopes: ['read', 'write'] })).reason).toBe('denied_by_rule')
  })

  test.each([
    ['an unreadable rule', { schema: 2 }],
    ['an unreadable disabled rule', { state: 'disabled', effect: 'permit' }],
    ['a rule with a member that nobody knows', { condition: {} }],
    ['an unreadable guardrail', { target: '*', effect: 'allow' }],
  ])('nobody, beside %s: it may have been a deny', (_, mistake) => {
    expect(denied([allow('a'), allow('b', mistake)])).toMatchObject({ reason: 'rule_unreadable', selected: true })
  })
})

describe('scopes', () => {
  test.each([
    ['none asked for and none by default', [], 'scope_missing'],
    ['one that the target does not define', ['read', 'fly'], 'scope_unknown'],
    ['one that no rule grants', ['read', 'write'], 'scope_not_granted'],
  ])('%s: denied', (_, scopes, reason) => {
    expect(denied([allow('a')], factsOf({ scopes }))).toMatchObject({ reason, selected: true })
  })

  test('each may come from another rule', () => {
    const rules: Documents = [allow('reads'), allow('writes', { scopes: ['write'] })]
    const { rules: used } = allowed(rules, factsOf({ scopes: ['write', 'read'] }))
    expect(used.map(({ id }) => id)).toEqual(['writes', 'reads'])
  })

  test('each comes from the first rule by priority and then id, and no rule counts that is not needed', () => {
    const rules: Documents = [allow('b'), allow('a'), allow('late', { priority: 101 })]
    expect(allowed(rules).rules.map(({ id }) => id)).toEqual(['a'])
    expect(allowed([...rules, allow('z', { priority: 1 })]).rules.map(({ id }) => id)).toEqual(['z'])
  })

  test('a deny with scopes is not about a request without any', () => {
    expect(denied([allow('a'), deny('d', { scopes: ['read'] })], factsOf({ scopes: [] })).reason).toBe('scope_missing')
  })
})

describe('when a rule is in force', () => {
  const bounded = allow('a', { notBefore: '2026-06-01T00:00:00Z', expiresAt: '2026-06-02T00:00:00Z' })

  test.each([
    ['2026-05-31T23:59:59.999Z', 'denied'],
    ['2026-06-01T00:00:00.000Z', 'allowed'],
    ['2026-06-01T23:59:59.999Z', 'allowed'],
    ['2026-06-02T00:00:00.000Z', 'denied'],
  ])('an allow from the first to the second at %s: %s', (time, outcome) => {
    expect(decided([bounded], at(time)).outcome).toBe(outcome)
  })

  test('outside of it, the denial is a matter of conditions', () => {
    expect(denied([bounded], at('2026-07-01T00:00:00Z')).reason).toBe('condition_not_met')
  })

  test('a deny counts within its own time only', () => {
    const rules: Documents = [allow('a'), deny('d', { expiresAt: '2026-06-01T00:00:00Z' })]
    expect(decided(rules, at('2026-05-31T23:59:59Z')).outcome).toBe('denied')
    expect(decided(rules, at('2026-06-01T00:00:00Z')).outcome).toBe('allowed')
  })

  test.each(['report-only', 'disabled', 'draft'])('a rule that is %s decides nothing', state => {
    expect(denied([allow('a', { state })]).reason).toBe('no_rule')
    expect(decided([allow('a'), deny('d', { state })]).outcome).toBe('allowed')
    expect(allowed([allow('a'), allow('first', { state, priority: 1, grant: { ttl: 'PT1M' } })]).grant.ttl).toBe(
      15 * minute,
    )
  })

  test('a report-only rule is in the trace, a disabled one and a draft are not', () => {
    const rules: Documents = [
      allow('draft', { state: 'draft' }),
      allow('off', { state: 'disabled' }),
      deny('shown', { state: 'report-only' }),
    ]
    expect(denied(rules).trace.map(({ rule, state, matched }) => [rule, state, matched])).toEqual([
      ['shown', 'report-only', true],
    ])
  })
})

describe('who is told what', () => {
  test('a workload that no allow rule is about is told of no rule, whatever is wrong with its scopes', () => {
    for (const scopes of [[], ['fly'], ['write']]) {
      expect(denied([allow('a', someoneElse)], factsOf({ scopes }))).toMatchObject({
        reason: 'no_rule',
        selected: false,
      })
    }
  })

  test('a deny rule, a report-only one and a guardrail make no workload one that is told more', () => {
    const rules: Documents = [
      deny('d', { scopes: ['admin'], whenDenied: 'the hint of a deny that did not match' }),
      allow('r', { state: 'report-only' }),
    ]
    expect(denied(rules)).toMatchObject({ reason: 'no_rule', selected: false })
  })

  test('a hint reaches the workloads that its rule selects', () => {
    const hinted = { whenDenied: 'ask #orders-db' }
    expect(denied([allow('a', hinted)], factsOf({ scopes: ['write'] })).hint).toBe('ask #orders-db')
    expect(denied([allow('a', { ...hinted, ...someoneElse }), allow('b')], factsOf({ scopes: ['write'] })).hint).toBe(
      undefined,
    )
  })

  test('of a denial by a rule, the hint is that of the deny', () => {
    const rules: Documents = [allow('a', { whenDenied: 'of the allow' }), deny('d', { whenDenied: 'of the deny' })]
    expect(denied(rules).hint).toBe('of the deny')
  })

  test('a hint of a guardrail reaches nobody, and does not hide that of a rule of the target', () => {
    const guardrail = deny('g', { target: '*', priority: 1, whenDenied: 'of the guardrail' })
    expect(denied([allow('a'), guardrail]).hint).toBe(undefined)
    expect(denied([allow('a'), guardrail, deny('d', { whenDenied: 'of the deny' })]).hint).toBe('of the deny')
    const selecting = { ...guardrail, scopes: ['write'] }
    expect(denied([allow('a', { whenDenied: 'of the allow' }), selecting], factsOf({ scopes: ['admin'] })).hint).toBe(
      'of the allow',
    )
  })

  test('a hint of a report-only rule reaches nobody', () => {
    expect(denied([allow('a', { state: 'report-only', whenDenied: 'not yet' })]).hint).toBe(undefined)
  })
})
