import { describe, expect, test } from 'vitest'
import { decide } from '../../../shared/rules/decide.ts'
import type { Facts } from '../../../shared/rules/facts.ts'
import { keptClaims } from '../../../shared/workload/kept-claims.ts'
import type { Claim, Workload } from '../../../shared/workload/workload.ts'
import { allow, deny, factsOf, paymentsApi, rulesetOf } from '../facts.ts'
import { type Result, resultOf, testsOf } from './judged.ts'

function factsWith(claims: Readonly<Record<string, Claim>>, overrides: Partial<Facts> = {}): Facts {
  return factsOf({ workload: { ...paymentsApi, claims }, ...overrides })
}

const judged = (expression: string, facts = factsOf()): Result => resultOf({ expression }, facts)

const portal: Workload = {
  issuer: { id: 'idp', kind: 'oidc', labels: { team: 'web' } },
  subject: 'portal',
  claims: {},
  token: { keyId: 'k', issuedAt: 0, expiresAt: 0 },
}

describe('an expression sees', () => {
  test.each<[string, Result]>([
    ["workload.issuer.id == 'aks-prod-weu' && workload.issuer.kind == 'aks'", 'met'],
    ["workload.namespace == 'payments' && workload.serviceAccount.name == 'api'", 'met'],
    ["workload.pod.uid == 'uid-of-pod' && workload.node.name.endsWith('000000')", 'met'],
    ["workload.issuer.labels['environment'] == target.labels['environment']", 'met'],
    ["'region' in workload.issuer.labels && !('region' in target.labels)", 'met'],
    ["actor.subject == 'portal' && actor.issuer.labels['team'] == 'web'", 'met'],
    ["target.id == 'orders-db' && scopes == ['read'] && 'admin' in target.scopes", 'met'],
    ["client.address == '192.0.2.7' && client.provenance == 'direct' && client.country == 'DE'", 'met'],
    ["time == timestamp('2026-06-01T12:00:00Z')", 'met'],
    ["workload.namespace == 'billing'", 'not met'],
  ])('the facts: %s is %s', (expression, result) => {
    const client = { address: '192.0.2.7', provenance: 'direct', country: 'DE' } as const
    expect(judged(expression, factsOf({ actor: portal, client }))).toBe(result)
  })

  test.each<[string, Result]>([
    ["time.getHours() == 12 && time.getHours('Europe/Berlin') == 14", 'met'],
    ["time.getDayOfWeek('Pacific/Kiritimati') == 2 && time.getDayOfWeek() == 1", 'met'],
    ["time < timestamp('2026-06-01T14:00:00.001+02:00')", 'met'],
    ["time + duration('36h') == timestamp('2026-06-03T00:00:00Z')", 'met'],
    ["time - timestamp('2026-06-01T11:00:00Z') > duration('1h')", 'not met'],
  ])('the time: at noon of a Monday, %s is %s', (expression, result) => {
    expect(judged(expression)).toBe(result)
  })

  test.each<[string, Result]>([
    ["workload.claims['tier'] == 'gold'", 'met'],
    ["workload.claims['level'] == 3 && workload.claims['level'] >= 2 && workload.claims['level'] < 3.5", 'met'],
    ["workload.claims['level'] + 1.0 == 4.0 && int(workload.claims['level']) % 2 == 1", 'met'],
    ["workload.claims['vip']", 'met'],
    ["workload.claims['groups'].exists(g, g == 'b') && size(workload.claims['groups']) == 2", 'met'],
    ["'c' in workload.claims['groups']", 'not met'],
    ["'tier' in workload.claims && !('other' in workload.claims)", 'met'],
    ["workload.claims['constructor'] == 'text' && workload.claims['tier'] == 'gold'", 'met'],
  ])('claims, numbers among them: %s is %s', (expression, result) => {
    const claims = { tier: 'gold', level: 3, vip: true, groups: ['a', 'b'], constructor: 'text' }
    expect(judged(expression, factsWith(claims))).toBe(result)
  })
})

describe('an expression cannot be evaluated', () => {
  test.each([
    ['without the claim that it names', "workload.claims['tier'] == 'gold'"],
    ['without a claim that every object has', "workload.claims['toString'] == 'a'"],
    ['without the member that it names', "workload.issuer.region == 'westeurope'"],
    ['without what holds the member that it names', "workload.entra.tenant == 'a'"],
    ['without an actor', "actor.subject == 'portal'"],
    ['beyond the end of a list', "scopes[1] == 'read'"],
    ['where it divides by zero', '1 / (size(scopes) - 1) == 1'],
    ['where numbers run over', '9223372036854775807 + size(scopes) > 0'],
    ['where text is no number', 'int(workload.subject) == 1'],
    ['where text is no time', 'timestamp(workload.subject) < time'],
    ['where it comes to text after all', "workload.claims['text']"],
    ['where it adds numbers of two kinds', "workload.claims['number'] + 1 == 4"],
    ['where it goes over what is no list', "workload.claims['number'].all(n, true)"],
  ])('%s', (_, expression) => {
    expect(judged(expression, factsWith({ text: 'a', number: 3 }))).toBe('cannot be evaluated')
  })

  test('and says why, in few words', () => {
    const [shown] = testsOf({ expression: `int('${'x'.repeat(1_000)}') == 1` })
    expect(shown?.unevaluable).toMatch(/^Cannot convert x{10}/)
    expect(shown?.unevaluable?.length).toBeLessThanOrEqual(160)
    expect(testsOf({ expression: "actor.subject == 'a'" })[0]?.unevaluable).toBe('field not found: subject')
  })
})

