import type { PoolClient } from 'pg'
import type { ExchangeError } from '../errors.ts'
import { type CheckedPlace, certificateOf, certificateStep, connectedSteps, failedSteps } from './connection-check.ts'
import type { CheckStep } from './credential-provider.ts'
import { failureOfQuery } from './postgresql-failure.ts'
import { PostgresqlPool } from './postgresql-pool.ts'
import type { PostgresqlScope, PostgresqlSettings } from './postgresql-settings.ts'
import type { ReadSecret } from './secret-reference.ts'

export interface PostgresqlCheck {
  readonly settings: PostgresqlSettings
  readonly scopes: Readonly<Record<string, PostgresqlScope>>
  readonly readSecret: ReadSecret
  readonly now: () => number
}

/**
 * Looks at a target through the login that revokes, over a connection of its own, and only reads: what the admin may do is
 * in the catalog. That the admin's own password is right cannot be told, since who checks may not read it.
 */
export async function checkPostgresql(check: PostgresqlCheck, signal: AbortSignal): Promise<readonly CheckStep[]> {
  const { settings, readSecret } = check
  const login = settings.revoker ?? settings.admin
  const { host, port, tls } = settings
  const place: CheckedPlace = { host, port, login, ownAuthority: tls.ca !== undefined }
  const pool = new PostgresqlPool({ ...settings, connections: 1 }, login, readSecret)
  let connected: readonly CheckStep[] | undefined
  try {
    return await pool.use(async client => {
      connected = [...connectedSteps(place), ...certificateSteps(client, check.now())]
      return [...connected, ...(await lookAround(client, check))]
    }, signal)
  } catch (error) {
    const failure = failureOfQuery(error)
    return connected ? [...connected, unanswered(failure)] : failedSteps(place, failure)
  } finally {
    await pool.close()
  }
}

function unanswered({ reason, detail }: ExchangeError): CheckStep {
  const code = String(detail['code'] ?? '')
  return { step: 'catalog', ok: false, expected: 'the catalog can be read', found: `it cannot (${code})`, reason }
}

function certificateSteps(client: PoolClient, now: number): readonly CheckStep[] {
  // Not in the driver's types: where it moves, the step is missing and nothing else.
  const connection: unknown = Reflect.get(client, 'connection')
  const socket: unknown = typeof connection === 'object' && connection ? Reflect.get(connection, 'stream') : undefined
  const certificate = certificateOf(socket)
  return certificate ? [certificateStep(certificate, now)] : []
}

/** What the catalog says of the database and of the two logins. */
interface Rights {
  readonly version: number
  readonly publicConnects: boolean
  readonly publicElsewhere: readonly string[]
  readonly adminExists: boolean
  readonly adminLogsIn: boolean
  readonly adminCreates: boolean
  readonly revokerCreates: boolean
  readonly revokerSignals: boolean
  readonly revokerHasAdmin: boolean
}

const rightsQuery = `
  SELECT current_setting('server_version_num')::int AS version,
         has_database_privilege('public', current_database(), 'CONNECT') AS "publicConnects",
         ARRAY(SELECT datname::text FROM pg_database
                WHERE datallowconn AND datname <> current_database() AND has_database_privilege('public', oid, 'CONNECT')
                ORDER BY datname) AS "publicElsewhere",
         admin.oid IS NOT NULL AS "adminExists",
         COALESCE(admin.rolcanlogin AND (admin.rolvaliduntil IS NULL OR admin.rolvaliduntil > now()), false) AS "adminLogsIn",
         COALESCE(admin.rolcreaterole OR admin.rolsuper, false) AS "adminCreates",
         revoker.rolcreaterole OR revoker.rolsuper AS "revokerCreates",
         pg_has_role(revoker.oid, 'pg_signal_backend', 'USAGE') AS "revokerSignals",
         COALESCE(pg_has_role(revoker.oid, admin.oid, 'USAGE'), false) AS "revokerHasAdmin"
    FROM pg_roles revoker LEFT JOIN pg_roles admin ON admin.rolname = $1
   WHERE revoker.rolname = current_user`

