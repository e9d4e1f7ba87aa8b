import { expect, test } from 'vitest'
import { postureAskedFor } from '../../shared/rules/ruleset.ts'
import { allow, deny, paymentsApi, type RuleDocument, rulesetOf, someoneElse } from './facts.ts'

const asking = (...kinds: readonly string[]) => ({
  conditions: {
    posture: kinds.map(of => ({ of, signal: 'defender', require: { '/high': { max: 0 } }, maxAge: 'PT1H' })),
  },
})

const askedBy = (...documents: readonly RuleDocument[]) =>
  postureAskedFor(rulesetOf(...documents), { workload: paymentsApi }).toSorted()

test('of a workload the posture is asked for that rules and guardrails about it require, each kind once', () => {
  const guardrail = deny('g', { target: '*', ...asking('cluster', 'pod') })
  const reporting = allow('r', { state: 'report-only', ...asking('namespace') })
  expect(askedBy(allow('a', asking('cluster', 'node')), guardrail, reporting)).toEqual([
    'cluster',
    'namespace',
    'node',
    'pod',
  ])
})

test('nothing is asked for where no rule about the workload requires any', () => {
  const drafted = allow('draft', { state: 'draft', ...asking('pod') })
  expect(askedBy(allow('a'), allow('b', { ...someoneElse, ...asking('node') }), drafted)).toEqual([])
})
