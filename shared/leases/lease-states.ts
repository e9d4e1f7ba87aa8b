import { randomBytes } from 'node:crypto'
import { canonicalDigest } from '../canonical-form.ts'
import type { Account, SessionEnding } from '../credentials/credential-provider.ts'
import type { Workload } from '../workload/workload.ts'
import { accountName } from './account-name.ts'
import { type Holder, type Lease, leaseId } from './lease.ts'
import type { Slot, SlotIdentity } from './slot.ts'

/** What an exchange asks a lease for. */
export type LeaseRequest = SlotIdentity & { readonly decision: string }

/** The account of a lease, in its provider's terms. */
export function accountOf(lease: Lease): Account<unknown> {
  return {
    name: lease.account,
    scopes: lease.meanings,
    expiresAt: Date.parse(lease.expiresAt),
    mintUntil: Date.parse(lease.mintUntil),
    server: lease.server,
  }
}

/** Where the account of a lease is, as a digest: a target's document may have moved elsewhere since. */
export function locationOf({ provider, settings }: Pick<Lease, 'provider' | 'settings'>): string {
  return canonicalDigest([provider, settings])
}

/** The lease whose account was made, on a server that may have a name of its own: due when it expires. */
export function activated(lease: Lease, server: string | undefined): Lease {
  return { ...lease, state: 'active', dueAt: lease.expiresAt, ...(server !== undefined && { server }) }
}

/**
 * The lease on its way out, due at a time in epoch milliseconds. It keeps its first cause, but for a lockdown or an
 * operator that finds sessions which an expired lease still grants time.
 */
export function ending(lease: Lease, cause: NonNullable<Lease['cause']>, dueAt: number): Lease {
  const isUrgent = cause === 'lockdown' || cause === 'operator'
  const first = isUrgent && lease.cause === 'expired' ? undefined : lease.cause
  return { ...lease, state: 'revoking', cause: first ?? cause, dueAt: new Date(dueAt).toISOString() }
}

/**
 * The stuck lease of which an operator says that its account is gone, due at once and before all that waits for the same
 * server. Undefined where that is not for an operator to say at that time, in epoch milliseconds: its server can be
 * asked, or its account may still work.
 */
export function attestedGone(lease: Lease, reason: string, now: number): Lease | undefined {
  const isStuck = lease.state === 'revoking' && lease.attempts > 0 && cannotBeAsked(lease.lastError, lease.lastDetail)
  const isOver = Date.parse(lease.expiresAt) <= now && absenceCountsFrom(lease) <= now
  return isStuck && isOver ? { ...lease, attested: { reason }, dueAt: lease.expiresAt } : undefined
}

/**
 * Whether a revocation failed since the server of the lease is another by now, or nothing answers at its address. One that
 * is full, does not let us in or takes no more than connections has answered: the account may be there, and work. And so
 * it may where nobody can tell.
 */
export function cannotBeAsked(reason: string | undefined, detail: Lease['lastDetail'] = {}): boolean {
  return reason === 'server_changed' || (isAboutServer(reason) && detail['answer'] === undefined)
}

/** Whether a revocation failed and nobody can tell whether its server is there: a fault on our own side, it may be. */
export function isUnknown(reason: string | undefined, detail: Lease['lastDetail'] = {}): boolean {
  return isAboutServer(reason) && detail['answer'] === 'unknown'
}

/** Whether the next lease of the same server would fail alike. */
export function isAboutServer(reason: string | undefined = ''): boolean {
  return reason === 'target_unavailable' || reason.startsWith('vault_') || reason.startsWith('secret_')
}

/**
 * How long transactions may outlive their lease, in milliseconds. A token lives an hour as well; what is still open then
 * is taken for abandoned, and holds locks that nobody will let go of.
 */
const transactionTime = 60 * 60_000

