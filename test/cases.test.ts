import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeProblems } from '../shared/document.ts'
import { decide } from '../shared/rules/decide.ts'
import type { RuleTrace, TestTrace } from '../shared/rules/decision.ts'
import type { Ruleset } from '../shared/rules/ruleset.ts'
import { type Case, caseFile, type ShortTest } from './cases/case.ts'
import { type Came, reference, rulesetOf, runThroughRoute } from './cases/case-route.ts'

const folder = join(import.meta.dirname, 'cases')
const files = globSync('*.json', { cwd: folder })
  .toSorted()
  .map(name => ({ name: basename(name, '.json'), cases: read(join(folder, name)) }))

/** The cases of a file. Throws where one is not of their form, with its place in the file. */
function read(path: string): readonly Case[] {
  const parsed = caseFile.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!parsed.success) throw new TypeError([path, ...describeProblems(parsed.error)].join('\n'))
  return parsed.data
}

/** All that a case says, and nothing else, as {@link came} tells it. */
function expected(one: Case) {
  const { decision, trace, told, facts, record, unreadable } = one
  const { workload, actor, client, ...others } = facts
  const granted = decision.outcome === 'allowed' ? { grant: decision.grant, credential: reference } : {}
  const limits = decision.outcome === 'allowed' && decision.limits.length > 0 ? { limits: decision.limits } : {}
  const { rules, passedOver } = decision
  const who = { workload, ...(actor && { actor }), client }
  const asked = { target: facts.target.id, scopes: facts.scopes }
  const took = { durationMs: 0, timings: expect.any(Object) }
  const judged = { facts: others, rules, ...limits, trace, passedOver, ...granted }
  return {
    decision: { ...decision, trace },
    records: [{ kind: 'exchange', decision: 'decision-1', ...record, asked, ...who, ...judged, ...took }],
    told,
    unreadable,
  }
}

/** What became of a case. The route finds its rules in the order of the file, the decision alone in the other one. */
async function came(one: Case) {
  const reversed = { ...one, rules: one.rules.toReversed(), guardrails: one.guardrails.toReversed() }
  const decision = decide(rulesetOf(reversed), one.facts)
  const { outcome, entries } = await runThroughRoute(one)
  return {
    decision: { ...decision, trace: shortened(decision.trace, one) },
    records: entries.map(entry => ('trace' in entry ? { ...entry, trace: shortened(entry.trace, one) } : entry)),
    told: toldBy(outcome),
    unreadable: problemsIn(rulesetOf(one)),
  }
}

/** What is wrong with rules, by their names as cases write them. */
function problemsIn({ own, guardrails }: Ruleset): Readonly<Record<string, string>> {
  const problems = own.unreadable.map(({ id, problem }) => [id, problem])
  return Object.fromEntries([...problems, ...guardrails.unreadable.map(({ id, problem }) => [`*/${id}`, problem])])
}

/** A trace with those tests in short that the case writes so. */
function shortened(trace: readonly RuleTrace[], { trace: written }: Case) {
  return trace.map((rule, at) => ({
    ...rule,
    tests: rule.tests.map((test, nth) => (isWhole(written[at]?.tests[nth]) ? test : inShort(test))),
  }))
}

function isWhole(written: ShortTest | TestTrace | undefined): boolean {
  return typeof written === 'object' && 'test' in written
}

function inShort({ test, met, unevaluable }: TestTrace): ShortTest {
  if (unevaluable !== undefined) return [test, met, 'unevaluable']
  return met ? test : [test, met]
}

function toldBy(outcome: Came['outcome']) {
  if (outcome.outcome === 'issued') return { scopes: outcome.scopes, expiresAt: outcome.expiresAt }
  const { outcome: _refused, ...told } = outcome
  return told
}

test('there are at least 80 cases, and no sentence stands for two of them', () => {
  const sentences = files.flatMap(({ cases }) => cases.map(one => one.case))
  expect(sentences.length).toBeGreaterThanOrEqual(80)
  expect(sentences.filter((one, at) => sentences.indexOf(one) !== at)).toEqual([])
})

describe.each(files)('$name', ({ cases }) => {
  test.each(cases)('$case', async one => {
    expect(await came(one)).toEqual(expected(one))
  })
})
