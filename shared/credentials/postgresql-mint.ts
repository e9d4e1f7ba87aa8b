import type { PoolClient } from 'pg'
import { NotMinted, unavailable } from '../errors.ts'
import { orAborted } from '../or-aborted.ts'
import type { Account, Permission } from './credential-provider.ts'
import type { GrantTemplates } from './grant-template.ts'
import { failureBeforeMint, failureOfMint, sqlStateOf } from './postgresql-failure.ts'
import { grantAll } from './postgresql-grants.ts'
import type { PostgresqlPool } from './postgresql-pool.ts'
import type { PostgresqlScope } from './postgresql-settings.ts'
import { commitBefore, createAccount, serverIdentity } from './postgresql-statements.ts'
import { isRecordedSoon } from './recorded-soon.ts'
import { scramVerifier } from './scram-verifier.ts'
import type { Secret } from './secret.ts'

/** What one mint needs. `now` is this process's clock; times of the account are by it. */
export interface Mint {
  readonly pool: PostgresqlPool
  readonly account: Account<PostgresqlScope>
  readonly secret: Secret
  readonly connectionLimit: number
  readonly now: () => number
}

/** The messages of one transaction. Where there are no `grants`, it is one message. */
interface Statements {
  readonly grants: string | undefined
  readonly commit: string
  readonly server: string
}

/** Makes the account's login role and tells on which server, or throws as `Minter.mint` says. */
export async function mintAccount(mint: Mint, permission: Permission): Promise<string> {
  // Made on another thread while the server is asked.
  const verifier = scramVerifier(mint.secret.reveal())
  // Where the server fails first, nobody waits for it.
  verifier.catch(() => undefined)
  for (;;) {
    const server = await mintIfRecordedSoon(mint, verifier, permission)
    if (server !== undefined) return server
    await orAborted(permission.recorded, permission.signal).catch(error => Promise.reject(failureBeforeMint(error)))
  }
}

/** Undefined where the connection was let go before the decision was on record, and nothing was made. */
async function mintIfRecordedSoon(
  mint: Mint,
  making: Promise<string>,
  permission: Permission,
): Promise<string | undefined> {
  const { signal } = permission
  let sent = false
  try {
    return await mint.pool.use(async client => {
      const { grants, commit, server } = await prepare(client, mint, making)
      if (!(await isRecordedSoon(permission))) return undefined
      if (grants !== undefined) await grantAll(client, grants, signal)
      if (signal.aborted) throw unavailable('deadline')
      sent = true
      await client.query(commit)
      return server
    }, signal)
  } catch (error) {
    throw sent || isTakenName(error) ? failureOfMint(error) : failureBeforeMint(error)
  }
}

/** duplicate_object, or unique_violation where two create it at once: it may be another minter's account. */
function isTakenName(error: unknown): boolean {
  return ['42710', '23505'].includes(sqlStateOf(error) ?? '')
}

/**
 * Translates the account's times to the database's clock. Our clock is read after the measurement returned, so the
 * database's times come out early by the way back, never late.
 */
async function prepare(client: PoolClient, mint: Mint, making: Promise<string>): Promise<Statements> {
  const { name, scopes, expiresAt, mintUntil } = mint.account
  const grants = grantsOf(scopes)
  const { clock, role, server } = await survey(client, scopes)
  const ahead = clock - mint.now()
  const verifier = await making
  const entitlement = grants === undefined ? { actingRole: onlyRole(role) } : { grants }
  const { connectionLimit } = mint
  const make = createAccount(client, { name, verifier, entitlement, connectionLimit, validUntil: expiresAt + ahead })
  const commit = commitBefore(client, mintUntil + ahead)
  return grants === undefined ? { grants, commit: `${make}; ${commit}`, server } : { grants: make, commit, server }
}

/**
 * Undefined where the scopes are roles. A session that acts as a role has nothing of what its account was granted, so
 * the two cannot be had together.
 */
function grantsOf(scopes: readonly PostgresqlScope[]): readonly GrantTemplates[] | undefined {
  const grants = scopes.filter(scope => 'statements' in scope)
  if (grants.length === 0) return undefined
  if (grants.length < scopes.length) throw new NotMinted('invalid_scope', 'scopes_not_combinable')
  return grants
}

function onlyRole(role: string | null): string {
  if (role === null) throw new NotMinted('invalid_scope', 'scopes_not_combinable')
  return role
}

/** The database's clock in epoch milliseconds, the one of the scopes' roles that covers all of them, and the server. */
interface Survey {
  readonly server: string
  readonly clock: number
  readonly role: string | null
}

/** USAGE, not MEMBER: the acting role has the others' rights without another SET ROLE. An unknown role is an error. */
async function survey(client: PoolClient, scopes: readonly PostgresqlScope[]): Promise<Survey> {
  const { rows } = await client.query<Survey>(
    `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock,
            ${serverIdentity} AS server,
            (SELECT candidate FROM unnest($1::text[]) candidate
              WHERE (SELECT bool_and(pg_has_role(candidate::name, covered::name, 'USAGE')) FROM unnest($1::text[]) covered)
              LIMIT 1) AS role`,
    [scopes.flatMap(scope => ('role' in scope ? [scope.role] : []))],
  )
  const [row] = rows
  if (row === undefined) throw new TypeError('a query without FROM gives one row')
  return row
}
