import type { Credential } from './credential.ts'
import type { Account, CheckStep, MintedAccount, Minter, MinterProvider, SessionEnding } from './credential-provider.ts'
import { checkMysql } from './mysql-check.ts'
import { failureOfQuery } from './mysql-failure.ts'
import { mintAccount } from './mysql-mint.ts'
import { countOrphans, type MysqlRevocationEvidence } from './mysql-orphans.ts'
import { MysqlPool, type MysqlSession } from './mysql-pool.ts'
import { findUsers, revokeAccount } from './mysql-revocation.ts'
import { type MysqlScope, type MysqlSettings, mysqlScope, mysqlSettings } from './mysql-settings.ts'
import { Secret } from './secret.ts'
import type { ReadSecret } from './secret-reference.ts'

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

  constructor(settings: MysqlSettings, dependencies: Dependencies) {
    const { readSecret, now } = dependencies
    this.#settings = settings
    this.#dependencies = dependencies
    this.#now = now
    this.#minting = new MysqlPool(settings, settings.admin, readSecret)
    this.#revoking = settings.revoker ? new MysqlPool(settings, settings.revoker, readSecret) : this.#minting
  }

  async mint(account: Account<MysqlScope>, secret: Secret, signal: AbortSignal): Promise<Credential> {
    const { accountConnectionLimit: connectionLimit, accountHost } = this.#settings
    const name = { user: userOf(account), host: accountHost }
    await mintAccount({ pool: this.#minting, name, account, secret, connectionLimit, now: this.#now }, signal)
    return this.describe(account, secret)
  }

  describe(account: Account<MysqlScope>, secret: Secret): Credential {
    const { host, port, database, tls } = this.#settings
    const username = userOf(account)
    const uri = connectionUri(this.#settings, username, secret)
    const fields = { username, password: secret, host, port, database, uri }
    return {
      secret,
      fields: tls.ca === undefined ? fields : { ...fields, caCertificate: tls.ca },
      reference: { account: username },
      expiresAt: account.expiresAt,
    }
  }

  /** Before `mintUntil` a minter that is still at work may yet make the account: the caller looks again after it. */
  async revoke(
    account: Account<MysqlScope>,
    ending: SessionEnding,
    signal: AbortSignal,
  ): Promise<MysqlRevocationEvidence> {
    const user = userOf(account)
    try {
      const revoke = (session: MysqlSession) => revokeAccount({ session, user, ending, signal })
      const sessionsEnded = await this.#revoking.use(revoke, signal)
      const evidence = { sessionsEnded, absent: true as const, at: new Date(this.#now()).toISOString() }
      return { ...evidence, ...(await this.#orphansOf(user, signal)) }
    } catch (error) {
      throw failureOfQuery(error)
    }
  }

  /** Counted once the account is gone for certain: where that fails, it is all that is missing. */
  #orphansOf(user: string, signal: AbortSignal): Promise<{ readonly orphans?: number }> {
    const counting = this.#revoking.use(session => countOrphans(session, user), signal)
    return counting.then(
      orphans => ({ orphans }),
      () => ({}),
    )
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

/** MySQL's limit. MariaDB allows more, but what a lease's account is called must not hang on asking the server. */
const longestUser = 32

/**
 * The account's name on the server, cut at the end: `cw_<12>_<20>` keeps 16 of the digits that are the lease's, 80
 * bits, and all of the deployment's prefix, by which `accounts` finds it.
 */
function userOf({ name }: Account<MysqlScope>): string {
  return name.slice(0, longestUser)
}

/** `ssl-mode` as MySQL's own clients read it. Others ignore it; but the account lets nobody in without TLS. */
function connectionUri({ host, port, database }: MysqlSettings, user: string, password: Secret): Secret {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password.reveal())}`
  return new Secret(`mysql://${login}@${host}:${port}/${encodeURIComponent(database)}?ssl-mode=VERIFY_IDENTITY`)
}
