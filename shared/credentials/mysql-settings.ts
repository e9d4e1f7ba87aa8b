import { isIP } from 'node:net'
import { z } from 'zod'
import { type GrantTemplates, grantTemplates, type Tokens } from './grant-template.ts'
import { pemCertificates } from './pem-certificates.ts'
import { secretReference } from './secret-reference.ts'

/** Identifiers of MySQL and MariaDB: characters of the basic plane, and none may end in a space. */
function name(longest: number) {
  return z
    .string()
    .refine(text => isIdentifier(text, longest), `expected 1 to ${longest} characters, none beyond U+FFFF`)
}

function isIdentifier(text: string, longest: number): boolean {
  if (text === '' || text.length > longest || text.endsWith(' ')) return false
  return !text.includes('\0') && !/[\ud800-\udfff]/.test(text)
}

/**
 * A name, since the driver compares certificates with names only: for an IP address it would take one that was made
 * for "localhost".
 */
const host = z
  .string()
  .regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,252}$/, 'expected a host name')
  .refine(text => isIP(text) === 0, 'expected the name in the certificate of the server, not an IP address')

const login = z.strictObject({ user: name(80), password: secretReference })
export type MysqlLogin = z.infer<typeof login>

/**
 * Where the server is and who makes accounts there. `admin` needs CREATE USER and, WITH GRANT OPTION (roles: WITH ADMIN
 * OPTION), what the scopes mean; on MariaDB, for scopes that are roles, UPDATE on `mysql`.*. `revoker` (the
 * admin, if absent) needs CREATE USER, PROCESS, CONNECTION ADMIN and SELECT (Host, User) on `mysql`.`user`; on MySQL
 * 8.0.22 and newer also the right to drop an account that defines objects (SET_USER_ID, ALLOW_NONEXISTENT_DEFINER). The
 * connection is always TLS with the server's name verified, against `tls.ca` or else the public authorities.
 */
export const mysqlSettings = z.strictObject({
  host,
  port: z.int().min(1).max(65_535).default(3306),
  /** Where a caller starts. What it may do there, or elsewhere, its scope says. */
  database: name(64),
  admin: login,
  revoker: login.optional(),
  tls: z.strictObject({ ca: pemCertificates.optional() }).default({}),
  /** Connections that one instance may hold per login. */
  connections: z.int().min(1).max(20).default(4),
  /** MAX_USER_CONNECTIONS of a minted account. */
  accountConnectionLimit: z.int().min(1).max(1000).default(10),
  /** From where a minted account may log in: the host part of its name. */
  accountHost: z
    .string()
    .regex(/^[0-9A-Za-z%_.:/-]{1,60}$/, 'expected the host part of an account, such as "%" or "10.1.%"')
    .default('%'),
  /** Milliseconds, below the 10 s in which an account may be minted. The server's limits act before the driver's. */
  timeouts: z
    .strictObject({
      connect: z.int().min(100).max(5_000).default(3_000),
      lock: z.int().min(1_000).max(4_000).default(3_000),
      statement: z.int().min(1_000).max(6_000).default(5_000),
    })
    .prefault({}),
})
export type MysqlSettings = z.infer<typeof mysqlSettings>

/** No GRANT OPTION, and nothing global: what an account has it cannot hand on. */
const privileges = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'REFERENCES',
  'CREATE',
  'ALTER',
  'DROP',
  'INDEX',
  'CREATE VIEW',
  'SHOW VIEW',
  'TRIGGER',
  'EXECUTE',
  'CREATE ROUTINE',
  'ALTER ROUTINE',
  'CREATE TEMPORARY TABLES',
  'LOCK TABLES',
  'EVENT',
] as const

/** Those that no single table has. */
const databaseOnly: readonly string[] = privileges.slice(privileges.indexOf('EXECUTE'))

/** Who may write here can make itself anything, and no scope means that. */
const systemDatabases = ['mysql', 'sys', 'information_schema', 'performance_schema']

/** The database and the table, or `*`, of "orders.*" and "orders.items": cut at the first dot, so no database has one. */
export function placeOf(on: string): { readonly database: string; readonly table: string } {
  const dot = on.indexOf('.')
  return { database: on.slice(0, Math.max(dot, 0)), table: on.slice(dot + 1) }
}

function isPlace(on: string): boolean {
  const { database, table } = placeOf(on)
  const isNamed = isIdentifier(database, 64) && isIdentifier(table, 64)
  return isNamed && database !== '*' && !systemDatabases.includes(database.toLowerCase())
}

const grants = z
  .strictObject({
    privileges: z.array(z.enum(privileges)).min(1),
    on: z.string().refine(isPlace, 'expected "database.*" or "database.table", of no system database'),
  })
  .refine(
    ({ privileges, on }) => on.endsWith('.*') || !privileges.some(each => databaseOnly.includes(each)),
    'expected privileges that a table has',
  )
export type MysqlGrant = z.infer<typeof grants>

/** Beside the form of a statement: nothing global, of no system database, and no other account's rights (PROXY). */
function problemOfGrant(tokens: Tokens, names: GrantTemplates['names']): string | undefined {
  if (tokens.some(each => each.toUpperCase() === 'PROXY')) return "PROXY grants another account's rights"
  const at = tokens.findIndex(each => each.toUpperCase() === 'ON')
  const place = tokens.slice(at + 1).filter(each => !/^(TABLE|FUNCTION|PROCEDURE)$/i.test(each))
  const [database = '', dot, object = ''] = place
  if (dot !== '.' || !/^[\w{]/.test(database))
    return 'expected a database and what is in it after ON: {database}.{table}'
  if (object === '*' && database.includes('_') && !database.startsWith('{'))
    return 'there _ stands for any letter: put the name of the database into names'
  const named = database.startsWith('{') ? names[database.slice(1, -1)] : database
  return named !== undefined && systemDatabases.includes(named.toLowerCase()) ? 'a system database' : undefined
}

/** A role (MariaDB, MySQL 8), which becomes the account's default role, or what is granted to the account itself. */
export const mysqlScope = z.union(
  [
    z.strictObject({ role: name(80) }),
    z.strictObject({ grants: z.array(grants).min(1).max(32) }),
    grantTemplates(name(64), problemOfGrant),
  ],
  { error: 'expected "role", "grants", or "statements" and their "names"' },
)
export type MysqlScope = { readonly role: string } | { readonly grants: readonly MysqlGrant[] } | GrantTemplates
