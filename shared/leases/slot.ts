import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { RuleReference } from '../rules/decision.ts'
import type { Workload } from '../workload/workload.ts'

/** All that makes two requests ask for the same account. */
export interface SlotIdentity {
  readonly deployment: string
  readonly target: string
  readonly provider: string
  readonly settings: unknown
  readonly scopes: readonly string[]
  readonly meanings: readonly unknown[]
  /** Milliseconds. */
  readonly ttl: number
  readonly share: 'pod' | 'workload'
  readonly endsAt?: number
  readonly rules: readonly RuleReference[]
  readonly workload: Workload
  readonly actor?: Workload
}

/** A slot: whose account it is, and for which window. Times are epoch milliseconds. */
export interface Slot {
  /** SHA-256 in hexadecimal: the partition key of its leases. */
  readonly id: string
  readonly windowEnd: number
  readonly expiresAt: number
}

/**
 * Windows are half a ttl long and offset by a hash of the identity: a credential handed out has between half and all
 * of its ttl left, and replicas do not all roll at once.
 */
export function slotAt(identity: SlotIdentity, now: number): Slot {
  const { workload, actor, ttl, endsAt = Number.POSITIVE_INFINITY } = identity
  const key = {
    deployment: identity.deployment,
    target: identity.target,
    granted: digest({
      provider: identity.provider,
      settings: identity.settings,
      scopes: identity.scopes,
      meanings: identity.meanings,
      ttl,
      share: identity.share,
      endsAt: identity.endsAt ?? null,
      rules: identity.rules.map(({ target, id }) => [target, id]),
    }),
    issuer: workload.issuer.id,
    subject: workload.subject,
    serviceAccountUid: workload.serviceAccount?.uid ?? null,
    actor: actor ? [actor.issuer.id, actor.subject] : null,
    holder: identity.share === 'pod' ? (workload.pod?.uid ?? workload.subject) : null,
  }
  const half = Math.floor(ttl / 2)
  const offset = Number.parseInt(digest(key).slice(0, 12), 16) % half
  const windowStart = Math.floor((now - offset) / half) * half + offset
  return {
    id: digest({ ...key, windowStart }),
    windowEnd: windowStart + half,
    expiresAt: Math.min(windowStart + ttl, endsAt),
  }
}

/** SHA-256 over the RFC 8785 form. */
function digest(value: unknown): string {
  const canonical = canonicalize(value)
  if (canonical === undefined) throw new TypeError('expected a value that JSON can hold')
  return createHash('sha256').update(canonical).digest('hex')
}
