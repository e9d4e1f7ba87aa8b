import { z } from 'zod'
import { secretReference } from './secret-reference.ts'

/** PostgreSQL cuts a longer name without a word, which would make it another's name. */
const name = z
  .string()
  .refine(text => text !== '' && Buffer.byteLength(text) <= 63 && !text.includes('\0'), 'expected 1 to 63 bytes')

/** No slash, so it is never a socket's path; no at-sign or colon trick survives into the connection URI. */
const host = z.string().regex(/^[0-9A-Za-z:][0-9A-Za-z._:-]{0,252}$/, 'expected a host name or an IP address')

/** Certificates and nothing else: callers receive this text. */
const certificates = z
  .string()
  .max(65_536)
  .regex(
    /^\s*(?:-----BEGIN CERTIFICATE-----[0-9A-Za-z+/=\s]+-----END CERTIFICATE-----\s*)+$/,
    'expected certificates in PEM',
  )

const login = z.strictObject({ user: name, password: secretReference })
export type PostgresqlLogin = z.infer<typeof login>

/**
 * Where the database is and who makes accounts there. `admin` needs CREATEROLE and the admin option on the scopes'
 * roles; `revoker` (the admin, if absent) needs CREATEROLE, membership of `admin` and of `pg_signal_backend`. Accounts
 * log in by PUBLIC's right to connect to `database`, since they inherit nothing before they act as a role. The
 * connection is always TLS with the server's name verified, against `tls.ca` or else the public authorities.
 */
export const postgresqlSettings = z.strictObject({
  host,
  port: z.int().min(1).max(65_535).default(5432),
  database: name,
  admin: login,
  revoker: login.optional(),
  tls: z.strictObject({ ca: certificates.optional() }).default({}),
  /** Connections that one instance may hold per login. */
  connections: z.int().min(1).max(20).default(4),
  /** CONNECTION LIMIT of a minted account. */
  accountConnectionLimit: z.int().min(1).max(1000).default(10),
})
export type PostgresqlSettings = z.infer<typeof postgresqlSettings>

/** The NOLOGIN role that a session acts as. */
export const postgresqlScope = z.strictObject({ role: name })
export type PostgresqlScope = z.infer<typeof postgresqlScope>
