import { z } from 'zod'
import { type GrantTemplates, grantTemplates, type Tokens } from './grant-template.ts'
import { pemCertificates } from './pem-certificates.ts'
import { secretReference } from './secret-reference.ts'

/** PostgreSQL cuts a longer name without a word, which would make it another's name. */
const name = z
  .string()
  .refine(text => text !== '' && Buffer.byteLength(text) <= 63 && !text.includes('\0'), 'expected 1 to 63 bytes')

/** No slash, so it is never a socket's path; no at-sign or colon trick survives into the connection URI. */
const host = z.string().regex(/^[0-9A-Za-z:][0-9A-Za-z._:-]{0,252}$/, 'expected a host name or an IP address')

/** What has no schema, and after whose word a name stands alone: `ALL TABLES IN SCHEMA sales`. */
const withoutSchema = /^(ALL|SCHEMA|DATABASE|LANGUAGE|FOREIGN|LARGE|TABLESPACE|PARAMETER)$/i
const kinds = /^(TABLE|SEQUENCE|FUNCTION|PROCEDURE|ROUTINE|DOMAIN|TYPE)$/i

/** The minter's search path holds no schema but the catalog, where nobody can put what would be taken for another. */
function problemOfGrant(tokens: Tokens): string | undefined {
  const [first = '', ...rest] = tokens.slice(tokens.findIndex(each => each.toUpperCase() === 'ON') + 1, -2)
  if (withoutSchema.test(first)) return undefined
  const objects = listed(kinds.test(first) ? rest : [first, ...rest])
  return objects.every(([, dot]) => dot === '.') ? undefined : 'expected the schema of each object: {schema}.{table}'
}

/** What a list names, one after another. The types of a function's arguments are no part of it. */
function listed(tokens: Tokens): readonly Tokens[] {
  const objects: string[][] = [[]]
  let depth = 0
  for (const each of tokens) {
    if (each === ')') depth -= 1
    if (depth === 0 && each === ',') objects.push([])
    else if (depth === 0) objects.at(-1)?.push(each)
    if (each === '(') depth += 1
  }
  return objects
}

const login = z.strictObject({ user: name, password: secretReference })
export type PostgresqlLogin = z.infer<typeof login>

/**
 * Where the database is and who makes accounts there. `admin` needs CREATEROLE and, from 16 on, the admin option on the
 * scopes' roles (before, CREATEROLE hands out any role that is no superuser); for scopes that are statements, what they
 * grant WITH GRANT OPTION. `revoker` (the admin, if absent) needs CREATEROLE, INHERIT, membership of `admin`, of
 * `pg_signal_backend`, and of the scopes' roles: what those own they may have granted to any account. Accounts log in by PUBLIC's right to connect to `database`, since they inherit nothing before they
 * act as a role. The connection is always TLS with the server's name verified, against `tls.ca` or else the public
 * authorities.
 */
export const postgresqlSettings = z.strictObject({
  host,
  port: z.int().min(1).max(65_535).default(5432),
  database: name,
  admin: login,
  revoker: login.optional(),
  tls: z.strictObject({ ca: pemCertificates.optional() }).default({}),
  /** Connections that one instance may hold per login. */
  connections: z.int().min(1).max(20).default(4),
  /** CONNECTION LIMIT of a minted account. */
  accountConnectionLimit: z.int().min(1).max(1000).default(10),
  /**
   * What becomes of objects that an account itself owns, and not its scope's role, when it ends. `report`: they stay, and
   * with them the account, without any right and locked; its revocation fails until somebody has seen to them.
   */
  ownedObjects: z.enum(['drop', 'report']).default('drop'),
})
export type PostgresqlSettings = z.infer<typeof postgresqlSettings>

/**
 * The NOLOGIN role that a session acts as, or what is granted to the account itself. With statements an account acts as
 * itself: what it creates is its own, and ends with it.
 */
export const postgresqlScope = z.union([z.strictObject({ role: name }), grantTemplates(name, problemOfGrant)], {
  error: 'expected "role", or "statements" and their "names"',
})
export type PostgresqlScope = { readonly role: string } | GrantTemplates
