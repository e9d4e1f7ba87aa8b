import type { DocumentName, EditedContainer } from '../document-kind.ts'
import type { ErrorCode, Reason } from '../errors.ts'
import type { Lease } from '../leases/lease.ts'
import type { GrantedAccess, RuleReference, RuleTrace } from '../rules/decision.ts'
import type { Client, Facts } from '../rules/facts.ts'
import type { Workload } from '../workload/workload.ts'

/** What one exchange of a verified workload came to. No token and no secret is in it. */
export interface ExchangeEntry {
  readonly kind: 'exchange'
  /** The id that the caller was given. */
  readonly decision: string
  /** `allowed` means permitted, and stands before every credential that leaves. */
  readonly outcome: 'allowed' | 'denied' | 'failed'
  readonly code?: ErrorCode
  readonly reason?: Reason
  /** A `failed` record after an `allowed` one names it. */
  readonly follows?: RecordPosition
  /** What was asked for, as it came: bounded text. */
  readonly asked: { readonly target: string; readonly scopes: readonly string[] }
  readonly workload: Workload
  readonly actor?: Workload
  readonly client: Client
  readonly facts?: Omit<Facts, 'workload' | 'actor' | 'client'>
  readonly rules: readonly RuleReference[]
  /** The limits that matched, where any did. */
  readonly limits?: readonly RuleReference[]
  readonly trace: readonly RuleTrace[]
  /** How many rules of the target were not judged, since none of them could be about this workload. */
  readonly passedOver?: number
  readonly grant?: GrantedAccess
  /** Names the credential: a lease and its account, a secret's version. */
  readonly credential?: Readonly<Record<string, string>>
  readonly detail?: Readonly<Record<string, string | number | boolean>>
  readonly durationMs: number
  /** Milliseconds by step, of the steps that were over before this was written. */
  readonly timings?: Readonly<Partial<Record<string, number>>>
  /** The trace that the exchange belongs to (W3C Trace Context). */
  readonly traceId?: string
}

/** A lease that was ended, with what was seen. */
export interface RevocationEntry {
  readonly kind: 'revocation'
  readonly decision: string
  /** `kept`: its workload shares it, so one pod does not end it. */
  readonly outcome: 'requested' | 'kept' | 'revoked'
  readonly lease: Pick<Lease, 'id'> & Partial<Omit<Lease, 'settings' | 'salt'>> & { readonly reservedBy?: string }
  readonly workload?: Workload
  readonly actor?: Workload
  readonly client?: Client
}

/** An account that nobody answers for. */
export interface Stray {
  readonly account: string
  readonly target: string
  /** Its lease was revoked, or there is none of that account. */
  readonly lease: 'revoked' | 'none'
  readonly evidence?: Lease['evidence']
}

/** What a run of the reconciler saw. `held`: too many to believe it, so that none was removed. */
export interface ReconciliationEntry {
  readonly kind: 'reconciliation'
  readonly decision: string
  readonly outcome: 'seen' | 'held' | 'removed'
  /** How many accounts of this deployment the targets listed; where it was held, those on the server of these. */
  readonly accounts: number
  readonly strays: readonly Stray[]
  readonly straysOmitted?: number
}

/** Who proposed a change, by tenant and object id: a person, or an application. */
export interface Proposer {
  readonly tenant: string
  readonly objectId: string
  readonly application: string
  readonly principal: 'application' | 'user'
}

/** A change that an operator made: the intent before it, the outcome after it. */
export interface AdminEntry {
  readonly kind: 'admin'
  readonly decision: string
  /** `unclear`: no answer came, and what is there does not tell whether it was made. */
  readonly outcome: 'intended' | 'done' | 'failed' | 'unclear'
  readonly follows?: RecordPosition
  readonly operator: Workload
  /** `propose` and `withdraw`: of a change that takes effect when a second person approves it. */
  readonly action: 'put' | 'remove' | 'propose' | 'withdraw'
  /** The change that was approved by the operator, and who proposed it. */
  readonly approval?: { readonly change: string; readonly proposedBy: Proposer }
  readonly document: DocumentName & { readonly container: EditedContainer }
  /** The versions that were replaced and written. */
  readonly before?: string
  readonly after?: string
  /** SHA-256 in hexadecimal over the RFC 8785 form of what was saved. */
  readonly contentHash?: string
  /** What was saved, where it fits; else `versions` has it. */
  readonly content?: unknown
}

/** Leases that an operator ends: the intent before they are marked, the outcome after it. */
export interface LeaseEndingEntry {
  readonly kind: 'admin'
  readonly decision: string
  readonly outcome: 'intended' | 'done' | 'failed'
  readonly follows?: RecordPosition
  readonly operator: Workload
  /** `attest`: the operator says that the account is gone. */
  readonly action: 'revoke' | 'attest'
  /** What the operator says of it. */
  readonly attested?: { readonly reason: string }
  /** Their ids: so few that they fit. Of more leases there are more entries. */
  readonly leases: readonly string[]
  /** By what they were found, where they were not named. */
  readonly filter?: Readonly<Record<string, string | undefined>>
  /** How many of them were marked. The others had ended meanwhile. */
  readonly marked?: number
}

/** A check that an operator asked for: it connects to what a document names, and changes nothing. */
export interface CheckEntry {
  readonly kind: 'admin'
  readonly decision: string
  readonly outcome: 'intended' | 'done' | 'failed'
  readonly follows?: RecordPosition
  readonly operator: Workload
  readonly action: 'check'
  readonly document: DocumentName & { readonly container: EditedContainer }
}

/** How often one thing happened within an interval to requests that have no record of their own. */
export interface CountEntry {
  readonly kind: 'count'
  readonly decision: string
  readonly outcome: 'refused'
  /** A registered issuer's id, or `unknown`. */
  readonly issuer: string
  readonly reason: Reason
  readonly since: string
  readonly count: number
  /** The first few of them: what the caller was given, and what its token said of itself. */
  readonly samples: readonly RefusalSample[]
}

export interface RefusalSample {
  readonly decision: string
  readonly code: ErrorCode
  readonly expected?: string
  readonly detail: Readonly<Record<string, string | number | boolean>>
}

export type DecisionEntry =
  | ExchangeEntry
  | RevocationEntry
  | ReconciliationEntry
  | AdminEntry
  | LeaseEndingEntry
  | CheckEntry
  | CountEntry

/** Where a record stands in the log. */
export interface RecordPosition {
  readonly stream: string
  readonly id: string
}

/** A record that others rest on: where it stands, and its {@link recordHash}. */
export interface ChainHead extends RecordPosition {
  readonly hash: string
}

/** Records that may or may not be there. Of what they tell, nothing was released. */
export interface UnresolvedRange {
  readonly stream: string
  /** The ids of the first and the last of them. */
  readonly from: string
  readonly to: string
}

/** The first record of every stream: where it takes over from. Written by the log itself. */
export interface StreamEntry {
  readonly kind: 'stream'
  readonly outcome: 'opened'
  /** The last record known to be there of the stream that it takes over from; null for the first stream of a process. */
  readonly predecessor: ChainHead | null
  /** Where that stream was closed because what became of a batch could not be settled. */
  readonly unresolved?: UnresolvedRange
}

/** Where entries go. */
export interface DecisionLog {
  /**
   * Returns when the entry is durable. Throws 503 `record_unavailable`, or `record_too_large`: then nothing may be
   * released. No record, no credential.
   */
  write(entry: DecisionEntry): Promise<RecordPosition>
}