/** How the sessions of a lease that is ending end, at a time in epoch milliseconds. */
export function sessionEndingOf({ cause, onExpiry, expiresAt }: Lease, now: number): SessionEnding {
  const mayFinish = cause === 'expired' && onExpiry === 'finish-transactions'
  return mayFinish && now <= Date.parse(expiresAt) + transactionTime ? 'finish-transactions' : 'now'
}

/** What a request finds at a generation of its slot. */
export type Situation = 'live' | 'vacant' | 'minting' | 'lapsed' | 'ended'

/** How a lease stands at a time, in epoch milliseconds. */
export function situationOf({ state, vacant, mintUntil, expiresAt }: Lease, now: number): Situation {
  const at = new Date(now).toISOString()
  if (state === 'revoking' || state === 'revoked' || expiresAt <= at) return 'ended'
  if (state === 'active') return 'live'
  if (vacant) return 'vacant'
  return mintUntil <= at ? 'lapsed' : 'minting'
}

/** How long one instance has to make an account, in milliseconds. */
export const mintingTime = 10_000

/** By how much the clocks of a minter, its target and the timer may differ, in milliseconds. */
const clockSkew = 3_000

/** Epoch milliseconds from which on an account that is absent stays so: whoever may still make it has had its time. */
export function absenceCountsFrom({ mintUntil }: Pick<Lease, 'mintUntil'>): number {
  return Date.parse(mintUntil) + clockSkew
}

/** The lease with a minter who has from now until `mintUntil`. */
export function minting(lease: Lease, now: number): Lease {
  const mintUntil = new Date(now + mintingTime).toISOString()
  return { ...lease, vacant: false, mintUntil, dueAt: new Date(absenceCountsFrom({ mintUntil })).toISOString() }
}

/** What a new lease is made of. */
export interface NewLease {
  readonly request: LeaseRequest
  readonly slot: Slot
  readonly generation: number
  readonly keyVersion: string
  readonly deployment: string
  readonly now: number
}

/** A lease reserved for whoever creates it. */
export function newLease({ request, slot, generation, keyVersion, deployment, now }: NewLease): Lease {
  const id = leaseId(slot.id, generation)
  const lease: Lease = {
    schema: 1,
    id,
    slot: slot.id,
    generation,
    state: 'reserved',
    deployment,
    target: request.target,
    provider: request.provider,
    settings: request.settings,
    location: locationOf(request),
    scopes: [...request.scopes],
    meanings: [...request.meanings],
    account: accountName({ form: request.account, deployment, lease: id, workload: request.workload }),
    password: request.account.password,
    salt: randomBytes(16).toString('base64url'),
    keyVersion,
    workload: holderOf(request.workload),
    ...(request.actor && { actor: holderOf(request.actor) }),
    share: request.share,
    rules: [...request.rules],
    decision: request.decision,
    createdAt: new Date(now).toISOString(),
    mintUntil: '',
    dueAt: '',
    expiresAt: new Date(slot.expiresAt).toISOString(),
    vacant: false,
    onExpiry: request.onExpiry ?? 'end-sessions',
    attempts: 0,
    tries: 0,
  }
  return minting(lease, now)
}

/** Who a lease is reserved for. */
export function holderOf({ issuer, subject, namespace, serviceAccount, pod, node, token }: Workload): Holder {
  return {
    issuer: issuer.id,
    subject,
    serviceAccountUid: serviceAccount?.uid,
    podUid: pod?.uid,
    namespace,
    serviceAccount: serviceAccount?.name,
    node: node?.name,
    keyId: token.keyId,
  }
}

/** What makes a lease the same workload's, whatever its pod: not the key, which changes while the workload does not. */
const ownership = ['issuer', 'subject', 'serviceAccountUid'] as const

/** Whether a live lease is this workload's: the same pod's, or of the same service account where pods share it. */
export function isHeldBy({ share, workload, state }: Lease, asking: Workload): boolean {
  const holder = holderOf(asking)
  const same = ownership.every(name => workload[name] === holder[name])
  return state === 'active' && same && (share === 'workload' || workload.podUid === holder.podUid)
}
