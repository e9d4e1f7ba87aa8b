import { NotMinted, unavailable } from '../errors.ts'
import { orAborted } from '../or-aborted.ts'
import type { Account, Permission } from './credential-provider.ts'
import { answerOf, cannotUser, failureOfTakenName, failureUnclear, failureWithoutAccount } from './mysql-failure.ts'
import type { MysqlPool, MysqlSession } from './mysql-pool.ts'
import type { MysqlScope } from './mysql-settings.ts'
import {
  type AccountName,
  createAccount,
  dropAccount,
  type Entitlement,
  openAccount,
  serverIdentity,
} from './mysql-statements.ts'
import { cachingSha2Verifier, nativeVerifier } from './mysql-verifier.ts'
import { isRecordedSoon } from './recorded-soon.ts'
import type { Secret } from './secret.ts'

/** What one mint needs. `now` is this process's clock; times of the account are by it. */
export interface Mint {
  readonly pool: MysqlPool
  readonly name: AccountName
  readonly account: Account<MysqlScope>
  readonly secret: Secret
  readonly connectionLimit: number
  readonly now: () => number
}

/** How far a mint has come. `created`: the server said so, which makes the account ours to drop. */
interface Progress {
  sent: boolean
  created: boolean
}

/** An account that was made, and on which server, where that has a name. */
interface Made {
  readonly server: string | undefined
}

/** Makes the account and tells on which server, where that has a name, or throws as `Minter.mint` says. */
export async function mintAccount(mint: Mint, permission: Permission): Promise<string | undefined> {
  for (;;) {
    const made = await mintIfRecordedSoon(mint, permission)
    if (made) return made.server
    await orAborted(permission.recorded, permission.signal).catch(error => Promise.reject(failureWithoutAccount(error)))
  }
}

/** Undefined where the connection was let go before the decision was on record, and nothing was made. */
async function mintIfRecordedSoon(mint: Mint, permission: Permission): Promise<Made | undefined> {
  const role = onlyRole(mint.account.scopes)
  const progress: Progress = { sent: false, created: false }
  try {
    return await mint.pool.use(
      session => makeAccount(session, { ...mint, role, progress }, permission),
      permission.signal,
    )
  } catch (error) {
    throw progress.sent && !(error instanceof NotMinted) ? failureOfMint(error, progress) : failureWithoutAccount(error)
  }
}

/** A session has one default role, so scopes that are different roles cannot be had together. */
function onlyRole(scopes: readonly MysqlScope[]): string | undefined {
  const [role, another] = new Set(scopes.flatMap(scope => ('role' in scope ? [scope.role] : [])))
  if (another !== undefined) throw new NotMinted('invalid_scope', 'scopes_not_combinable')
  return role
}

async function makeAccount(
  session: MysqlSession,
  mint: Mint & { readonly role: string | undefined; readonly progress: Progress },
  permission: Permission,
): Promise<Made | undefined> {
  const { name, connectionLimit, role, progress } = mint
  const { engine, deadline, server } = await survey(session, mint)
  const verifier = verifierOf(engine, mint.secret)
  if (!(await isRecordedSoon(permission))) return undefined
  if (permission.signal.aborted) throw unavailable('deadline')
  progress.sent = true
  await session.run(createAccount(session, { ...name, verifier, connectionLimit }, deadline))
  progress.created = true
  const { scopes } = mint.account
  const grants = scopes.flatMap(scope => ('grants' in scope ? scope.grants : []))
  const templates = scopes.filter(scope => 'statements' in scope)
  await openOrDrop(session, name, { role, grants, templates, isMariaDb: engine === 'MariaDB' }, deadline)
  return { server }
}

/** What was made and could not be finished is dropped again. Where that fails too, the first failure is told, as unclear. */
async function openOrDrop(session: MysqlSession, name: AccountName, to: Entitlement, deadline: number): Promise<void> {
  try {
    await session.run(openAccount(session, name, to, deadline))
  } catch (error) {
    if (answerOf(error) === undefined || !(await isDropped(session, name))) throw error
    throw failureWithoutAccount(error)
  }
}

async function isDropped(session: MysqlSession, name: AccountName): Promise<boolean> {
  return session.run(dropAccount(session, name)).then(
    () => true,
    () => false,
  )
}

/** One whose CREATE USER the server refused has made nothing; one that the server stopped at it may have. */
function failureOfMint(error: unknown, { created }: Progress): Error {
  const answer = answerOf(error)
  if (created || answer === undefined || stops.includes(answer)) return failureUnclear(error)
  return answer === cannotUser ? failureOfTakenName(error) : failureWithoutAccount(error)
}

/** Shutdown, interrupted, killed, statement time-out: none of them says that nothing was done before. */
const stops = [1053, 1317, 1927, 1969, 3024]

type Engine = 'MariaDB' | 'MySQL 5' | 'MySQL'

/**
 * Translates `mintUntil` to the server's clock. Our clock is read after the measurement returned, so the deadline comes
 * out early by the way back, never late.
 */
async function survey(session: MysqlSession, { account, now }: Mint): Promise<Survey> {
  const [row] = await session.rows<{ version: string; clock: number; server: string }>(
    `SELECT VERSION() AS version, ${serverIdentity} AS server,
            TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000 AS clock`,
  )
  if (row === undefined) throw new TypeError('a query without FROM gives one row')
  const deadline = account.mintUntil + row.clock - now()
  return { engine: engineOf(row.version), deadline, server: row.server === '' ? undefined : row.server }
}

interface Survey {
  readonly engine: Engine
  readonly deadline: number
  readonly server: string | undefined
}

function engineOf(version: string): Engine {
  if (version.includes('MariaDB')) return 'MariaDB'
  return version.startsWith('5.') ? 'MySQL 5' : 'MySQL'
}

/** What each engine takes in place of a password. Only letters, digits and `$*./`: nothing to quote. */
function verifierOf(engine: Engine, secret: Secret): string {
  if (engine === 'MySQL') return `WITH caching_sha2_password AS '${cachingSha2Verifier(secret.reveal())}'`
  const verifier = nativeVerifier(secret.reveal())
  return engine === 'MariaDB'
    ? `VIA mysql_native_password USING '${verifier}'`
    : `WITH mysql_native_password AS '${verifier}'`
}
