import type { ClientBase } from 'pg'
import { fillGrants, type GrantTemplates } from './grant-template.ts'

/** The driver's quoting. No name or text joins a statement in any other way. */
type Quoting = Pick<ClientBase, 'escapeIdentifier' | 'escapeLiteral'>

/** SQLSTATE that the mint transaction raises when its time has passed. Class CW is nobody else's. */
export const tooLate = 'CW001'

/**
 * What the server's data is called since they were initialised. PUBLIC may ask. A replica that took over has the same,
 * and so has a copy of the files.
 */
export const serverIdentity = '(SELECT system_identifier::text FROM pg_control_system())'

/** An account as the database shall make it. Times are epoch milliseconds by the database's clock. */
export interface AccountStatement {
  readonly name: string
  readonly verifier: string
  readonly entitlement: Entitlement
  readonly connectionLimit: number
  readonly validUntil: number
}

/** What the account may do: act as one role, or what is granted to it itself. */
export type Entitlement = { readonly actingRole: string } | { readonly grants: readonly GrantTemplates[] }

/**
 * NOINHERIT and `SET role`: a session acts as the scope's role, so what it creates belongs to that role and outlives the
 * account; leaving that role leaves it with nothing. To be followed by {@link commitBefore}.
 */
export function createAccount(quoting: Quoting, account: AccountStatement): string {
  const { entitlement } = account
  const name = quoting.escapeIdentifier(account.name)
  const role = `CREATE ROLE ${name} LOGIN NOINHERIT CONNECTION LIMIT ${account.connectionLimit}
    PASSWORD ${quoting.escapeLiteral(account.verifier)} VALID UNTIL ${timestamp(quoting, account.validUntil)}`
  if ('grants' in entitlement) {
    const quote = (text: string) => quoting.escapeIdentifier(text)
    return ['BEGIN', role, ...fillGrants(entitlement.grants, { account: name, quote })].join('; ')
  }
  const { actingRole } = entitlement
  const member = `${role} IN ROLE ${quoting.escapeIdentifier(actingRole)}`
  return ['BEGIN', member, `ALTER ROLE ${name} SET role = ${quoting.escapeLiteral(actingRole)}`].join('; ')
}

/** The database judges, right before COMMIT: a minter that froze, or waited for a lock, cannot create late. */
export function commitBefore(quoting: Quoting, deadline: number): string {
  const block = `BEGIN IF clock_timestamp() >= ${timestamp(quoting, deadline)}::timestamptz THEN
    RAISE EXCEPTION USING ERRCODE = ${quoting.escapeLiteral(tooLate)}; END IF; END`
  return `DO ${quoting.escapeLiteral(block)}; COMMIT`
}

/**
 * No new session from here on; and the rights of the account, which ending its sessions and dropping its objects need.
 * It does not wait for long: an account that has changed itself in an open transaction holds this up.
 */
export function lockAccount(quoting: Quoting, accountName: string): string {
  return `${hurried}; ALTER ROLE ${quoting.escapeIdentifier(accountName)} NOLOGIN; ${join(quoting, accountName)}`
}

/** Makes us a member of an account. */
export function joinAccount(quoting: Quoting, accountName: string): string {
  return `${hurried}; ${join(quoting, accountName)}`
}

function join(quoting: Quoting, accountName: string): string {
  return `GRANT ${quoting.escapeIdentifier(accountName)} TO CURRENT_USER`
}

/** For the message that it begins: what an account may hold up must not hold up what comes after. */
export const hurried = 'SET LOCAL lock_timeout = 500'

/** In one implicit transaction. */
export function dropAccount(quoting: Quoting, accountName: string): string {
  return `${dropOwned(quoting, accountName)}; DROP ROLE ${quoting.escapeIdentifier(accountName)}`
}

/** In one database. Without CASCADE: what others built on the account's objects makes it fail, and shows. */
export function dropOwned(quoting: Quoting, accountName: string): string {
  return `DROP OWNED BY ${quoting.escapeIdentifier(accountName)}`
}

function timestamp(quoting: Quoting, milliseconds: number): string {
  return quoting.escapeLiteral(new Date(Math.floor(milliseconds)).toISOString())
}
