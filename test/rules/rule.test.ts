import { describe, expect, test } from 'vitest'
import { compileRules, mergeRulesets, parseRule } from '../../shared/rules/ruleset.ts'
import { allow, deny, rulesetOf } from './facts.ts'

function problemsOf(document: unknown): readonly string[] {
  const parsed = parseRule(document)
  return 'problems' in parsed ? parsed.problems : []
}

describe('a rule document', () => {
  test('says the least and gets the documented defaults', () => {
    expect(parseRule(allow('a'))).toEqual({
      rule: {
        schema: 1,
        id: 'a',
        target: 'orders-db',
        effect: 'allow',
        state: 'enforced',
        priority: 100,
        workloads: [{ issuer: '*' }],
        scopes: ['read'],
        grant: { share: 'pod' },
      },
    })
  })

  test('has its ttl read as milliseconds', () => {
    expect(parseRule(allow('a', { grant: { ttl: 'PT15M', share: 'workload' } }))).toMatchObject({
      rule: { grant: { ttl: 900_000, share: 'workload' } },
    })
  })

  const selector = (members: object) => ({ workloads: [{ issuer: '*', ...members }] })
  test.each<[string, object, string]>([
    ['another schema', { schema: 2 }, 'schema: Invalid input: expected 1'],
    ['an id in capitals', { id: 'Payments' }, 'id: expected lower-case letters, digits and dashes, 63 at most'],
    ['an unknown effect', { effect: 'permit' }, "effect: Invalid discriminator value. Expected 'allow' | 'deny'"],
    ['an unknown state', { state: 'on' }, 'state: Invalid option: expected one of "draft"|"report-only"'],
    ['a priority below zero', { priority: -1 }, 'priority: Too small: expected number to be >=0'],
    ['no workloads', { workloads: [] }, 'workloads: Too small: expected array to have >=1 items'],
    ['a selector without an issuer', { workloads: [{ namespace: 'a' }] }, 'workloads[0].issuer: expected an issuer id'],
    [
      'an empty label selector',
      selector({ issuer: { labels: {} } }),
      'workloads[0].issuer.labels: expected a label at least',
    ],
    ['a * in the middle', selector({ namespace: 'a*b' }), 'workloads[0].namespace: expected exact text'],
    ['two *', selector({ pod: 'a**' }), 'workloads[0].pod: expected exact text'],
    ['a misspelt selector', selector({ serviceaccount: 'a' }), 'workloads[0]: Unrecognized key: "serviceaccount"'],
    ['no scopes', { scopes: [] }, 'scopes: Too small: expected array to have >=1 items'],
    ['a scope with a space', { scopes: ['a b'] }, 'scopes[0]: expected an OAuth scope token'],
    ['a ttl in seconds', { grant: { ttl: 900 } }, 'grant.ttl: Invalid input: expected string, received number'],
    [
      'a ttl below a minute',
      { grant: { ttl: 'PT59S' } },
      'grant.ttl: expected an ISO 8601 duration from PT1M to PT24H',
    ],
    ['a ttl of a month', { grant: { ttl: 'P1M' } }, 'grant.ttl: expected an ISO 8601 duration from PT1M to PT24H'],
    ['an unknown share', { grant: { share: 'node' } }, 'grant.share: Invalid option: expected one of "pod"|"workload"'],
    ['a date without a time', { expiresAt: '2026-06-01' }, 'expiresAt: Invalid ISO datetime'],
    ['a time in no zone', { notBefore: '2026-06-01T00:00:00' }, 'notBefore: Invalid ISO datetime'],
    ['an allow for every target', { target: '*' }, 'effect: Invalid input: expected "deny"'],
    ['a deny that grants', { effect: 'deny', grant: {} }, 'document: Unrecognized key: "grant"'],
    ['a misspelt member', { expiresAT: '2026-06-01T00:00:00Z' }, 'document: Unrecognized key: "expiresAT"'],
  ])('is refused for %s, by path and expectation', (_, mistake, problem) => {
    expect(problemsOf(allow('a', { ...mistake }))).toContainEqual(expect.stringContaining(problem))
  })

  test.each([undefined, null, 'rule', [], 7])('is refused where it is %s', document => {
    expect(problemsOf(document).length).toBeGreaterThan(0)
  })

  test('is told all of its problems at once', () => {
    expect(problemsOf(allow('A', { priority: 1.5, scopes: [] })).map(problem => problem.split(':')[0])).toEqual([
      'id',
      'priority',
      'scopes',
    ])
  })
})

describe('a rule set', () => {
  test('names what it cannot read, and keeps what it can', () => {
    const { rules, unreadable } = rulesetOf(allow('good'), allow('bad', { priority: 'high' }), deny('also-good'))
    expect(rules.map(({ rule }) => rule.id)).toEqual(['also-good', 'good'])
    expect(unreadable).toEqual([{ id: 'bad', problem: expect.stringMatching(/^priority: .*expected number/) }])
  })

  test('survives documents that are no objects', () => {
    const contents = [undefined, null, 'rule', 7, {}]
    expect(compileRules(contents.map(content => ({ content, version: 'v' }))).unreadable.length).toBe(5)
  })

  test("merged with the guardrails is in one order, whichever side a rule is from, and keeps both sides' problems", () => {
    const own = rulesetOf(allow('b'), allow('z', { priority: 1 }), allow('broken', { schema: 9 }))
    const guardrails = rulesetOf(deny('a', { target: '*' }), deny('torn', { target: '*', effect: 'allow' }))
    const merged = mergeRulesets(own, guardrails)
    expect(merged.rules.map(({ rule }) => rule.id)).toEqual(['z', 'a', 'b'])
    expect(merged.unreadable.map(({ id }) => id)).toEqual(['broken', 'torn'])
  })
})