async function lookAround(client: PoolClient, check: PostgresqlCheck): Promise<readonly CheckStep[]> {
  const { admin, revoker } = check.settings
  const { rows } = await client.query<Rights>(rightsQuery, [admin.user])
  const [rights] = rows
  if (!rights) return []
  const scopes = rights.adminExists ? await scopeSteps(client, check) : []
  return [...rightSteps(rights, check.settings), ...scopes, adminPasswordStep(admin.user, revoker === undefined)]
}

function rightSteps(rights: Rights, { admin, revoker = admin, database }: PostgresqlSettings): readonly CheckStep[] {
  const step = (name: string, ok: boolean, expected: string): CheckStep => {
    return { step: name, ok, expected, found: ok ? 'so' : 'not so' }
  }
  const { version } = rights
  return [
    { ...step('version', version >= 160_000, 'PostgreSQL 16 or newer'), found: String(Math.floor(version / 10_000)) },
    step('accounts-connect', rights.publicConnects, `PUBLIC may connect to "${database}"`),
    staysStep(rights.publicElsewhere),
    step('admin', rights.adminLogsIn, `"${admin.user}" is there and may log in`),
    step('create-accounts', rights.adminCreates, `"${admin.user}" has CREATEROLE`),
    step('drop-accounts', rights.revokerCreates && rights.revokerHasAdmin, dropping(revoker.user, admin.user)),
    step('end-sessions', rights.revokerSignals, `"${revoker.user}" has the rights of pg_signal_backend`),
  ]
}

/** Names that one step tells. */
const longestList = 5

/** What an account makes in another database its end must find there. */
function staysStep(databases: readonly string[]): CheckStep {
  const names = databases.slice(0, longestList).map(name => `"${name}"`)
  const more = databases.length - names.length
  const found = `it may connect to ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  const expected = 'PUBLIC may connect to no other database of the server'
  return { step: 'accounts-stay', ok: databases.length === 0, expected, found: databases.length === 0 ? 'so' : found }
}

function dropping(revoker: string, admin: string): string {
  return revoker === admin ? `"${revoker}" has CREATEROLE` : `"${revoker}" has CREATEROLE and the rights of "${admin}"`
}

interface ScopeRights {
  readonly role: string
  readonly exists: boolean
  readonly grantable: boolean
}

const scopesQuery = `
  SELECT scope.role, found.oid IS NOT NULL AS "exists",
         COALESCE(pg_has_role($2::name, found.oid, 'USAGE WITH ADMIN OPTION')
           OR (current_setting('server_version_num')::int < 160000 AND NOT found.rolsuper
             AND EXISTS (SELECT FROM pg_roles WHERE rolname = $2 AND rolcreaterole)), false) AS grantable
    FROM unnest($1::text[]) AS scope(role) LEFT JOIN pg_roles found ON found.rolname = scope.role`

async function scopeSteps(client: PoolClient, check: PostgresqlCheck): Promise<readonly CheckStep[]> {
  const { scopes, settings } = check
  const roles = [...new Set(Object.values(scopes).flatMap(scope => ('role' in scope ? [scope.role] : [])))]
  const { rows } = await client.query<ScopeRights>(scopesQuery, [roles, settings.admin.user])
  const rights = new Map(rows.map(row => [row.role, row]))
  const { user } = settings.admin
  return Object.entries(scopes).map(([name, scope]) => {
    const step = `grant-scope ${name}`
    if ('statements' in scope) {
      const expected = `"${user}" may hand on what its statements grant`
      return { step, ok: null, expected, found: 'cannot be told without running them' }
    }
    const { exists = false, grantable = false } = rights.get(scope.role) ?? {}
    return {
      step,
      ok: grantable,
      expected: `"${user}" may hand on the role "${scope.role}" (ADMIN OPTION)`,
      found: exists ? (grantable ? 'so' : 'not so') : 'there is no such role',
    }
  })
}

function adminPasswordStep(user: string, isChecker: boolean): CheckStep {
  const expected = `the password of "${user}" in the vault is its own`
  if (isChecker) return { step: 'admin-password', ok: true, expected, found: 'so' }
  const found = 'cannot be told: the identity that checks may read the password of the revoker alone'
  return { step: 'admin-password', ok: null, expected, found }
}