describe('where a claim is beyond bounds', () => {
  const padded: Workload = { ...paymentsApi, claims: { tier: 'gold' }, claimsBeyondBounds: ['groups'] }

  test.each([
    ['asks for it', "workload.claims['groups'] == 'a'"],
    ['asks whether it is there', "'groups' in workload.claims"],
    ['asks whether it is not', "!('groups' in workload.claims)"],
    ['asks for it first', "'groups' in workload.claims && 'a' in workload.claims['groups']"],
    ['asks for that of one of two', "(has(actor.subject) ? actor : workload).claims['groups'] == 'a'"],
    ['goes over it', "workload.claims['groups'].exists(group, group == 'a')"],
    ['asks for it within a comprehension', "scopes.all(s, 'groups' in workload.claims)"],
  ])('what %s cannot be evaluated, and says why', (_, expression) => {
    const [shown] = testsOf({ expression }, factsOf({ workload: padded }))
    expect(shown?.unevaluable).toBe('a claim is too large to be a fact')
  })

  test("what asks for the actor's cannot be evaluated either", () => {
    const actor = { ...portal, claimsBeyondBounds: ['groups'] }
    expect(judged("'groups' in actor.claims", factsOf({ actor }))).toBe('cannot be evaluated')
    expect(judged("'tier' in actor.claims", factsOf({ actor }))).toBe('not met')
  })

  test.each<[string, Result]>([
    ["workload.claims['tier'] == 'gold'", 'met'],
    ["'other' in workload.claims", 'not met'],
    ["workload.namespace == 'groups'", 'not met'],
  ])('what asks for another is as it was: %s is %s', (expression, result) => {
    expect(judged(expression, factsOf({ workload: padded }))).toBe(result)
  })
})

describe('what is missing does not matter', () => {
  test.each<[string, Result]>([
    ["has(actor.subject) && actor.subject == 'portal'", 'not met'],
    ["!has(actor.subject) || actor.subject == 'portal'", 'met'],
    ['has(workload.entra)', 'not met'],
    ['has(workload.pod.uid)', 'met'],
    ["'tier' in workload.claims && workload.claims['tier'] == 'gold'", 'not met'],
    ["workload.claims['tier'] == 'gold' || true", 'met'],
    ["workload.claims['tier'] == 'gold' && false", 'not met'],
    ["['a', 'b'].exists(x, x == 'b' || workload.claims['tier'] == x)", 'met'],
  ])('to %s: %s', (expression, result) => {
    expect(judged(expression)).toBe(result)
  })
})

describe('a pattern', () => {
  test.each<[string, string, Result]>([
    ['api-7d9c', '^api-[0-9a-f]+$', 'met'],
    ['my-api-7d9c', '^api-[0-9a-f]+$', 'not met'],
    ['my-api-7d9c', 'api', 'met'],
    ['API', '(?i)^api$', 'met'],
  ])('of %s and %s: %s', (tier, pattern, result) => {
    expect(judged(`workload.claims['tier'].matches('${pattern}')`, factsWith({ tier }))).toBe(result)
  })

  test.each(['(a+)+$', '(a|aa)+$', '(a|a?)+b$', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
    'such as %s takes no longer than its text: others would run until the sun goes out',
    pattern => {
      const tier = `${'a'.repeat(2_000)}!`
      expect(judged(`workload.claims['tier'].matches('${pattern}')`, factsWith({ tier }))).toBe('not met')
    },
  )
})

describe('a deny of contractors', () => {
  const contractors = "'groups' in workload.claims && 'contractors' in workload.claims['groups']"

  /** What becomes of a token with these claims, of which the issuer keeps two. */
  function outcome(payload: object, expression = contractors): string {
    const { claims, beyondBounds } = keptClaims(payload, ['groups', 'tier'])
    const facts = factsOf({ workload: { ...paymentsApi, claims, claimsBeyondBounds: beyondBounds } })
    return decide(rulesetOf(allow('a'), deny('d', { conditions: { expression } })), facts).outcome
  }
  const groups = (count: number) => Array.from({ length: count }, (_, index) => `group-${index}`)

  test('denies them also where they are in too many groups to be told', () => {
    expect(outcome({ groups: ['contractors', ...groups(31)] })).toBe('denied')
    expect(outcome({ groups: ['contractors', ...groups(32)] })).toBe('denied')
  })

  test('spares those who are in no group, or in few others', () => {
    expect(outcome({})).toBe('allowed')
    expect(outcome({ groups: groups(32) })).toBe('allowed')
  })

  test('that asks about another claim is not affected by too many groups', () => {
    const bronze = "'tier' in workload.claims && workload.claims['tier'] == 'bronze'"
    expect(outcome({ groups: groups(33), tier: 'gold' }, bronze)).toBe('allowed')
    expect(outcome({ groups: groups(33), tier: 'bronze' }, bronze)).toBe('denied')
  })

  test('is as good where they are the actor, whose groups are too many', () => {
    const ofActor = contractors.replaceAll('workload.claims', 'actor.claims')
    const acted = { workloads: [{ issuer: '*', actor: { issuer: '*', subject: '*' } }] }
    const rules = rulesetOf(allow('a', acted), deny('d', { ...acted, conditions: { expression: ofActor } }))
    const actedBy = (claimsBeyondBounds: readonly string[]) =>
      decide(rules, factsOf({ actor: { ...portal, claimsBeyondBounds } })).outcome
    expect(actedBy(['groups'])).toBe('denied')
    expect(actedBy(['tier'])).toBe('allowed')
  })
})

test('an expression is shown as it is written', () => {
  expect(testsOf({ expression: 'size(scopes) == 2' })).toEqual([
    { test: 'expression', met: false, expected: 'size(scopes) == 2' },
  ])
})
