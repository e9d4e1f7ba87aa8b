import type { Allowed, Decision, DenialReason, Denied, RuleReference, RuleTrace, TestTrace } from './decision.ts'
import type { Facts } from './facts.ts'
import type { CompiledRule, Ruleset } from './ruleset.ts'
import { selects } from './selector.ts'

interface Judged {
  readonly compiled: CompiledRule
  readonly trace: RuleTrace
}

/**
 * Decides by the laws: default is deny; any matching deny wins; otherwise each requested scope must be granted by a
 * matching allow, the first by priority and then id. The ttl is the shortest of the rules used and of the target. An
 * unreadable rule may have been a deny, so it denies. Pure: the same rule set and facts give the same decision.
 */
export function decide({ rules: ruleset, unreadable }: Ruleset, facts: Facts): Decision {
  const judged = ruleset.map(compiled => ({ compiled, trace: judge(compiled, facts) }))
  const trace = judged.map(({ trace }) => trace)
  if (unreadable.length > 0) return denied('rule_unreadable', [], judged)
  const inForce = judged.filter(({ compiled, trace }) => compiled.state === 'enforced' && trace.matched)
  const denies = inForce.filter(({ compiled }) => compiled.rule.effect === 'deny')
  if (denies.length > 0) return denied('denied_by_rule', denies, judged)
  const scopeProblem = problemOfScopes(facts)
  if (scopeProblem) return denied(scopeProblem, [], judged)
  const used = facts.scopes.map(scope => inForce.find(({ compiled }) => grants(compiled, scope)))
  if (used.includes(undefined)) return denied(whyNotGranted(facts, judged), [], judged)
  const rules = [...new Set(used.filter(rule => rule !== undefined))]
  return { outcome: 'allowed', grant: grantOf(rules, facts), rules: rules.map(reference), trace }
}

/** Judges one rule: first whom it is about, then whether it is in force now, then whether it is about these scopes. */
function judge({ rule, version, state, selectors, notBefore, expiresAt }: CompiledRule, facts: Facts): RuleTrace {
  const tests: TestTrace[] = []
  let selected = false
  for (const selector of selectors) {
    const result = selects(selector, facts.workload)
    tests.push(...result.tests)
    selected = result.met
    if (selected) break
  }
  let matched = selected
  if (selected) {
    const validity = validityTest(notBefore, expiresAt, facts.time)
    const scopes = scopeTest(rule.scopes, facts.scopes)
    tests.push(...validity, scopes)
    matched = validity.every(test => test.met) && scopes.met
  }
  const { id, target, effect } = rule
  return { rule: id, version, target, effect, state, selected, matched, tests }
}

function validityTest(notBefore: number, expiresAt: number, time: number): readonly TestTrace[] {
  const tests: TestTrace[] = []
  const found = instant(time)
  if (Number.isFinite(notBefore)) {
    tests.push({ test: 'notBefore', met: time >= notBefore, expected: instant(notBefore), found })
  }
  if (Number.isFinite(expiresAt)) {
    tests.push({ test: 'expiresAt', met: time < expiresAt, expected: instant(expiresAt), found })
  }
  return tests
}

/** A rule matches where it is about one of the scopes asked for; a deny without scopes is about every request. */
function scopeTest(expected: readonly string[] | undefined, found: readonly string[]): TestTrace {
  if (expected === undefined) return { test: 'scopes', met: true, expected: '*', found }
  return { test: 'scopes', met: found.some(scope => expected.includes(scope)), expected, found }
}

function problemOfScopes({ scopes, target }: Facts): DenialReason | undefined {
  if (scopes.length === 0) return 'scope_missing'
  return scopes.every(scope => target.scopes.includes(scope)) ? undefined : 'scope_unknown'
}

/** A scope that a rule about this workload would grant, were its other tests met, is a matter of conditions. */
function whyNotGranted({ scopes }: Facts, judged: readonly Judged[]): DenialReason {
  const selecting = judged.filter(({ compiled, trace }) => trace.selected && compiled.state === 'enforced')
  const reachable = scopes.every(scope => selecting.some(({ compiled }) => grants(compiled, scope)))
  return reachable ? 'condition_not_met' : 'scope_not_granted'
}

function grants({ rule }: CompiledRule, scope: string): boolean {
  return rule.effect === 'allow' && rule.scopes.includes(scope)
}

function grantOf(used: readonly Judged[], { scopes, target }: Facts): Allowed['grant'] {
  const allows = used.map(({ compiled }) => compiled).filter(({ rule }) => rule.effect === 'allow')
  const ttls = allows.map(({ rule }) => (rule.effect === 'allow' ? rule.grant.ttl : undefined) ?? target.defaultTtl)
  const endsAt = Math.min(...allows.map(({ expiresAt }) => expiresAt))
  const shared = allows.every(({ rule }) => rule.effect === 'allow' && rule.grant.share === 'workload')
  return {
    scopes,
    ttl: Math.min(target.maxTtl, ...ttls),
    share: shared ? 'workload' : 'pod',
    ...(Number.isFinite(endsAt) && { endsAt }),
  }
}

/** What the workload may be told depends on whether some allow rule of this target is about it. */
function denied(reason: DenialReason, because: readonly Judged[], judged: readonly Judged[]): Denied {
  const selecting = judged.filter(({ compiled, trace }) => trace.selected && compiled.state === 'enforced')
  const selected = selecting.some(({ compiled }) => compiled.rule.effect === 'allow')
  // A guardrail's hint is not given: it would tell the targets that exist from those that do not.
  const speaking = (because.length > 0 ? because : selecting).filter(({ compiled }) => compiled.rule.target !== '*')
  const hint = speaking.map(({ compiled }) => compiled.rule.whenDenied).find(Boolean)
  return {
    outcome: 'denied',
    reason: selected || because.length > 0 || reason === 'rule_unreadable' ? reason : 'no_rule',
    selected,
    ...(hint !== undefined && { hint }),
    rules: because.map(reference),
    trace: judged.map(({ trace }) => trace),
  }
}

function reference({ compiled: { rule, version } }: Judged): RuleReference {
  return { id: rule.id, target: rule.target, version }
}

function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
