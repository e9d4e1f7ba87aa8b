import type { Credential } from '../../../shared/credentials/credential.ts'
import type { Account } from '../../../shared/credentials/credential-provider.ts'

export type Row = Readonly<Record<string, unknown>>

/** Somebody who is logged in. */
export interface Session {
  /** The rows of a statement. Throws the driver's errors. */
  ask(sql: string): Promise<readonly Row[]>
  end(): Promise<void>
}

/** Something that a minter has to wait for. */
export interface Obstacle {
  /** Returns once a minter waits. */
  reached(): Promise<void>
  /** Ends the connection of the minter that waits. */
  killWaiting(): Promise<void>
  /** Lets it go on. */
  release(): Promise<void>
}

/** What this engine's statements are for what every engine can do. All of it happens in the target's database. */
export interface Statements {
  /** One row, with the `login` of whoever asks. */
  readonly login: string
  /** One row: the database as `place` and, where the account acts as a role, that as `acting`. */
  readonly whereabouts: string
  /** Sleeps a minute. */
  readonly sleep: string
  /** Gives whoever asks another password. */
  readonly changePassword: (text: string) => string
  /** What a session that may change `orders` can hold on to, each with what it does for it, and does not finish. */
  readonly holds: readonly (readonly [string, string])[]
  /** Further steps beyond a scope than those that are the same everywhere, each with what it tries. */
  readonly beyondScope: readonly (readonly [string, string])[]
  /** Makes a view, a function or a trigger that reads `table` with its maker's rights, and what uses it. */
  readonly objects: (table: string) => readonly { readonly make: string; readonly use: string; readonly drop: string }[]
}

/** A running server whose database holds `orders` (customer, amount), with three rows, and `secrets`, which is nobody's. */
export interface RunningEngine {
  /** What a target's document says of this server, complete. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The Key Vault stand-in: the text and version of each secret. */
  readonly secrets: Map<string, { readonly text: string; readonly version: string }>
  /** Scopes on `orders`: to read it, to change it, and beside that to make objects beside it. */
  readonly scopes: { readonly read: unknown; readonly write: unknown; readonly build: unknown }
  readonly statements: Statements
  /** A certificate authority that did not sign the server's certificate. */
  readonly otherAuthority: string
  /** Logs in with nothing but the credential's fields. */
  login(credential: Credential): Promise<Session>
  /** Logs in with nothing but its URI; the process trusts the server's authority. */
  loginByUri(uri: string): Promise<Session>
  /** A login that lacks its last message; `finish` sends it and tells whether it was let in. */
  beginLogin(credential: Credential): Promise<{ finish(): Promise<boolean> }>
  /** Without TLS. */
  loginInClear(credential: Credential): Promise<Session>
  superuser<T>(work: (session: Session) => Promise<T>): Promise<T>
  /** How many accounts have that name, and how many sessions. */
  accounts(name: string): Promise<number>
  sessions(user: string): Promise<number>
  endSessions(user: string): Promise<void>
  /** Has the session begin one statement outside of any transaction, which goes on until it is let finish. */
  startStatement(session: Session): Promise<{ finish(): Promise<void> }>
  /** Whether the error says that whoever asked may not, or may not come in. */
  isDenied(error: unknown): boolean
  isLockedOut(error: unknown): boolean
  /** The password that the server takes for a login of the settings. */
  setPassword(login: 'admin' | 'revoker', text: string): Promise<void>
  /** Makes a database and a role of that name that may read in it; false where this engine cannot have one exactly so. */
  make(name: string): Promise<boolean>
  /** The scope that is a role. */
  roleScope(name: string): unknown
  /** Takes every connection there is; the result gives them back. */
  fill(): Promise<() => Promise<void>>
  /** Puts something into the way of whoever makes or ends that account. */
  obstruct(account: Account<unknown>): Promise<Obstacle>
  /** All that the server has written down, every statement among it. */
  log(): Promise<string>
  /** Ends the server and starts it again with its data. */
  halt(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
}

/** One kind of server. */
export interface Engine {
  /** The provider that serves it. */
  readonly kind: string
  readonly name: string
  /** Why there is none to test with. */
  readonly missing: string | undefined
  /** Accounts end by themselves. */
  readonly expires: boolean
  /** Servers tell their own name, which is not their address. */
  readonly named: boolean
  /** What an account of the scope `build` makes is its role's, and goes on working. Else it is its own, and works no more. */
  readonly objectsStay: boolean
  start(): Promise<RunningEngine>
}
