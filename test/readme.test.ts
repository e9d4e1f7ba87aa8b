import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { calendarDocument } from '../shared/rules/calendar.ts'
import { decide } from '../shared/rules/decide.ts'
import { signalDocument } from '../shared/rules/posture-signal.ts'
import { parseRule } from '../shared/rules/ruleset.ts'
import { allow, factsOf, minute, paymentsApi, type RuleDocument, rulesetOf } from './rules/facts.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const section = readme.slice(readme.indexOf('\n## Rules\n'), readme.indexOf('\n## Issuers\n'))
const examples = [...section.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => JSON.parse(text))
const conditions = ['time', 'network', 'geography', 'posture', 'claims', 'expression'] as const

describe('the examples of the README can be pasted', () => {
  test('the rule', () => {
    expect(parseRule(examples[0])).toHaveProperty('rule')
  })

  test.each(conditions)('the condition %s', name => {
    const found = examples.filter(example => !Array.isArray(example) && Object.keys(example)[0] === name)
    expect(found.length).toBe(1)
    expect(parseRule(allow('a', { conditions: found[0] }))).toHaveProperty('rule')
  })

  test('the calendar and the signal', () => {
    expect(calendarDocument.safeParse(examples.find(({ periods }) => periods)).success).toBe(true)
    expect(signalDocument.safeParse(examples.find(({ of }) => of)).success).toBe(true)
  })
})

describe("the laws' example decides as its table says", () => {
  const rules: readonly RuleDocument[] = examples.find(example => Array.isArray(example)) ?? []
  const inside = { address: '10.1.2.3', provenance: 'direct' } as const
  const [tuesday, sunday] = ['2026-06-02T10:00:00+02:00', '2026-06-07T03:00:00+02:00'].map(text => Date.parse(text))
  const both = { scopes: ['read', 'write'] }
  const job = { ...paymentsApi, pod: { name: 'job-7' } }
  const batch = { ...paymentsApi, namespace: 'billing', serviceAccount: { name: 'batch' } }
  const decided = (overrides: Parameters<typeof factsOf>[0]) =>
    decide(rulesetOf(...rules), factsOf({ client: inside, ...overrides }))

  test.each([
    ['read on a Sunday', { time: sunday }, 30],
    ['both by day', { ...both, time: tuesday }, 15],
    ['read for a job', { workload: job, time: sunday }, 5],
  ])('%s: allowed for so many minutes', (_, facts, minutes) => {
    expect(decided(facts as object)).toMatchObject({ outcome: 'allowed', grant: { ttl: minutes * minute } })
  })

  test('both shortly before the evening: until then', () => {
    const evening = Date.parse('2026-06-02T18:50:00+02:00')
    expect(decided({ ...both, time: evening })).toMatchObject({ grant: { endsAt: evening + 10 * minute } })
  })

  test.each([
    ['another workload', { workload: batch, time: tuesday }, 'no_rule'],
    ['both on a Sunday', { ...both, time: sunday }, 'condition_not_met'],
    ['from outside', { client: { address: '203.0.113.9', provenance: 'direct' }, time: tuesday }, 'denied_by_rule'],
    ['from nobody knows where', { client: { provenance: 'unknown' }, time: tuesday }, 'denied_by_rule'],
  ])('%s: denied', (_, facts, reason) => {
    expect(decided(facts as object)).toMatchObject({ outcome: 'denied', reason })
  })
})
