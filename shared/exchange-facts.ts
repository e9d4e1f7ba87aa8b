import type { ExchangeEntry } from './decisions/record.ts'
import type { ExchangeRequest } from './exchange-request.ts'
import type { Decision } from './rules/decision.ts'
import type { Facts } from './rules/facts.ts'
import type { UnreadableTarget } from './targets/cosmos-targets.ts'
import type { Target } from './targets/target.ts'
import type { Callers } from './workload/identify.ts'

/** What was asked for, as it is recorded. */
export function askedOf({ target, scopes }: ExchangeRequest): ExchangeEntry['asked'] {
  return { target: ('id' in target ? target.id : target.uri).toWellFormed(), scopes }
}

/** What is decided by. Without scopes in the request, they are the target's default ones. */
export function factsOf(
  { workload, actor, client, posture }: Callers & Pick<Facts, 'client' | 'posture'>,
  request: ExchangeRequest,
  target: Target | UnreadableTarget,
  time: number,
): Facts {
  const readable = 'problem' in target ? { id: target.id, ...nothingKnown } : target
  const { id, labels, defaultScopes, defaultTtl, maxTtl } = readable
  const scopes = request.scopes.length > 0 ? request.scopes : defaultScopes.toSorted()
  const defined = { id, labels, scopes: Object.keys(readable.scopes), defaultTtl, maxTtl }
  return { workload, ...(actor && { actor }), target: defined, scopes, client, ...(posture && { posture }), time }
}

/** A target that cannot be read defines nothing; its rules still tell whom it concerns. */
const nothingKnown = { labels: {}, scopes: {}, defaultScopes: [], defaultTtl: 0, maxTtl: 0 }

/** What a decision rests on, and how it came about, as it is recorded. */
export function told({ workload: _workload, actor: _actor, client: _client, ...facts }: Facts, decision: Decision) {
  const { rules, trace, passedOver } = decision
  const limits = decision.outcome === 'allowed' && decision.limits.length > 0 ? { limits: decision.limits } : {}
  return { facts, rules, ...limits, trace, passedOver }
}
