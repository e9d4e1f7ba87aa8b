import { expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import { allow, deny, factsOf, paymentsApi, rulesetOf, someoneElse } from './facts.ts'

const issuerMet = { test: 'issuer', met: true, expected: '*', found: 'aks-prod-weu' }

test('the trace of an allowed request says what every rule tested, expected and found', () => {
  const expiresAt = '2026-06-02T00:00:00Z'
  const { trace } = decide(rulesetOf(allow('a', { expiresAt }), deny('d', someoneElse)), factsOf())
  expect(trace).toEqual([
    {
      rule: 'a',
      version: 'v-a',
      target: 'orders-db',
      effect: 'allow',
      state: 'enforced',
      selected: true,
      matched: true,
      tests: [
        issuerMet,
        { test: 'expiresAt', met: true, expected: '2026-06-02T00:00:00.000Z', found: '2026-06-01T12:00:00.000Z' },
        { test: 'scopes', met: true, expected: ['read'], found: ['read'] },
      ],
    },
    {
      rule: 'd',
      version: 'v-d',
      target: 'orders-db',
      effect: 'deny',
      state: 'enforced',
      selected: false,
      matched: false,
      tests: [issuerMet, { test: 'namespace', met: false, expected: 'billing', found: 'payments' }],
    },
  ])
})

test('of the labels of an issuer the trace shows those that the rule wants, and null for those it lacks', () => {
  const labels = { environment: 'prod', team: 'payments', constructor: 'x' }
  const [rule] = decide(rulesetOf(allow('a', { workloads: [{ issuer: { labels } }] })), factsOf()).trace
  expect(rule?.tests).toEqual([
    {
      test: 'issuer labels',
      met: false,
      expected: labels,
      found: { environment: 'prod', team: null, constructor: null },
    },
  ])
})

test('the trace shows each selector that was tried, to the first that fits', () => {
  const workloads = [
    { issuer: 'aks-dev' },
    { issuer: { labels: { environment: 'prod' } }, serviceAccount: 'a*' },
    { issuer: 'never-tried' },
  ]
  const [rule] = decide(rulesetOf(allow('a', { workloads })), factsOf()).trace
  expect(rule?.tests).toEqual([
    { test: 'issuer', met: false, expected: 'aks-dev', found: 'aks-prod-weu' },
    { test: 'issuer labels', met: true, expected: { environment: 'prod' }, found: { environment: 'prod' } },
    { test: 'serviceAccount', met: true, expected: 'a*', found: 'api' },
    { test: 'scopes', met: true, expected: ['read'], found: ['read'] },
  ])
})

test('every test that is not met is shown, so that an operator mends all of them at once', () => {
  const outdated = { notBefore: '2026-01-01T00:00:00Z', expiresAt: '2026-02-01T00:00:00Z', scopes: ['write'] }
  const [rule] = decide(rulesetOf(allow('a', outdated)), factsOf()).trace
  expect(rule).toMatchObject({ selected: true, matched: false })
  expect(rule?.tests.map(({ test, met }) => [test, met])).toEqual([
    ['issuer', true],
    ['notBefore', true],
    ['expiresAt', false],
    ['scopes', false],
  ])
})

test('a denial has the trace of every rule too, in the order of priority and id', () => {
  const documents = [deny('z', { priority: 1 }), allow('b'), allow('a'), deny('y', { priority: 0 })]
  const { outcome, trace } = decide(rulesetOf(...documents), factsOf())
  expect([outcome, trace.map(({ rule }) => rule)]).toEqual(['denied', ['y', 'z', 'a', 'b']])
})

test('a fact that is not there is shown as expected and not found', () => {
  const { pod: _, ...podless } = paymentsApi
  const pinned = allow('a', { workloads: [{ issuer: '*', pod: 'api-*' }] })
  const [rule] = decide(rulesetOf(pinned), factsOf({ workload: podless })).trace
  expect(rule?.tests.at(-1)).toStrictEqual({ test: 'pod', met: false, expected: 'api-*' })
})
