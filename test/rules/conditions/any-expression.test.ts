import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Condition } from '../../../shared/rules/conditions/condition.ts'
import type { Facts } from '../../../shared/rules/facts.ts'
import { parseRule } from '../../../shared/rules/ruleset.ts'
import type { Claim, Workload } from '../../../shared/workload/workload.ts'
import { allow, factsOf, noon, paymentsApi } from '../facts.ts'

const joined = (...parts: readonly fc.Arbitrary<string>[]) => fc.tuple(...parts).map(texts => texts.join(''))
const just = (text: string) => fc.constant(text)
const claim = fc.constantFrom('tier', 'level', 'groups', 'vip', 'missing', '__proto__').map(name => `['${name}']`)

/** Expressions of every kind that there is, most of which fit together. */
const { truth } = fc.letrec<Record<'text' | 'number' | 'list' | 'instant' | 'anything' | 'truth', string>>(tie => ({
  text: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom("'a'", "''", "'7'", 'workload.subject', 'workload.pod.name', 'actor.subject', 'client.country'),
    joined(fc.constantFrom('workload.claims', 'workload.issuer.labels', 'actor.claims', 'target.labels'), claim),
    joined(tie('text'), just(' + '), tie('text')),
    joined(just('string('), tie('anything'), just(')')),
    joined(tie('list'), just('['), tie('number'), just(']')),
  ),
  number: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom('0', '1', '-1', '2.5', '1e300', '9223372036854775807', "workload.claims['level']"),
    joined(just('size('), fc.oneof(tie('list'), tie('text')), just(')')),
    joined(fc.constantFrom('int(', 'double('), tie('anything'), just(')')),
    joined(tie('number'), fc.constantFrom(' + ', ' - ', ' * ', ' / ', ' % '), tie('number')),
    joined(tie('instant'), fc.constantFrom('.getHours()', '.getDayOfWeek()', ".getMonth('Asia/Kolkata')")),
  ),
  list: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom('scopes', 'target.scopes', 'workload.entra.roles', "workload.claims['groups']", '[]'),
    joined(just('['), tie('anything'), just(', '), tie('anything'), just(']')),
    joined(tie('list'), just(' + '), tie('list')),
    joined(tie('list'), fc.constantFrom(".filter(x, x != 'a')", '.map(x, [x])', ".map(x, x + 'a')", '.map(x, x * 2)')),
  ),
  instant: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.constantFrom('time', "timestamp('2026-06-01T00:00:00Z')"),
    joined(just('timestamp('), tie('text'), just(')')),
    joined(tie('instant'), just(" + duration('"), fc.constantFrom('1h', '-400000h', 'soon'), just("')")),
  ),
  anything: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('null', 'true', 'workload', 'actor', 'workload.claims', 'x', 'workload.token', '1u'),
    ...[tie('text'), tie('number'), tie('list'), tie('instant'), tie('truth')],
  ),
  truth: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('true', 'has(actor.subject)', 'has(workload.entra.tenant)', "workload.claims['vip']"),
    joined(just('('), tie('truth'), fc.constantFrom(') && (', ') || (', ') == ('), tie('truth'), just(')')),
    joined(just('!('), tie('truth'), just(')')),
    joined(tie('text'), fc.constantFrom(' == ', ' < ', ' != '), tie('text')),
    joined(tie('number'), fc.constantFrom(' == ', ' <= ', ' > '), tie('number')),
    joined(tie('instant'), fc.constantFrom(' == ', ' >= '), tie('instant')),
    joined(tie('anything'), fc.constantFrom(' == ', ' in ', ' < '), tie('anything')),
    joined(tie('anything'), just(' in '), tie('list')),
    joined(tie('text'), fc.constantFrom(".startsWith('a')", ".contains('7')", ".matches('^(a|b)+$')")),
    joined(
      tie('list'),
      fc.constantFrom('.all(x, x == ', '.exists(x, x != ', '.exists_one(x, x < '),
      tie('text'),
      just(')'),
    ),
    joined(tie('truth'), just(' ? '), tie('truth'), just(' : '), tie('truth')),
  ),
}))

const claimValue: fc.Arbitrary<Claim> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('gold', '7', '2026-06-01T12:00:00Z'),
  fc.double(),
  fc.boolean(),
  fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 3 }),
)
const claims = fc.record(
  { tier: claimValue, level: claimValue, groups: claimValue, vip: claimValue },
  { requiredKeys: [] },
)
const somebody: fc.Arbitrary<Workload> = claims.map(some => ({ ...paymentsApi, claims: some }))
const facts: fc.Arbitrary<Facts> = fc
  .record(
    {
      workload: somebody,
      actor: somebody,
      scopes: fc.subarray(['read', 'write']),
      client: fc.constantFrom({ provenance: 'unknown' } as const, { provenance: 'direct', country: 'DE' } as const),
      time: fc.integer({ min: 0, max: 4 * noon }),
    },
    { requiredKeys: ['workload'] },
  )
  .map(factsOf)

function compiled(expression: string): Condition | undefined {
  const parsed = parseRule(allow('a', { conditions: { expression } }))
  return 'rule' in parsed ? parsed.rule.conditions.expression?.[0] : undefined
}

test('whatever is accepted comes to true, to false, or to why it cannot be evaluated, and to the same again', () => {
  const seen = { refused: 0, met: 0, unmet: 0, unevaluable: 0 }
  fc.assert(
    fc.property(truth, fc.array(facts, { minLength: 3, maxLength: 3 }), (expression, requests) => {
      const condition = compiled(expression)
      if (!condition) return void seen.refused++
      for (const request of requests) {
        const finding = condition.judge(request, new Map())
        expect(condition.judge(request, new Map())).toEqual(finding)
        if ('met' in finding) {
          expect(finding).toEqual({ met: expect.any(Boolean) })
          seen[finding.met ? 'met' : 'unmet']++
        } else {
          expect(finding).toEqual({ unevaluable: expect.stringMatching(/^.{4,160}$/s) })
          seen.unevaluable++
        }
      }
    }),
    { numRuns: 2_000, seed: 17 },
  )
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(300)
})
