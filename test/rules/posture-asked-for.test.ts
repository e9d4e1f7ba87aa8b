import { expect, test } from 'vitest'
import { postureAskedFor } from '../../shared/rules/ruleset.ts'
import { allow, deny, paymentsApi, type RuleDocument, rulesetOf, someoneElse } from './facts.ts'

/** Conditions on signals, each written as `<kind>/<name>`. */
const asking = (...names: readonly string[]) => ({
  conditions: {
    posture: names.map(name => {
      const [of, signal] = name.split('/')
      return { of, signal, require: { '/high': { max: 0 } }, maxAge: 'PT1H' }
    }),
  },
})

const askedBy = (...documents: readonly RuleDocument[]) =>
  postureAskedFor(rulesetOf(...documents), { workload: paymentsApi }).map(({ of, signal }) => `${of}/${signal}`)

test('of a workload the signals are asked for that rules and guardrails about it require, each once', () => {
  const guardrail = deny('g', { target: '*', ...asking('cluster/defender', 'pod/attested') })
  const reporting = allow('r', { state: 'report-only', ...asking('namespace/frozen') })
  const allowing = allow('a', asking('cluster/defender', 'cluster/scan', 'node/defender'))
  expect(askedBy(allowing, guardrail, reporting).toSorted()).toEqual([
    'cluster/defender',
    'cluster/scan',
    'namespace/frozen',
    'node/defender',
    'pod/attested',
  ])
})

test('the order in which signals are asked for does not depend on that of the rules', () => {
  const names = ['pod/b', 'cluster/z', 'pod/a', 'cluster/c']
  const rules = names.map((name, index) => allow(`rule-${index}`, asking(name)))
  expect(askedBy(...rules)).toEqual(['cluster/c', 'cluster/z', 'pod/a', 'pod/b'])
  const renamed = names.map((name, index) => allow(`rule-${9 - index}`, { ...asking(name), priority: index }))
  expect(askedBy(...renamed)).toEqual(askedBy(...rules))
})

test('nothing is asked for where no rule about the workload requires any', () => {
  const drafted = allow('draft', { state: 'draft', ...asking('pod/attested') })
  expect(askedBy(allow('a'), allow('b', { ...someoneElse, ...asking('node/defender') }), drafted)).toEqual([])
})
