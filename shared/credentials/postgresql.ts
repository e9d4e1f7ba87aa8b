import type { PoolClient } from 'pg'
import type { Credential } from './credential.ts'
import type {
  Account,
  CheckStep,
  MintedAccount,
  MintedCredential,
  Minter,
  MinterProvider,
  Permission,
  SessionEnding,
} from './credential-provider.ts'
import { databaseCredential } from './database-credential.ts'
import { checkPostgresql } from './postgresql-check.ts'
import { countDefinedBy, type PostgresqlRevocationEvidence } from './postgresql-defined-by-roles.ts'
import { failureOfQuery, failureOfRevocation } from './postgresql-failure.ts'
import { mintAccount } from './postgresql-mint.ts'
import { PostgresqlPool } from './postgresql-pool.ts'
import { revokeAccount } from './postgresql-revocation.ts'
import type { Beside } from './postgresql-revoked-account.ts'
import {
  type PostgresqlScope,
  type PostgresqlSettings,
  postgresqlScope,
  postgresqlSettings,
} from './postgresql-settings.ts'
import { Secret } from './secret.ts'
import type { ReadSecret } from './secret-reference.ts'
import { answersAt, type WithAnswer } from './server-answers.ts'

interface Dependencies {
  readonly readSecret: ReadSecret
  readonly now: () => number
}

/** Makes a login role per lease in a PostgreSQL database (12 to 18), acting as its scope's NOLOGIN role or as itself. */
export function postgresql(dependencies: Dependencies): MinterProvider<PostgresqlSettings, PostgresqlScope> {
  return {
    kind: 'postgresql',
    settings: postgresqlSettings,
    scope: postgresqlScope,
    tokenType: 'urn:causeway:token-type:username-password',
    issues: 'minted',
    longestName: 63,
    open: settings => new PostgresqlMinter(settings, dependencies),
  }
}

class PostgresqlMinter implements Minter<PostgresqlScope> {
  readonly #settings: PostgresqlSettings
  readonly #dependencies: Dependencies
  readonly #now: () => number
  readonly #minting: PostgresqlPool
  readonly #revoking: PostgresqlPool
  readonly #withAnswer: WithAnswer

  constructor(settings: PostgresqlSettings, dependencies: Dependencies) {
    const { readSecret, now } = dependencies
    this.#settings = settings
    this.#dependencies = dependencies
    this.#now = now
    this.#minting = new PostgresqlPool(settings, settings.admin, readSecret)
    this.#revoking = settings.revoker ? new PostgresqlPool(settings, settings.revoker, readSecret) : this.#minting
    this.#withAnswer = answersAt(settings)
  }

  async mint(account: Account<PostgresqlScope>, secret: Secret, permission: Permission): Promise<MintedCredential> {
    const { accountConnectionLimit: connectionLimit } = this.#settings
    const mint = { pool: this.#minting, account, secret, connectionLimit, now: this.#now }
    const server = await mintAccount(mint, permission)
    return { ...this.describe(account, secret), server }
  }

  describe(account: Account<PostgresqlScope>, secret: Secret): Credential {
    const uri = connectionUri(this.#settings, account.name, secret)
    return databaseCredential(this.#settings, account, { secret, uri })
  }

  /** Before `mintUntil` a minter that is still at work may yet make the account: the caller looks again after it. */
  async revoke(
    { name, server, scopes }: Account<PostgresqlScope>,
    ending: SessionEnding,
    signal: AbortSignal,
  ): Promise<PostgresqlRevocationEvidence> {
    const { ownedObjects } = this.#settings
    try {
      const beside: Beside = (database, work) => this.#useBeside(database, work, signal)
      const revoke = (client: PoolClient) =>
        revokeAccount({ client, name, server, ending, ownedObjects, beside, signal })
      const sessions = await this.#revoking.use(revoke, signal)
      const evidence = { ...sessions, absent: true as const, at: new Date(this.#now()).toISOString() }
      return { ...evidence, ...(await this.#leftBy(scopes, signal)) }
    } catch (error) {
      throw await this.#withAnswer(failureOfRevocation(error, signal), signal)
    }
  }

  /** Looked for once the account is gone for certain: where that fails, it is all that is missing. */
  async #leftBy(
    scopes: readonly PostgresqlScope[],
    signal: AbortSignal,
  ): Promise<Pick<PostgresqlRevocationEvidence, 'definedByRoles'>> {
    const roles = scopes.flatMap(scope => ('role' in scope ? [scope.role] : []))
    if (roles.length === 0) return {}
    const counting = this.#revoking.use(client => countDefinedBy(client, roles), signal)
    return counting.then(
      definedByRoles => ({ definedByRoles }),
      () => ({}),
    )
  }

  /** A connection of its own: another database is seldom gone to, and must not take one from those who wait for this. */
  async #useBeside<T>(database: string, work: (client: PoolClient) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { admin, revoker } = this.#settings
    const settings = { ...this.#settings, database, connections: 1 }
    const pool = new PostgresqlPool(settings, revoker ?? admin, this.#dependencies.readSecret)
    try {
      return await pool.use(work, signal)
    } finally {
      await pool.close()
    }
  }

  async *accounts(prefix: string, signal: AbortSignal): AsyncGenerator<MintedAccount> {
    const query = 'SELECT rolname AS name FROM pg_roles WHERE starts_with(rolname::text, $1) ORDER BY rolname'
    try {
      const { rows } = await this.#revoking.use(client => client.query<MintedAccount>(query, [prefix]), signal)
      yield* rows
    } catch (error) {
      throw failureOfQuery(error)
    }
  }

  check(scopes: Readonly<Record<string, PostgresqlScope>>, signal: AbortSignal): Promise<readonly CheckStep[]> {
    return checkPostgresql({ settings: this.#settings, scopes, ...this.#dependencies }, signal)
  }

  async close(): Promise<void> {
    await Promise.all([this.#minting.close(), this.#revoking.close()])
  }
}

function connectionUri({ host, port, database }: PostgresqlSettings, user: string, password: Secret): Secret {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password.reveal())}`
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  // node-postgres decodes a path as `decodeURI` does, so what may stand in a path unescaped has to.
  const path = encodeURI(database).replace(/[?#]/g, encodeURIComponent)
  return new Secret(`postgresql://${login}@${authority}/${path}?sslmode=verify-full`)
}
