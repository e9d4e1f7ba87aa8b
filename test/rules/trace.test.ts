import { describe, expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import { allow, deny, factsOf, paymentsApi, rulesetOf, someoneElse } from './facts.ts'

const issuerMet = { test: 'issuer', met: true, expected: '*', found: 'aks-prod-weu' }
const environmentMet = {
  test: 'environment',
  met: true,
  expected: 'that of the target',
  found: { issuer: 'prod', target: 'prod' },
}

/** The index cannot tell that such a rule is about nobody here. */
const ofAnotherKind = { workloads: [{ issuer: '*', kind: 'arc' }] }

test('the trace of an allowed request says what every rule tested, expected and found', () => {
  const expiresAt = '2026-06-02T00:00:00Z'
  const { trace } = decide(rulesetOf(allow('a', { expiresAt }), deny('d', ofAnotherKind)), factsOf())
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
        environmentMet,
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
      tests: [issuerMet, { test: 'kind', met: false, expected: 'arc', found: 'aks' }],
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
    environmentMet,
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
    ['environment', true],
  ])
})

test('a denial has the trace of every rule too, in the order of priority and id', () => {
  const documents = [deny('z', { priority: 1 }), allow('b'), allow('a'), deny('y', { priority: 0 })]
  const { outcome, trace } = decide(rulesetOf(...documents), factsOf())
  expect([outcome, trace.map(({ rule }) => rule)]).toEqual(['denied', ['y', 'z', 'a', 'b']])
})

test('of rules of the same priority and id the guardrail is shown last, also beside one that was passed over', () => {
  const { trace } = decide(rulesetOf(deny('b', { target: '*' }), allow('b', someoneElse)), factsOf())
  expect(trace.map(({ target }) => target)).toEqual(['orders-db', '*'])
})

test('a fact that is not there is shown as expected and not found', () => {
  const { pod: _, ...podless } = paymentsApi
  const pinned = allow('a', { workloads: [{ issuer: '*', pod: 'api-*' }] })
  const [rule] = decide(rulesetOf(pinned), factsOf({ workload: podless })).trace
  expect(rule?.tests.at(-1)).toStrictEqual({ test: 'pod', met: false, expected: 'api-*' })
})

describe('rules that the index passes over', () => {
  const others = Array.from({ length: 40 }, (_, index) => allow(`other-${index + 10}`, someoneElse))

  test('are counted and not judged, where the request is allowed', () => {
    const decision = decide(rulesetOf(allow('a'), ...others, deny('g', { target: '*', ...someoneElse })), factsOf())
    expect([decision.outcome, decision.trace.map(({ rule }) => rule), decision.passedOver]).toEqual([
      'allowed',
      ['a'],
      41,
    ])
  })

  test('are shown where it is denied, the first eight in their place among the others: one may have been meant', () => {
    const { outcome, trace, passedOver } = decide(rulesetOf(deny('z'), ...others), factsOf())
    const shown = others.slice(0, 8).map(({ id }) => id)
    expect([outcome, trace.map(({ rule }) => rule), passedOver]).toEqual(['denied', [...shown, 'z'], 32])
    expect(trace[0]).toMatchObject({ selected: false, matched: false })
    expect(trace[0]?.tests.at(-1)).toEqual({ test: 'namespace', met: false, expected: 'billing', found: 'payments' })
  })

  test('are shown though they are guardrails', () => {
    const { trace } = decide(rulesetOf(deny('g', { target: '*', ...someoneElse })), factsOf())
    expect(trace.map(({ rule, target }) => [rule, target])).toEqual([['g', '*']])
  })
})

describe('a test that cannot be evaluated', () => {
  const conditions = { network: { in: ['10.0.0.0/8'] } }
  const network = {
    test: 'network',
    expected: { in: ['10.0.0.0/8'], notIn: [], provenance: ['direct', 'forwarded'] },
    found: { provenance: 'unknown' },
    unevaluable: 'nobody whose word is accepted says which address the client has',
  }

  test.each([
    ['not met', 'an allow', allow('a', { conditions }), false],
    ['met', 'a deny', deny('a', { conditions }), true],
    ['met', 'a limit', { ...deny('a', { conditions, target: '*' }), effect: 'limit', limit: { ttl: 'PT5M' } }, true],
  ])('counts as %s for %s, and the trace says why it could not be', (_, __, rule, met) => {
    const [trace] = decide(rulesetOf(rule), factsOf()).trace
    expect(trace?.tests.at(-1)).toEqual({ ...network, met })
    expect(trace?.matched).toBe(met)
  })
})

test('an expression is evaluated only where every other test is met', () => {
  const conditions = { claims: { '/tier': ['gold'] }, expression: 'true' }
  const testsOf = (tier: string) =>
    decide(
      rulesetOf(allow('a', { conditions })),
      factsOf({ workload: { ...paymentsApi, claims: { tier } } }),
    ).trace[0]?.tests.map(({ test }) => test)
  expect(testsOf('gold')).toEqual(['issuer', 'scopes', 'environment', 'claims /tier', 'expression'])
  expect(testsOf('silver')).toEqual(['issuer', 'scopes', 'environment', 'claims /tier'])
})

test('a rule tests the cheap before the dear, and all of its conditions', () => {
  const conditions = {
    claims: { '/tier': ['gold'] },
    posture: [{ of: 'node', signal: 'patched', require: { '/days': { max: 30 } }, maxAge: 'P1D' }],
    geography: { clientCountry: ['DE'], clusterRegion: ['westeurope'] },
    network: { in: ['10.0.0.0/8'] },
    time: [{ timeZone: 'UTC', from: '00:00', to: '01:00' }],
  }
  const validity = { notBefore: '2026-07-01T00:00:00Z', expiresAt: '2026-08-01T00:00:00Z' }
  const [rule] = decide(rulesetOf(allow('a', { conditions, ...validity })), factsOf()).trace
  expect(rule?.tests.map(({ test, met }) => (met ? test : `${test}: not met`))).toEqual([
    'issuer',
    'notBefore: not met',
    'expiresAt',
    'scopes',
    'environment',
    'time: not met',
    'network: not met',
    'clientCountry: not met',
    'clusterRegion: not met',
    'posture node/patched: not met',
    'claims /tier: not met',
  ])
})
