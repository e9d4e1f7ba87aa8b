import type { WorkloadIssuer } from '../workload/workload.ts'
import type { AllowRule, Rule } from './rule.ts'
import type { CompiledRule, Ruleset } from './ruleset.ts'
import type { WorkloadSelector } from './selector.ts'
import { covers, mayBeOfIssuer, mayOverlap } from './selector-relations.ts'

/** Whom an allow rule lets have what, and what of it depends on the request. */
export interface GrantedTo {
  readonly rule: string
  readonly version: string
  readonly scopes: readonly string[]
  readonly workloads: readonly WorkloadSelector[]
  /** The conditions that have to be met besides, by name: whether they are depends on the request. */
  readonly conditions: readonly string[]
  readonly expiresAt?: string
  readonly whatCouldDeny: readonly CouldDeny[]
}

/** A deny that may be about the same workloads. `always`: about all of them, whatever the request. */
export interface CouldDeny {
  readonly rule: string
  readonly target: string
  readonly always: boolean
  readonly scopes?: readonly string[]
  readonly workloads: readonly WorkloadSelector[]
  readonly conditions: readonly string[]
}

/** Who can reach a target now, as its rules say. */
export interface TargetAccess {
  readonly target: string
  readonly allows: readonly GrantedTo[]
  /** Rules that cannot be read: while there is one, nobody reaches the target. */
  readonly unreadable: readonly string[]
}

/** Whom it is asked of: everybody, where nothing is named. */
export interface AskedOf {
  readonly namespace: string
  readonly issuer?: WorkloadIssuer | undefined
}

/** The enforced allow rules of a target that are valid at a time (epoch milliseconds) and may be about those who are asked of. */
export function accessOf(target: string, ruleset: Ruleset, time: number, asked?: AskedOf): TargetAccess {
  const { own, guardrails } = ruleset
  const valid = (rules: readonly CompiledRule[]) =>
    rules.filter(({ state, rule }) => state === 'enforced' && isValid(rule, time))
  const inForce = [...valid(own.rules), ...valid(guardrails.rules)]
  const denies = inForce.map(({ rule }) => rule).filter(({ effect }) => effect === 'deny')
  return {
    target,
    allows: inForce.flatMap(({ rule, version }) => {
      if (rule.effect !== 'allow') return []
      const workloads = rule.workloads.filter(selector => !asked || mayBe(selector, asked))
      return workloads.length > 0 ? [grantedTo({ ...rule, workloads }, version, denies)] : []
    }),
    unreadable: [...own.unreadable, ...guardrails.unreadable].map(({ id }) => id),
  }
}

function grantedTo(rule: AllowRule, version: string, denies: readonly Rule[]): GrantedTo {
  return {
    rule: rule.id,
    version,
    scopes: rule.scopes,
    workloads: rule.workloads,
    conditions: conditionsOf(rule),
    ...(rule.expiresAt !== undefined && { expiresAt: rule.expiresAt }),
    whatCouldDeny: denies.filter(deny => couldDeny(deny, rule)).map(deny => shownDeny(deny, rule)),
  }
}

function couldDeny(deny: Rule, allow: AllowRule): boolean {
  const aboutScopes = !deny.scopes || deny.scopes.some(scope => allow.scopes.includes(scope))
  return aboutScopes && deny.workloads.some(one => allow.workloads.some(other => mayOverlap(one, other)))
}

function shownDeny(deny: Rule, allow: AllowRule): CouldDeny {
  const { id, target, scopes, workloads } = deny
  const conditions = conditionsOf(deny)
  const all = allow.workloads.every(narrow => workloads.some(wide => covers(wide, narrow)))
  const always = all && conditions.length === 0 && allow.scopes.every(scope => scopes?.includes(scope) ?? true)
  return { rule: id, target, always, ...(scopes && { scopes }), workloads, conditions }
}

/** What depends on more than who asks; that of another environment than the target is refused without being asked. */
function conditionsOf(rule: Rule): readonly string[] {
  const named = Object.entries(rule.conditions).filter(([, condition]) => condition !== undefined)
  const environment = rule.effect === 'allow' && !rule.crossEnvironment ? ['environment'] : []
  return [...named.map(([name]) => name), ...environment]
}

function isValid({ notBefore, expiresAt }: Rule, time: number): boolean {
  const begun = notBefore === undefined || Date.parse(notBefore) <= time
  return begun && (expiresAt === undefined || Date.parse(expiresAt) > time)
}

/** Whether a selector may be about a workload of the namespace, as far as its text and its issuer's tell. */
function mayBe(selector: WorkloadSelector, { namespace, issuer }: AskedOf): boolean {
  if (!mayOverlap(selector, { issuer: '*', namespace })) return false
  return !issuer || mayBeOfIssuer(selector, issuer)
}
