import { fillGrants, type GrantTemplates } from './grant-template.ts'
import { type MysqlGrant, placeOf } from './mysql-settings.ts'

/** The driver's quoting. No name or text joins a statement in any other way. */
export interface Quoting {
  /** One name, whatever is in it: a dot as well. */
  escapeId(name: string): string
  escape(text: string): string
}

/** An account by both parts of its name: the same user from another host is another account. */
export interface AccountName {
  readonly user: string
  readonly host: string
}

/** An account as the server shall make it. */
export interface AccountStatement extends AccountName {
  /** Its plugin and what that keeps of the password. */
  readonly verifier: string
  readonly connectionLimit: number
}

/** What the account may do. */
export interface Entitlement {
  readonly role: string | undefined
  readonly grants: readonly MysqlGrant[]
  readonly templates: readonly GrantTemplates[]
  readonly isMariaDb: boolean
}

/** ER_UNKNOWN_TIME_ZONE, which {@link refuseAfter} raises and nothing else that is sent. */
export const tooLate = 1298

/** What MySQL's data are called since they were initialised. MariaDB, for which it is a comment, has no such name. */
export const serverIdentity = "CONCAT('' /*!50708 , @@server_uuid */)"

/**
 * For each connection. NO_AUTO_CREATE_USER, where the engine has it: no GRANT to an account that was dropped meanwhile
 * makes it again. A `sql_mode` of ours: under NO_BACKSLASH_ESCAPES or ANSI_QUOTES the driver's quoting is none. Each
 * engine takes the comment of the other for a comment. Neither lets `lock_wait_timeout` end a wait for the accounts' own
 * tables: there MariaDB has `max_statement_time`, and MySQL the driver's limit alone. Milliseconds come in.
 */
export function sessionLimits({ lock, statement }: { readonly lock: number; readonly statement: number }): string {
  const seconds = (milliseconds: number) => Math.floor(milliseconds / 1000)
  return [
    'SET NAMES utf8mb4',
    `SET SESSION sql_mode = CONCAT('STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
       IF(VERSION() LIKE '%MariaDB%' OR VERSION() LIKE '5.%', ',NO_AUTO_CREATE_USER', '')),
       lock_wait_timeout = ${seconds(lock)}
       /*M!100500 , max_statement_time = ${seconds(statement)} */ /*!50708 , max_execution_time = ${Math.floor(statement)} */`,
  ].join('; ')
}

/** One message. Locked: what is not finished cannot be used. REQUIRE SSL: nothing of it ever crosses a network in clear. */
export function createAccount(quoting: Quoting, account: AccountStatement, deadline: number): string {
  return [
    refuseAfter(quoting, deadline),
    `CREATE USER ${quoted(quoting, account)} IDENTIFIED ${account.verifier} REQUIRE SSL` +
      ` WITH MAX_USER_CONNECTIONS ${account.connectionLimit} ACCOUNT LOCK`,
  ].join('; ')
}

/**
 * One message, which the server leaves at the first statement that fails. The server's clock is asked again right before
 * the account becomes usable: DDL is not transactional, so one that came to be after its time must stay locked.
 */
export function openAccount(quoting: Quoting, name: AccountName, to: Entitlement, deadline: number): string {
  const account = quoted(quoting, name)
  return [
    ...to.grants.map(
      grant => `GRANT ${grant.privileges.join(', ')} ON ${quotedPlace(quoting, grant.on)} TO ${account}`,
    ),
    ...fillGrants(to.templates, { account, quote: (name, rest) => quotedName(quoting, name, rest) }),
    ...(to.role === undefined ? [] : grantRole(quoting.escapeId(to.role), account, to.isMariaDb)),
    refuseAfter(quoting, deadline),
    `ALTER USER ${account} ACCOUNT UNLOCK`,
  ].join('; ')
}

function grantRole(role: string, account: string, isMariaDb: boolean): readonly string[] {
  return [`GRANT ${role} TO ${account}`, `SET DEFAULT ROLE ${role} ${isMariaDb ? 'FOR' : 'TO'} ${account}`]
}

/** No session logs in from here on. */
export function lockAccount(quoting: Quoting, name: AccountName): string {
  return `ALTER USER ${quoted(quoting, name)} ACCOUNT LOCK`
}

export function dropAccount(quoting: Quoting, name: AccountName): string {
  return `DROP USER IF EXISTS ${quoted(quoting, name)}`
}

/** Fails once the server's clock says so: a minter that froze, or waited for a lock, cannot go on late. */
function refuseAfter(quoting: Quoting, deadline: number): string {
  const utc = new Date(Math.floor(deadline)).toISOString().slice(0, -1).replace('T', ' ')
  return `SET SESSION time_zone = IF(UTC_TIMESTAMP(6) >= ${quoting.escape(utc)}, 'causeway_mint_too_late', '+00:00')`
}

function quoted(quoting: Quoting, { user, host }: AccountName): string {
  return `${quoting.escapeId(user)}@${quoting.escapeId(host)}`
}

function quotedPlace(quoting: Quoting, on: string): string {
  const { database, table } = placeOf(on)
  return table === '*'
    ? `${quotedName(quoting, database, '.*')}.*`
    : `${quoting.escapeId(database)}.${quoting.escapeId(table)}`
}

/** A database in a grant is a pattern, unless a table is named: there `a_b` means `axb` as well. `rest`: what follows it. */
function quotedName(quoting: Quoting, name: string, rest: string): string {
  const isPattern = /^ *\. *\*/.test(rest)
  return quoting.escapeId(isPattern ? name.replace(/[\\%_]/g, String.raw`\$&`) : name)
}
