import type { AccountForm } from '../account-form.ts'
import { canonicalDigest } from '../canonical-form.ts'
import type { RuleReference } from '../rules/decision.ts'
import type { Target } from '../targets/target.ts'
import type { Workload } from '../workload/workload.ts'

/**
 * All that makes two requests ask for the same account, and what is no part of that: the quota under which they do, and
 * what becomes of its sessions.
 */
export interface SlotIdentity {
  readonly deployment: string
  readonly target: string
  readonly provider: string
  readonly settings: unknown
  /** How its account is called, and what the password is made of. */
  readonly account: AccountForm
  readonly scopes: readonly string[]
  readonly meanings: readonly unknown[]
  /** Milliseconds. */
  readonly ttl: number
  readonly share: 'pod' | 'workload'
  /** Epoch milliseconds: the account ends here at the latest. */
  readonly endsAt?: number
  /** What the target may be asked to bear. */
  readonly budgets?: Target['budgets']
  /** How many leases of this target the workload may have alive at once. */
  readonly quota?: number
  /** What becomes of its sessions when it expires: `end-sessions` unless said. */
  readonly onExpiry?: Target['onExpiry']
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

/** What a part of a document is digested to. */
export type DigestOf = (part: unknown) => string

/** Digests of parts of documents, each made once while its document is kept: such a part does not change. */
export function rememberedDigests(): DigestOf {
  const digests = new WeakMap<object, string>()
  return part => {
    if (typeof part !== 'object' || part === null) return canonicalDigest(part)
    const known = digests.get(part) ?? canonicalDigest(part)
    digests.set(part, known)
    return known
  }
}

/**
 * Windows are half a ttl long and offset by a hash of the identity: a credential handed out has between half and all
 * of its ttl left, and replicas do not all roll at once.
 */
export function slotAt(identity: SlotIdentity, now: number, digestOf: DigestOf = canonicalDigest): Slot {
  const { workload, actor, ttl, endsAt = Number.POSITIVE_INFINITY } = identity
  const holder = canonicalDigest({
    deployment: identity.deployment,
    target: identity.target,
    granted: canonicalDigest({
      provider: identity.provider,
      settings: digestOf(identity.settings),
      account: identity.account,
      scopes: identity.scopes,
      meanings: identity.meanings.map(digestOf),
      ttl,
      share: identity.share,
      rules: identity.rules.map(({ target, id }) => [target, id]),
    }),
    issuer: workload.issuer.id,
    subject: workload.subject,
    serviceAccountUid: workload.serviceAccount?.uid ?? null,
    actor: actor ? [actor.issuer.id, actor.subject] : null,
    pod: identity.share === 'pod' ? (workload.pod?.uid ?? workload.subject) : null,
  })
  const half = Math.floor(ttl / 2)
  const offset = Number.parseInt(holder.slice(0, 12), 16) % half
  const windowStart = Math.floor((now - offset) / half) * half + offset
  const expiresAt = Math.min(windowStart + ttl, endsAt)
  // A rule's end counts only where it cuts: a time window's end comes into view a day ahead, and must not change the
  // account then; a rule that was shortened must.
  return { id: canonicalDigest({ holder, windowStart, expiresAt }), windowEnd: windowStart + half, expiresAt }
}
