import { describe, expect, test } from 'vitest'
import { problemText } from '../../shared/document.ts'
import { candidatesOf, compileRules, parseRule, type Ruleset } from '../../shared/rules/ruleset.ts'
import { allow, deny, paymentsApi, type RuleDocument, rulesetOf } from './facts.ts'

function problemsOf(document: unknown): readonly string[] {
  const parsed = parseRule(document)
  return 'problems' in parsed ? parsed.problems.map(problemText) : []
}

function limit(overrides: Readonly<Record<string, unknown>> = {}): RuleDocument {
  return deny('limit', { target: '*', effect: 'limit', limit: { ttl: 'PT5M' }, ...overrides })
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
        conditions: {},
        grant: { share: 'pod', outlive: false },
        crossEnvironment: false,
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
    ['an allow for every target', { target: '*' }, "effect: Invalid discriminator value. Expected 'deny' | 'limit'"],
    ['a quota of none', { grant: { quota: { max: 0 } } }, 'grant.quota.max: Too small: expected number to be >=1'],
    ['a condition that nobody knows', { conditions: { weather: {} } }, 'conditions: Unrecognized key: "weather"'],
    ['an actor without an issuer', selector({ actor: { subject: 'a' } }), 'workloads[0].actor.issuer: Invalid input'],
    [
      'an unknown kind of issuer',
      selector({ kind: 'eks' }),
      'workloads[0].kind: Invalid option: expected one of "aks"',
    ],
    ['a deny that grants', { effect: 'deny', grant: {} }, 'document: Unrecognized key: "grant"'],
    ['a misspelt member', { expiresAT: '2026-06-01T00:00:00Z' }, 'document: Unrecognized key: "expiresAT"'],
  ])('is refused for %s, by path and expectation', (_, mistake, problem) => {
    expect(problemsOf(allow('a', { ...mistake }))).toContainEqual(expect.stringContaining(problem))
  })

  test.each<[string, RuleDocument, string]>([
    ['limit of one target', limit({ target: 'orders-db' }), "effect: Invalid discriminator value. Expected 'allow'"],
    ['limit without a ttl', limit({ limit: {} }), 'limit.ttl: Invalid input: expected string'],
    ['limit that grants', limit({ grant: {} }), 'document: Unrecognized key: "grant"'],
    ['deny that crosses environments', deny('d', { crossEnvironment: true }), 'Unrecognized key: "crossEnvironment"'],
  ])('is refused where it is a %s', (_, document, problem) => {
    expect(problemsOf(document)).toEqual([expect.stringContaining(problem)])
  })

  test('is refused for a member that a record would pass over, wherever it stands: it would say more than is written', () => {
    const labels = JSON.parse('{ "__proto__": "x", "environment": "prod" }')
    expect(problemsOf(allow('a', { workloads: [{ issuer: { labels } }] }))).toEqual([
      'document: expected no member called "__proto__"',
    ])
  })

  test.each([[undefined], [null], ['rule'], [[]], [7]])('is refused where it is %j', document => {
    expect(problemsOf(document).length).toBeGreaterThan(0)
  })

  describe('that nobody would write', () => {
    const { length, deep } = { length: 200_000, deep: 100_000 }
    const places: readonly [string, (value: unknown) => unknown][] = [
      ['the document itself', value => value],
      ['a member', value => allow('a', { description: value })],
      ['its workloads', value => allow('a', { workloads: value })],
      ['its scopes', value => allow('a', { scopes: value })],
      ['a condition', value => allow('a', { conditions: { claims: { '/team': value } } })],
      ['a guardrail', value => deny('g', { target: '*', workloads: value })],
    ]
    const values: readonly [string, () => unknown][] = [
      ['arrays in arrays, 100,000 deep', () => JSON.parse('['.repeat(deep) + ']'.repeat(deep))],
      ['objects in objects, 100,000 deep', () => JSON.parse(`${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`)],
      ['an array of 200,000 numbers', () => Array(length).fill(1)],
      ['an object of 200,000 members', () => Object.fromEntries(Array.from({ length }, (_, index) => [index, 1]))],
    ]

    test.each(places.flatMap(([place, put]) => values.map(([what, value]) => [place, what, put, value] as const)))(
      'is refused and nothing is thrown: %s is %s',
      (_place, _what, put, value) => {
        expect(problemsOf(put(value())).length).toBeGreaterThan(0)
      },
    )

    test('is told that 16 levels are too few, and only then', () => {
      const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
      const tooDeep = 'document: expected 16 levels at most'
      expect(problemsOf(allow('a', { description: nested(16) }))).toEqual([tooDeep])
      expect(problemsOf(allow('a', { description: nested(15) }))).toEqual([
        expect.stringMatching(/^description: Invalid input: expected string/),
      ])
    })

    test('is refused where a check itself fails, for whatever reason, and does not end its partition', () => {
      const broken = new Proxy(
        {},
        {
          get: () => {
            throw new RangeError('nobody thought of it')
          },
        },
      )
      expect(problemsOf(broken)).toEqual(['document: it cannot be read'])
    })
  })

  test('is refused with what was found, shortened where it is long', () => {
    expect(problemsOf(allow('a', { priority: -1 }))).toEqual([expect.stringMatching(/^priority: .*, found -1$/)])
    const text = 'x'.repeat(2_000)
    expect(problemsOf(allow('a', { description: text }))).toEqual([expect.stringMatching(/, found "x{99}…$/)])
  })

  test.each([
    ['a deny', deny('g', { target: '*' })],
    ['a limit', limit()],
    ['a limit of some scopes', limit({ scopes: ['write'] })],
  ])('is accepted where it is %s for every target', (_, document) => {
    expect(problemsOf(document)).toEqual([])
  })

  test('is told all of its problems at once', () => {
    expect(problemsOf(allow('A', { priority: 1.5, scopes: [] })).map(problem => problem.split(':')[0])).toEqual([
      'id',
      'priority',
      'scopes',
    ])
  })
})

const namesOf = (ruleset: Ruleset) =>
  candidatesOf(ruleset, { workload: paymentsApi }).map(({ rule }) => `${rule.target}/${rule.id}`)
const compiled = (...documents: readonly RuleDocument[]) =>
  compileRules(documents.map(content => ({ content, version: 'v' })))

describe('a rule set', () => {
  test('names what it cannot read, and keeps what it can', () => {
    const { rules, unreadable } = compiled(allow('good'), allow('bad', { priority: 'high' }), deny('also-good'))
    expect(rules.map(({ rule }) => rule.id)).toEqual(['also-good', 'good'])
    expect(unreadable).toEqual([{ id: 'bad', problem: expect.stringMatching(/^priority: .*expected number/) }])
  })

  test('survives documents that are no objects', () => {
    const contents = [undefined, null, 'rule', 7, {}]
    expect(compileRules(contents.map(content => ({ content, version: 'v' }))).unreadable.length).toBe(5)
  })

  test('is in one order with the guardrails, whichever side a rule is from', () => {
    const ruleset = rulesetOf(
      allow('b'),
      allow('z', { priority: 1 }),
      deny('a', { target: '*' }),
      deny('b', { target: '*' }),
    )
    expect(namesOf(ruleset)).toEqual(['orders-db/z', '*/a', 'orders-db/b', '*/b'])
  })
})
