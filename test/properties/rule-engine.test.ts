import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ExchangeEntry } from '../../shared/decisions/record.ts'
import { exchange } from '../../shared/exchange.ts'
import type { Calendars } from '../../shared/rules/calendar.ts'
import { decide } from '../../shared/rules/decide.ts'
import type { Decision, DenialReason } from '../../shared/rules/decision.ts'
import type { Facts } from '../../shared/rules/facts.ts'
import { factsIn } from '../../shared/rules/impact.ts'
import type { AllowRule, Rule } from '../../shared/rules/rule.ts'
import { candidatesOf, parseRule } from '../../shared/rules/ruleset.ts'
import type { WorkloadSelector } from '../../shared/rules/selector.ts'
import { asked, openRoute } from '../exchange-steps.ts'
import { rulesetWith } from '../rules/facts.ts'
import { type Scenario, scenario } from './rule-arbitraries.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 700, seed: 30 }

const rulesetOf = ({ documents, calendars }: Scenario) => rulesetWith(calendars, ...documents)

/** Decides as the laws say: reads every rule and makes every test, without an index and without the engine. */
function decideNaively({ documents, calendars, facts }: Scenario) {
  const denied = (reason: DenialReason) => ({ outcome: 'denied', reason })
  const readable = documents.map(parseRule).flatMap(parsed => ('rule' in parsed ? parsed.rule : []))
  if (readable.length < documents.length) return denied('rule_unreadable')
  const about = readable.filter(({ state, workloads }) => state === 'enforced' && workloads.some(isAbout(facts)))
  const matching = about.filter(rule => isMet(rule, facts, calendars)).sort(byPriorityThenId)
  if (matching.some(({ effect }) => effect === 'deny')) return denied('denied_by_rule')
  const { scopes, target } = facts
  const grants = (scope: string) => (rule: Rule) => rule.effect === 'allow' && rule.scopes.includes(scope)
  if (!about.some(({ effect }) => effect === 'allow')) return denied('no_rule')
  if (scopes.length === 0) return denied('scope_missing')
  if (!scopes.every(scope => target.scopes.includes(scope))) return denied('scope_unknown')
  if (!scopes.every(scope => about.some(grants(scope)))) return denied('scope_not_granted')
  if (!scopes.every(scope => matching.some(grants(scope)))) return denied('condition_not_met')
  const used = new Set(scopes.map(scope => matching.find(grants(scope))))
  const allows = [...used].filter((rule): rule is AllowRule => rule?.effect === 'allow')
  const bounds = matching.flatMap(rule => (rule.effect === 'limit' ? [rule.limit.ttl] : []))
  const quotas = allows.flatMap(({ grant }) => grant.quota?.max ?? [])
  return {
    outcome: 'allowed',
    rules: allows.map(({ id }) => id),
    limits: bounds.length,
    ttl: Math.min(target.maxTtl, ...bounds, ...allows.map(({ grant }) => grant.ttl ?? target.defaultTtl)),
    share: allows.some(({ grant }) => grant.share === 'pod') ? 'pod' : 'workload',
    quota: quotas.length > 0 ? Math.min(...quotas) : undefined,
  }
}

const byPriorityThenId = (a: Rule, b: Rule) => a.priority - b.priority || (a.id < b.id ? -1 : 1)

const isAbout =
  ({ workload, actor }: Facts) =>
  ({ issuer, actor: acting, serviceAccountUid, ...others }: WorkloadSelector): boolean => {
    const { id, kind, labels, region } = workload.issuer
    const { subject, namespace, serviceAccount, pod, node } = workload
    const found = {
      kind,
      region,
      subject,
      namespace,
      serviceAccount: serviceAccount?.name,
      pod: pod?.name,
      node: node?.name,
    }
    const isIssuer =
      typeof issuer === 'string'
        ? isLike(issuer, id)
        : Object.entries(issuer.labels).every(([name, value]) => labels[name] === value)
    return (
      isIssuer &&
      Object.entries(found).every(([name, value]) => isLike(others[name as keyof typeof others], value)) &&
      (serviceAccountUid === undefined || serviceAccountUid === serviceAccount?.uid) &&
      isLike(acting?.issuer, actor?.issuer.id) &&
      isLike(acting?.subject, actor?.subject)
    )
  }

