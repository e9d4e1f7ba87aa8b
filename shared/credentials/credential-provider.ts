import type { z } from 'zod'
import type { Reason } from '../errors.ts'
import type { Credential } from './credential.ts'
import type { Secret } from './secret.ts'

/** What a decision grants, in the provider's own terms: the target's meaning of each scope. */
export interface Grant<Scope> {
  readonly scopes: readonly Scope[]
}

/** The account behind a lease, as a minter sees it. All of it comes from the lease's document. */
export interface Account<Scope> {
  /** The account's name on the target: `[a-z0-9_]`, with 80 bits of the lease id, and no longer than the provider's `longestName`. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Epoch milliseconds at which the account stops working. */
  readonly expiresAt: number
  /** Epoch milliseconds after which the target must refuse to make it. */
  readonly mintUntil: number
  /** The server that it was made on, where that is known: see {@link MintedCredential}. */
  readonly server?: string | undefined
}

/** A credential that was just made. */
export interface MintedCredential extends Credential {
  /**
   * What the server calls itself, whatever its address is: what is absent elsewhere says nothing. Where the engine has
   * such a name, the lease keeps it.
   */
  readonly server?: string | undefined
}

/**
 * How the sessions of an account end. `finish-transactions`: one that is in a transaction may finish it, and while there
 * is such a session the account stays, locked.
 */
export type SessionEnding = 'now' | 'finish-transactions'

/** What a revocation saw, for the record. */
export interface RevocationEvidence {
  /** Those that were there, whether they were ended or came to an end. Absent where the provider cannot tell. */
  readonly sessionsFound?: number
  readonly sessionsEnded: number
  /** The account was looked for after the drop and was not there. */
  readonly absent: true
  readonly at: string
}

/** An account that this deployment has made on a target, as the target lists it. */
export interface MintedAccount {
  readonly name: string
}

/** One thing that a check of a target looked at, in words for operators: no secret, and no text of a driver or SDK. */
export interface CheckStep {
  readonly step: string
  /** Null where it cannot be told. */
  readonly ok: boolean | null
  readonly expected: string
  readonly found: string
  readonly reason?: Reason
}

/** What can be told of a target without making, changing or releasing anything there. What is not well is a step, never thrown. */
export type CheckScopes<Scope> = (
  scopes: Readonly<Record<string, Scope>>,
  signal: AbortSignal,
) => Promise<readonly CheckStep[]>

/** Reads credentials that exist already: there is nothing to take back. */
export interface Source<Scope> {
  read(grant: Grant<Scope>): Promise<Credential>
  /** Absent where the provider cannot tell. */
  check?(...checked: Parameters<CheckScopes<Scope>>): ReturnType<CheckScopes<Scope>>
}

/** What a mint waits for, and what ends it. */
export interface Permission {
  /** Fulfilled when the decision is on record: no record, no account. Nobody needs to handle its rejection. */
  readonly recorded: Promise<unknown>
  readonly signal: AbortSignal
}

/** Makes accounts. Every mint is a lease. */
export interface Minter<Scope> {
  /**
   * Makes the account; called by one instance, once per lease. What changes nothing may be done before `recorded` is
   * fulfilled, nothing else; where it rejects, so does this, as what made nothing. Throws `NotMinted` where it is
   * certain that nothing was made, any other `ExchangeError` where that is unclear.
   */
  mint(account: Account<Scope>, secret: Secret, permission: Permission): Promise<MintedCredential>
  /** The credential of a live lease again, without touching the target. */
  describe(account: Account<Scope>, secret: Secret): Credential
  /**
   * Ends the account and its sessions, and sees it absent. Succeeds when it is already gone. From its first step on there
   * is no new session. Throws 503 `sessions_busy` where sessions are left to finish a transaction, `server_changed`
   * where it is absent on another server than it was made on. Anything else has an `answer` in its detail, unless
   * nothing is at the server's address: what the server said, `connects` where all that is known is that something
   * takes connections there, or `unknown` where nobody can tell.
   */
  revoke(account: Account<Scope>, ending: SessionEnding, signal: AbortSignal): Promise<RevocationEvidence>
  /** What this deployment has made there: every account whose name begins with `prefix`. */
  accounts(prefix: string, signal: AbortSignal): AsyncIterable<MintedAccount>
  /** By the login that revokes. Absent where the provider cannot tell. */
  check?(...checked: Parameters<CheckScopes<Scope>>): ReturnType<CheckScopes<Scope>>
  /** Ends pooled connections. */
  close(): Promise<void>
}

/** One kind of credential. `open` is called once per version of a target's settings. */
interface Provider<Settings, Scope> {
  /** The word in a target's `provider`. */
  readonly kind: string
  /** Checked when a target is saved and again when it is read: strict. */
  readonly settings: z.ZodType<Settings>
  /** What one scope of a target may say. */
  readonly scope: z.ZodType<Scope>
  /** `issued_token_type`. */
  readonly tokenType: string
}

/** A provider whose credentials exist already. */
export interface SourceProvider<Settings, Scope> extends Provider<Settings, Scope> {
  readonly issues: 'existing'
  open(settings: Settings): Source<Scope>
}

/** A provider that makes accounts. */
export interface MinterProvider<Settings, Scope> extends Provider<Settings, Scope> {
  readonly issues: 'minted'
  /** Characters that an account's name may have, of `[a-z0-9_]`. */
  readonly longestName: number
  open(settings: Settings): Minter<Scope>
}

export type CredentialProvider<Settings, Scope> = SourceProvider<Settings, Scope> | MinterProvider<Settings, Scope>
