import type { Credential } from './credential.ts'
import type {
  Account,
  CheckStep,
  MintedAccount,
  MintedCredential,
  Minter,
  MinterProvider,
  Permission,
  RevocationEvidence,
  SessionEnding,
} from './credential-provider.ts'
import { databaseCredential } from './database-credential.ts'
import { checkMysql } from './mysql-check.ts'
import { failureOfQuery, failureOfRevocation } from './mysql-failure.ts'
import { mintAccount } from './mysql-mint.ts'
import { countDefinedBy, countOrphans, dropEventsOf, type MysqlRevocationEvidence } from './mysql-orphans.ts'
import { MysqlPool, type MysqlSession } from './mysql-pool.ts'
import { countPrepared } from './mysql-prepared.ts'
import { findUsers, revokeAccount } from './mysql-revocation.ts'
import { type MysqlScope, type MysqlSettings, mysqlScope, mysqlSettings } from './mysql-settings.ts'
import { Secret } from './secret.ts'
import type { ReadSecret } from './secret-reference.ts'
import { answersAt, type WithAnswer } from './server-answers.ts'

interface Dependencies {
  readonly readSecret: ReadSecret
  readonly now: () => number
}

/**
 * Makes an account per lease on MySQL (5.7, 8 and newer) or MariaDB (10.5 and newer). Neither has an account that ends
 * at a given time (MySQL's PASSWORD EXPIRE counts days, MariaDB's too), so its end rests on the lease alone.
 */
export function mysql(dependencies: Dependencies): MinterProvider<MysqlSettings, MysqlScope> {
  return {
    kind: 'mysql',
    settings: mysqlSettings,
    scope: mysqlScope,
    tokenType: 'urn:causeway:token-type:username-password',
    issues: 'minted',
    // MySQL's limit. MariaDB allows more, but what an account is called must not hang on asking the server.
    longestName: 32,
    open: settings => new MysqlMinter(settings, dependencies),
  }
}

class MysqlMinter implements Minter<MysqlScope> {
  readonly #settings: MysqlSettings
  readonly #dependencies: Dependencies
  readonly #now: () => number
  readonly #minting: MysqlPool
  readonly #revoking: MysqlPool
  readonly #withAnswer: WithAnswer

  constructor(settings: MysqlSettings, dependencies: Dependencies) {
    const { readSecret, now } = dependencies
    this.#settings = settings
    this.#dependencies = dependencies
    this.#now = now
    this.#minting = new MysqlPool(settings, settings.admin, readSecret)
    this.#revoking = settings.revoker ? new MysqlPool(settings, settings.revoker, readSecret) : this.#minting
    this.#withAnswer = answersAt(settings)
  }

  async mint(account: Account<MysqlScope>, secret: Secret, permission: Permission): Promise<MintedCredential> {
    const { accountConnectionLimit: connectionLimit, accountHost } = this.#settings
    const name = { user: account.name, host: accountHost }
    const mint = { pool: this.#minting, name, account, secret, connectionLimit, now: this.#now }
    const server = await mintAccount(mint, permission)
    return { ...this.describe(account, secret), server }
  }

  describe(account: Account<MysqlScope>, secret: Secret): Credential {
    const uri = connectionUri(this.#settings, account.name, secret)
    return databaseCredential(this.#settings, account, { secret, uri })
  }

  /** Before `mintUntil` a minter that is still at work may yet make the account: the caller looks again after it. */
  async revoke(
    account: Account<MysqlScope>,
    ending: SessionEnding,
    signal: AbortSignal,
  ): Promise<MysqlRevocationEvidence> {
    const user = account.name
    try {
      const revoke = (session: MysqlSession) => revokeAccount({ session, user, server: account.server, ending, signal })
      const sessions = await this.#revoking.use(revoke, signal)
      const evidence = { ...sessions, absent: true as const, at: new Date(this.#now()).toISOString() }
      return { ...evidence, ...(await this.#leftBy(account, signal)) }
    } catch (error) {
      throw await this.#withAnswer(failureOfRevocation(error, signal), signal)
    }
  }

  /** Looked for once the account is gone for certain: where that fails, it is all that is missing. */
  async #leftBy(
    { name, scopes, mintUntil }: Account<MysqlScope>,
    signal: AbortSignal,
  ): Promise<Omit<MysqlRevocationEvidence, keyof RevocationEvidence>> {
    const age = Math.ceil((this.#now() - mintUntil + longestMint) / 1000)
    const roles = new Set(scopes.flatMap(scope => ('role' in scope ? [scope.role] : [])))
    const looking = this.#revoking.use(async session => {
      let definedByRoles = 0
      for (const role of roles) {
        await dropEventsOf(session, { role, age })
        definedByRoles += await countDefinedBy(session, { role, age })
      }
      const preparedTransactions = await countPrepared(session)
      return {
        orphans: await countOrphans(session, name),
        ...(roles.size > 0 && { definedByRoles }),
        ...(preparedTransactions !== undefined && { preparedTransactions }),
      }
    }, signal)
    return looking.catch(() => ({}))
  }

  async *accounts(prefix: string, signal: AbortSignal): AsyncGenerator<MintedAccount> {
    try {
      yield* await this.#revoking.use(session => findUsers(session, prefix), signal)
    } catch (error) {
      throw failureOfQuery(error)
    }
  }

  check(scopes: Readonly<Record<string, MysqlScope>>, signal: AbortSignal): Promise<readonly CheckStep[]> {
    return checkMysql({ settings: this.#settings, scopes, ...this.#dependencies }, signal)
  }

  async close(): Promise<void> {
    await Promise.all([this.#minting.close(), this.#revoking.close()])
  }
}

/** No account is made longer than that before its `mintUntil`, in milliseconds. */
const longestMint = 60_000

/** `ssl-mode` as MySQL's own clients read it. Others ignore it; but the account lets nobody in without TLS. */
function connectionUri({ host, port, database }: MysqlSettings, user: string, password: Secret): Secret {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password.reveal())}`
  return new Secret(`mysql://${login}@${host}:${port}/${encodeURIComponent(database)}?ssl-mode=VERIFY_IDENTITY`)
}