function isLike(pattern: string | undefined, found: string | undefined): boolean {
  if (pattern === undefined) return true
  const isBeginning = pattern.endsWith('*') && found?.startsWith(pattern.slice(0, -1))
  return isBeginning || pattern === found
}

function isMet(rule: Rule, facts: Facts, calendars: Calendars): boolean {
  const { time, scopes, workload, target } = facts
  const crosses = workload.issuer.labels['environment'] !== target.labels['environment']
  if (rule.notBefore && time < Date.parse(rule.notBefore)) return false
  if (rule.expiresAt && time >= Date.parse(rule.expiresAt)) return false
  if (rule.scopes && !rule.scopes.some(scope => scopes.includes(scope))) return false
  if (rule.effect === 'allow' && crosses && !rule.crossEnvironment) return false
  const { time: windows, posture, network, geography, claims, expression } = rule.conditions
  const tests = [windows?.conditions, network, geography, posture?.conditions, claims, expression]
  return tests.every(each =>
    (each ?? []).every(test => {
      const finding = test.judge(facts, calendars)
      return 'met' in finding ? finding.met : rule.effect !== 'allow'
    }),
  )
}

/** Of a decision, what the naive engine tells too. */
function gist(decision: Decision) {
  if (decision.outcome === 'denied') return { outcome: 'denied', reason: decision.reason }
  const { grant, rules, limits } = decision
  const { ttl, share, quota } = grant
  return { outcome: 'allowed', rules: rules.map(({ id }) => id), limits: limits.length, ttl, share, quota }
}

test('the engine decides as one that reads every rule', () => {
  const torn = { id: 'torn', target: 'orders-db' }
  fc.assert(
    fc.property(scenario, fc.nat(19), (one, number) => {
      const all = number === 0 ? { ...one, documents: [...one.documents, torn] } : one
      expect(gist(decide(rulesetOf(all), all.facts))).toEqual(decideNaively(all))
    }),
    runs,
  )
})

test('no rule about the callers is passed over, and those that are left out are counted', () => {
  fc.assert(
    fc.property(scenario, one => {
      const ruleset = rulesetOf(one)
      const candidates = new Set(candidatesOf(ruleset, one.facts))
      const all = [...ruleset.own.rules, ...ruleset.guardrails.rules]
      const about = all.filter(({ rule }) => rule.workloads.some(isAbout(one.facts)))
      expect(about.filter(rule => !candidates.has(rule))).toEqual([])
      const { trace, passedOver } = decide(ruleset, one.facts)
      expect(trace.length + passedOver).toBe(all.length)
    }),
    runs,
  )
})

/** The entry that an exchange on those facts writes before anything else. */
async function recorded({ documents, calendars, facts }: Scenario): Promise<ExchangeEntry | undefined> {
  const { steps, entries } = openRoute()
  const { workload, actor, client, posture = {}, scopes, time, target } = facts
  const known = await steps.targets.find({ id: 'orders-db' })
  if (!known || 'problem' in known) throw new TypeError('expected a target')
  const { labels, defaultTtl, maxTtl } = target
  const meanings = Object.fromEntries(target.scopes.map(scope => [scope, {}]))
  await exchange(asked('orders-db', { scopes }), {
    ...steps,
    identify: async () => ({ workload, ...(actor && { actor }) }),
    clientOf: () => client,
    posture: async () => posture,
    targets: { find: async () => ({ ...known, labels, scopes: meanings, defaultTtl, maxTtl }) },
    rules: { of: async () => rulesetWith(calendars, ...documents) },
    now: () => time,
  })
  return entries[0]
}

test('what a record says re-judges to the same decision', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async one => {
      const entry = await recorded(one)
      const stored: ExchangeEntry = JSON.parse(JSON.stringify(entry))
      const facts = factsIn(stored)
      if (!facts) throw new TypeError('expected the facts in the record')
      const again = decide(rulesetOf(one), facts)
      const { outcome, reason, rules, limits = [], trace, passedOver, grant } = stored
      const told = { outcome, rules, trace, passedOver, ...(outcome === 'allowed' ? { limits, grant } : { reason }) }
      const { selected: _, hint: __, ...decision } = { selected: undefined, hint: undefined, ...again }
      expect(JSON.parse(JSON.stringify(decision))).toEqual(told)
    }),
    { ...runs, numRuns: 300 },
  )
})
