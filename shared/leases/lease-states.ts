import { createHash, randomBytes } from 'node:crypto'
import type { Account } from '../credentials/credential-provider.ts'
import type { Workload } from '../workload/workload.ts'
import { type Lease, leaseId } from './lease.ts'
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
  }
}

/** The lease on its way out, due at a time in epoch milliseconds. */
export function ending(lease: Lease, cause: NonNullable<Lease['cause']>, dueAt: number): Lease {
  return { ...lease, state: 'revoking', cause: lease.cause ?? cause, dueAt: new Date(dueAt).toISOString() }
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
const mintingTime = 10_000

/** The lease with a minter who has from now until `mintUntil`. */
export function minting(lease: Lease, now: number): Lease {
  const mintUntil = new Date(now + mintingTime).toISOString()
  return { ...lease, vacant: false, mintUntil, dueAt: mintUntil }
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
    scopes: [...request.scopes],
    meanings: [...request.meanings],
    account: accountName(deployment, id),
    salt: randomBytes(16).toString('base64url'),
    keyVersion,
    workload: holderOf(request.workload),
    share: request.share,
    rules: [...request.rules],
    decision: request.decision,
    createdAt: new Date(now).toISOString(),
    mintUntil: '',
    dueAt: '',
    expiresAt: new Date(slot.expiresAt).toISOString(),
    vacant: false,
    attempts: 0,
  }
  return minting(lease, now)
}

/** Whose a lease is. */
export function holderOf({ issuer, subject, serviceAccount, pod }: Workload): Lease['workload'] {
  return { issuer: issuer.id, subject, serviceAccountUid: serviceAccount?.uid, podUid: pod?.uid }
}

/** Whether a live lease is this workload's: the same pod's, or of the same service account where pods share it. */
export function isHeldBy({ share, workload, state }: Lease, asking: Workload): boolean {
  const { podUid, ...account } = holderOf(asking)
  const same = Object.entries(account).every(([name, value]) => workload[name as keyof typeof account] === value)
  return state === 'active' && same && (share === 'workload' || workload.podUid === podUid)
}

/** `cw_<deployment>_` and 100 bits of the lease's id in base 32: within every engine's limits. */
function accountName(deployment: string, id: string): string {
  const digits = 'abcdefghijklmnopqrstuvwxyz234567'
  const bytes = createHash('sha256').update(id).digest().subarray(0, 20)
  return `cw_${deployment}_${Array.from(bytes, byte => digits[byte & 31]).join('')}`
}
