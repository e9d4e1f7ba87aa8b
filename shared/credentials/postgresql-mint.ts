import type { PoolClient } from 'pg'
import { NotMinted, unavailable } from '../errors.ts'
import type { Account } from './credential-provider.ts'
import { failureBeforeMint, failureOfMint } from './postgresql-failure.ts'
import type { PostgresqlPool } from './postgresql-pool.ts'
import type { PostgresqlScope } from './postgresql-settings.ts'
import { createAccount } from './postgresql-statements.ts'
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

/** Makes the account's login role, or throws as `Minter.mint` says. */
export async function mintAccount(mint: Mint, signal: AbortSignal): Promise<void> {
  const verifier = await scramVerifier(mint.secret.reveal())
  let sent = false
  try {
    await mint.pool.use(async client => {
      const statements = await prepare(client, mint, verifier)
      if (signal.aborted) throw unavailable('deadline')
      sent = true
      await client.query(statements)
    }, signal)
  } catch (error) {
    throw sent ? failureOfMint(error) : failureBeforeMint(error)
  }
}

/**
 * Translates the account's times to the database's clock. Our clock is read after the measurement returned, so the
 * database's times come out early by the way back, never late.
 */
async function prepare(client: PoolClient, mint: Mint, verifier: string): Promise<string> {
  const { name, scopes, expiresAt, mintUntil } = mint.account
  const { clock, role } = await survey(client, scopes)
  const ahead = clock - mint.now()
  if (role === null) throw new NotMinted('invalid_scope', 'scopes_not_combinable')
  return createAccount(client, {
    name,
    verifier,
    actingRole: role,
    connectionLimit: mint.connectionLimit,
    validUntil: expiresAt + ahead,
    deadline: mintUntil + ahead,
  })
}

/** The database's clock in epoch milliseconds, and the one of the scopes' roles that covers all of them. */
interface Survey {
  readonly clock: number
  readonly role: string | null
}

/** USAGE, not MEMBER: the acting role has the others' rights without another SET ROLE. An unknown role is an error. */
async function survey(client: PoolClient, scopes: readonly PostgresqlScope[]): Promise<Survey> {
  const { rows } = await client.query<Survey>(
    `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock,
            (SELECT candidate FROM unnest($1::text[]) candidate
              WHERE (SELECT bool_and(pg_has_role(candidate::name, covered::name, 'USAGE')) FROM unnest($1::text[]) covered)
              LIMIT 1) AS role`,
    [scopes.map(scope => scope.role)],
  )
  const [row] = rows
  if (row === undefined) throw new TypeError('a query without FROM gives one row')
  return row
}
