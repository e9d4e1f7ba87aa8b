import type { Reason } from '../errors.ts'

/** One test that a rule made. Operators see it; callers never do. */
export interface TestTrace {
  readonly test: string
  readonly met: boolean
  readonly expected: unknown
  /** Absent where the facts have nothing to compare. */
  readonly found?: unknown
}

/** How one rule was judged. */
export interface RuleTrace {
  readonly rule: string
  readonly version: string
  readonly target: string
  readonly effect: 'allow' | 'deny'
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
  /** Epoch milliseconds at which a rule that was used ends, where one does. */
  readonly endsAt?: number
}

/** Why a decision denies: a reason of the closed set. */
export type DenialReason = Extract<
  Reason,
  | 'rule_unreadable'
  | 'denied_by_rule'
  | 'no_rule'
  | 'condition_not_met'
  | 'scope_missing'
  | 'scope_unknown'
  | 'scope_not_granted'
>

/** Allowed or denied, by which rules, with a trace of every test made. */
export type Decision = Allowed | Denied

export interface Allowed {
  readonly outcome: 'allowed'
  readonly grant: GrantedAccess
  readonly rules: readonly RuleReference[]
  readonly trace: readonly RuleTrace[]
}

export interface Denied {
  readonly outcome: 'denied'
  readonly reason: DenialReason
  /** Some allow rule of the target is about this workload: it may be told what is wrong with its scopes. */
  readonly selected: boolean
  /** Hints of operators to the workloads that their rules select. */
  readonly hint?: string
  readonly rules: readonly RuleReference[]
  readonly trace: readonly RuleTrace[]
}
