import type { Reason } from '../errors.ts'

/** One test that a rule made. Operators see it; callers never do. */
export interface TestTrace {
  readonly test: string
  /** What it counts as: a test that cannot be evaluated is not met for an allow, and met for a deny or a limit. */
  readonly met: boolean
  readonly expected: unknown
  /** Absent where the facts have nothing to compare. */
  readonly found?: unknown
  /** Why it cannot be evaluated, where it cannot. */
  readonly unevaluable?: string
}

/** How one rule was judged. */
export interface RuleTrace {
  readonly rule: string
  readonly version: string
  readonly target: string
  readonly effect: 'allow' | 'deny' | 'limit'
  readonly state: 'enforced' | 'report-only'
  /** The rule is about this workload. */
  readonly selected: boolean
  /** It is about this workload and everything else in it is met too. */
  readonly matched: boolean
  /** For each selector in turn, and then the rule's other tests; a selector's tests end at the first that is not met. */
  readonly tests: readonly TestTrace[]
}

/** A rule at the version that decided. */
export interface RuleReference {
  readonly id: string
  readonly target: string
  readonly version: string
}

/** What a decision allows. Times are milliseconds. */
export interface GrantedAccess {
  readonly scopes: readonly string[]
  readonly ttl: number
  readonly share: 'pod' | 'workload'
  /** Epoch milliseconds at which a rule that was used ends, or its time window, where that is within a day. */
  readonly endsAt?: number
  /** How many leases of this target the workload may have alive at once, where a rule that was used says so. */
  readonly quota?: number
}

/** Why a decision denies: reasons of the closed set. */
export const denialReasons = [
  'rule_unreadable',
  'denied_by_rule',
  'no_rule',
  'condition_not_met',
  'scope_missing',
  'scope_unknown',
  'scope_not_granted',
] as const satisfies readonly Reason[]
export type DenialReason = (typeof denialReasons)[number]

/** Allowed or denied, by which rules, with a trace of every test made. */
export type Decision = Allowed | Denied

interface Decided {
  /** The rules that decided: the denies that matched, or the allows that grant a scope. */
  readonly rules: readonly RuleReference[]
  readonly trace: readonly RuleTrace[]
  /** How many rules of the target are not in the trace: the index tells that none is about this workload. */
  readonly passedOver: number
}

export interface Allowed extends Decided {
  readonly outcome: 'allowed'
  readonly grant: GrantedAccess
  /** The limits that matched. */
  readonly limits: readonly RuleReference[]
}

export interface Denied extends Decided {
  readonly outcome: 'denied'
  readonly reason: DenialReason
  /** Some allow rule of the target is about this workload: it may be told what is wrong with its scopes. */
  readonly selected: boolean
  /** Hints of operators to the workloads that their rules select. */
  readonly hint?: string
}
