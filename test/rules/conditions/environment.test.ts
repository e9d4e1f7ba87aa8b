import { expect, test } from 'vitest'
import { decide } from '../../../shared/rules/decide.ts'
import type { Decision } from '../../../shared/rules/decision.ts'
import type { Facts } from '../../../shared/rules/facts.ts'
import { allow, deny, factsOf, paymentsApi, rulesetOf } from '../facts.ts'

type Labels = Readonly<Record<string, string>>

function between(issuer: Labels, target: Labels): Facts {
  const workload = { ...paymentsApi, issuer: { ...paymentsApi.issuer, labels: issuer } }
  return factsOf({ workload, target: { ...factsOf().target, labels: target } })
}

const prod = { environment: 'prod', region: 'weu' }
const dev = { environment: 'dev' }

test.each<[string, Labels, Labels, Decision['outcome']]>([
  ['the same environment', prod, prod, 'allowed'],
  ['another environment', prod, dev, 'denied'],
  ['no environment on either side', { region: 'weu' }, {}, 'allowed'],
  ['an environment of the issuer alone', prod, {}, 'denied'],
  ['an environment of the target alone', {}, prod, 'denied'],
])('an allow for %s: %s and %s are %s', (_, issuer, target, outcome) => {
  const decision = decide(rulesetOf(allow('a')), between(issuer, target))
  expect(decision.outcome).toBe(outcome)
  if (decision.outcome === 'denied') expect(decision.reason).toBe('condition_not_met')
})

test('an allow that says so crosses environments', () => {
  expect(decide(rulesetOf(allow('a', { crossEnvironment: true })), between(dev, prod)).outcome).toBe('allowed')
})

test('a deny is about every environment', () => {
  const rules = rulesetOf(allow('a', { crossEnvironment: true }), deny('d'))
  expect(decide(rules, between(dev, prod))).toMatchObject({ outcome: 'denied', reason: 'denied_by_rule' })
})

test('the trace shows both environments, and null for one that is not there', () => {
  const [rule] = decide(rulesetOf(allow('a')), between({}, prod)).trace
  expect(rule?.tests.at(-1)).toEqual({
    test: 'environment',
    met: false,
    expected: 'that of the target',
    found: { issuer: null, target: 'prod' },
  })
})
