import type { Credential } from './credentials/credential.ts'
import type { Minter, Permission } from './credentials/credential-provider.ts'
import { NotMinted } from './errors.ts'
import type { Known } from './exchange-recorder.ts'
import type { HeldLease, Leases } from './leases/hold-lease.ts'
import type { Allowed, GrantedAccess } from './rules/decision.ts'
import type { Target } from './targets/target.ts'
import type { Trail } from './telemetry-exchange.ts'

/** A credential that may leave: its record is written. */
export interface Issued {
  readonly outcome: 'issued'
  readonly credential: Credential
  readonly issuedTokenType: string
  readonly tokenType: 'N_A' | 'Bearer'
  readonly scopes: readonly string[]
  /** Epoch milliseconds: when it ends, and when asking again is worthwhile. */
  readonly expiresAt: number
  readonly refreshAt: number
  readonly lease?: string
}

/** A credential that the record may now speak of: read already, or to be had from a lease. */
type Prepared = Existing | Leased

interface Existing {
  readonly credential: Credential
}

interface Leased {
  readonly held: HeldLease
  readonly minter: Minter<unknown>
}

interface Parts {
  readonly leases: Leases
  readonly trail: Trail
}

/** Finds or reserves the lease of what was granted, or reads what exists already. */
export async function prepare(
  target: Target,
  { grant, rules }: Allowed,
  known: Known,
  steps: Parts,
): Promise<Prepared> {
  const meanings = grant.scopes.map(scope => target.scopes[scope])
  if (target.issuing.kind === 'existing') return { credential: await target.issuing.source.read({ scopes: meanings }) }
  const { id, provider, settings, budgets, issuing, onExpiry } = target
  const { workload, actor, decision } = known
  const who = { workload, ...(actor && { actor }) }
  const account = { ...target.account, longestName: issuing.longestName }
  const asked = { target: id, provider, settings, account, budgets, meanings, rules, onExpiry, ...who, ...grant }
  const held = await steps.leases.hold(asked, decision)
  steps.trail.note({ lease: leaseOf(held) })
  return { held, minter: issuing.minter }
}

/** How the record calls the credential. */
export function referenceOf(prepared: Prepared): Readonly<Record<string, string>> {
  if (!('held' in prepared)) return prepared.credential.reference
  return { lease: leaseOf(prepared.held), account: prepared.held.account.name }
}

function leaseOf({ stored }: HeldLease): string {
  return stored.lease.id
}

/** Nothing leaves before the record is there, and nothing is made: until then a minter gets ready. */
export async function obtain(prepared: Prepared, permission: Permission, steps: Parts): Promise<Credential> {
  if ('held' in prepared && prepared.held.mustMint) return mint(prepared, permission, steps)
  await permission.recorded
  if (!('held' in prepared)) return prepared.credential
  return prepared.minter.describe(prepared.held.account, prepared.held.secret)
}

/** Where nothing was made, the reservation is given back, and costs no generation. */
async function mint(
  { held, minter }: Leased,
  { recorded, signal }: Permission,
  { leases, trail }: Parts,
): Promise<Credential> {
  const permitted = recorded.then(() => trail.enter('mint'))
  // It may fail while nobody waits for it yet, which would end the process.
  permitted.catch(() => undefined)
  try {
    if (signal.aborted) throw new NotMinted('temporarily_unavailable', 'deadline', { retryAfter: 1 })
    const credential = await minter.mint(held.account, held.secret, { recorded: permitted, signal })
    // Whatever the minter did.
    await recorded
    await leases.activate(held, credential.server)
    return credential
  } catch (error) {
    // The record of this failure names the one that may still be on its way; without that one, there is nothing to tell.
    const failure = await recorded.then(
      () => error,
      unrecorded => unrecorded,
    )
    await leases.abandon(held, error instanceof NotMinted ? 'nothing' : 'unclear')
    throw failure
  }
}

/** What may leave: the credential, and for how long it is worth keeping. */
export function issued(
  { issuedTokenType, tokenType }: Target,
  { scopes, ttl, endsAt = Number.POSITIVE_INFINITY }: GrantedAccess,
  prepared: Prepared,
  credential: Credential,
  now: number,
): Issued {
  const base = { outcome: 'issued' as const, credential, issuedTokenType, tokenType, scopes }
  if ('held' in prepared) {
    const { expiresAt, refreshAt } = prepared.held
    return { ...base, expiresAt, refreshAt, lease: leaseOf(prepared.held) }
  }
  const expiresAt = Math.min(now + ttl, endsAt, credential.expiresAt ?? Number.POSITIVE_INFINITY)
  return { ...base, expiresAt, refreshAt: now + (expiresAt - now) / 2 }
}
