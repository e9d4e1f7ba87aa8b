import type { ErrorCode, Reason } from './errors.ts'
import type { ExchangeRequest } from './exchange-request.ts'
import type { Decision } from './rules/decision.ts'
import type { UnreadableTarget } from './targets/cosmos-targets.ts'
import type { Target } from './targets/target.ts'

/** A denial: what the caller is told. Why is in the record. */
export interface Refused {
  readonly outcome: 'refused'
  readonly code: ErrorCode
  readonly description: string
  /** Seconds. */
  readonly retryAfter?: number
}

/** Why an exchange is refused, and what the caller is told of it. */
export interface Refusal extends Omit<Refused, 'outcome'> {
  readonly reason: Reason
  readonly detail?: Readonly<Record<string, string>>
}

/** Targets that are unknown and targets that are denied get one answer, so that nobody can map them. */
const notYours = 'the target is unknown, or this workload may not have it'

export function refusal(code: ErrorCode, reason: Reason, description = notYours): Refusal {
  return { code, reason, description }
}

/** What a workload is told of its denial: more than "no" only where an allow rule of this target is about it. */
export function refusalOf(decision: Decision, target: Target | UnreadableTarget): Refusal {
  const concerned = decision.outcome === 'allowed' || decision.selected
  if ('problem' in target) return outage('target_unreadable', concerned)
  if (!target.enabled || decision.outcome === 'allowed') return refusal('invalid_target', 'target_disabled')
  const { reason, hint } = decision
  switch (reason) {
    case 'rule_unreadable':
      return outage(reason, concerned)
    case 'scope_missing':
    case 'scope_unknown':
    case 'scope_not_granted':
      return refusal('invalid_scope', reason, hint ?? 'the scope is missing, unknown or not granted to this workload')
    case 'denied_by_rule':
    case 'condition_not_met':
    case 'no_rule':
      return refusal('invalid_target', reason, hint)
  }
}

function outage(reason: Reason, concerned: boolean): Refusal {
  return concerned
    ? { ...refusal('temporarily_unavailable', reason, 'the target is not available'), retryAfter: 30 }
    : refusal('invalid_target', reason)
}

export function typeMismatch(
  { requestedTokenType }: ExchangeRequest,
  { issuedTokenType }: Target,
): Refusal | undefined {
  if (requestedTokenType === undefined || requestedTokenType === issuedTokenType) return undefined
  const description = `requested_token_type: expected none, or ${issuedTokenType}`
  return refusal('invalid_request', 'token_type_mismatch', description)
}
