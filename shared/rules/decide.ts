import type { Allowed, Decision, DenialReason, Denied, GrantedAccess, RuleReference } from './decision.ts'
import type { Facts } from './facts.ts'
import { type Judged, judge } from './judge.ts'
import type { AllowRule, Rule } from './rule.ts'
import { byOrder, type CompiledRule, candidatesOf, type Ruleset } from './ruleset.ts'

/**
 * Decides by the laws: default is deny; any matching deny wins; otherwise each requested scope must be granted by a
 * matching allow, the first by priority and then id. An unreadable rule may have been a deny, so it denies. Pure: the
 * same rule set and facts give the same decision. Never throws.
 */
export function decide(ruleset: Ruleset, facts: Facts): Decision {
  return decideAmong(candidatesOf(ruleset, facts), ruleset, facts)
}

/** Decides by some rules of a set: among them all that could be about the workload, in their order. */
export function decideAmong(rules: readonly CompiledRule[], ruleset: Ruleset, facts: Facts): Decision {
  const judged = rules.map(compiled => judge(compiled, facts, ruleset.calendars))
  const inForce = judged.filter(({ compiled, trace }) => compiled.state === 'enforced' && trace.matched)
  const judgement = { judged, ruleset, facts }
  const deny = (reason: DenialReason, because: readonly Judged[] = []) => denied(reason, because, judgement)
  if (ruleset.own.unreadable.length + ruleset.guardrails.unreadable.length > 0) return deny('rule_unreadable')
  const denies = inForce.filter(({ compiled }) => compiled.rule.effect === 'deny')
  if (denies.length > 0) return deny('denied_by_rule', denies)
  const scopeProblem = problemOfScopes(facts)
  if (scopeProblem) return deny(scopeProblem)
  const used = facts.scopes.map(scope => inForce.find(({ compiled }) => grants(compiled.rule, scope)))
  if (used.includes(undefined)) return deny(whyNotGranted(facts, judged))
  return allowed([...new Set(used.filter(rule => rule !== undefined))], inForce, judgement)
}

function problemOfScopes({ scopes, target }: Facts): DenialReason | undefined {
  if (scopes.length === 0) return 'scope_missing'
  return scopes.every(scope => target.scopes.includes(scope)) ? undefined : 'scope_unknown'
}

/** A scope that a rule about this workload would grant, were its other tests met, is a matter of conditions. */
function whyNotGranted({ scopes }: Facts, judged: readonly Judged[]): DenialReason {
  const selecting = judged.filter(({ compiled, trace }) => trace.selected && compiled.state === 'enforced')
  const reachable = scopes.every(scope => selecting.some(({ compiled }) => grants(compiled.rule, scope)))
  return reachable ? 'condition_not_met' : 'scope_not_granted'
}

function grants(rule: Rule, scope: string): boolean {
  return rule.effect === 'allow' && rule.scopes.includes(scope)
}

interface Judgement {
  readonly judged: readonly Judged[]
  readonly ruleset: Ruleset
  readonly facts: Facts
}

function allowed(used: readonly Judged[], inForce: readonly Judged[], judgement: Judgement): Allowed {
  const { judged, ruleset } = judgement
  const limits = inForce.filter(({ compiled }) => compiled.rule.effect === 'limit')
  return {
    outcome: 'allowed',
    grant: grantOf(used, limits, judgement),
    rules: used.map(reference),
    limits: limits.map(reference),
    trace: judged.map(({ trace }) => trace),
    passedOver: countRules(ruleset) - judged.length,
  }
}

/** The ttl is the shortest of the rules used, of the target and of every limit that matches. */
function grantOf(used: readonly Judged[], limits: readonly Judged[], { ruleset, facts }: Judgement): GrantedAccess {
  const { scopes, target, time } = facts
  const allows = used.map(({ compiled: { rule } }) => rule).filter(rule => rule.effect === 'allow')
  const bounds = limits.flatMap(({ compiled: { rule } }) => (rule.effect === 'limit' ? [rule.limit.ttl] : []))
  const endsAt = Math.min(...allows.map(rule => endOf(rule, rule.conditions.time?.openUntil(time, ruleset.calendars))))
  const quota = Math.min(...allows.map(({ grant }) => grant.quota?.max ?? Number.POSITIVE_INFINITY))
  return {
    scopes,
    ttl: Math.min(target.maxTtl, ...bounds, ...allows.map(({ grant }) => grant.ttl ?? target.defaultTtl)),
    share: allows.every(({ grant }) => grant.share === 'workload') ? 'workload' : 'pod',
    ...(Number.isFinite(endsAt) && { endsAt }),
    ...(Number.isFinite(quota) && { quota }),
  }
}

/** Epoch milliseconds at which a rule's grant ends: with its time window and with the rule, unless it may outlive them. */
function endOf({ grant, expiresAt }: AllowRule, windowEnd = Number.POSITIVE_INFINITY): number {
  if (grant.outlive) return Number.POSITIVE_INFINITY
  return Math.min(windowEnd, expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt))
}

/** What the workload may be told depends on whether some allow rule of this target is about it. */
function denied(reason: DenialReason, because: readonly Judged[], { judged, ruleset, facts }: Judgement): Denied {
  const selecting = judged.filter(({ compiled, trace }) => trace.selected && compiled.state === 'enforced')
  const selected = selecting.some(({ compiled }) => compiled.rule.effect === 'allow')
  // A guardrail's hint is not given: it would tell the targets that exist from those that do not.
  const speaking = (because.length > 0 ? because : selecting).filter(({ compiled }) => compiled.rule.target !== '*')
  const hint = speaking.map(({ compiled }) => compiled.rule.whenDenied).find(Boolean)
  const shown = [...judged, ...nearby(ruleset, judged, facts)].sort((a, b) => byOrder(a.compiled, b.compiled))
  return {
    outcome: 'denied',
    reason: selected || because.length > 0 || reason === 'rule_unreadable' ? reason : 'no_rule',
    selected,
    ...(hint !== undefined && { hint }),
    rules: because.map(reference),
    trace: shown.map(({ trace }) => trace),
    passedOver: countRules(ruleset) - shown.length,
  }
}

/** Of the rules that the index passed over, a denial shows some: an operator looks for the one that should have fitted. */
const shownNearby = 8

function nearby({ own, guardrails, calendars }: Ruleset, judged: readonly Judged[], facts: Facts): readonly Judged[] {
  const known = new Set(judged.map(({ compiled }) => compiled))
  const others: Judged[] = []
  for (const compiled of [own.rules, guardrails.rules].flatMap(rules => rules.slice(0, known.size + shownNearby))) {
    if (others.length === shownNearby) break
    if (!known.has(compiled)) others.push(judge(compiled, facts, calendars))
  }
  return others
}

function countRules({ own, guardrails }: Ruleset): number {
  return own.rules.length + guardrails.rules.length
}

function reference({ compiled: { rule, version } }: Judged): RuleReference {
  return { id: rule.id, target: rule.target, version }
}
