import { setTimeout } from 'node:timers/promises'
import { unavailable } from '../errors.ts'
import type { RevocationEvidence, SessionEnding } from './credential-provider.ts'
import { answerOf, cannotUser } from './mysql-failure.ts'
import type { MysqlSession } from './mysql-pool.ts'
import { type AccountName, dropAccount, lockAccount, serverIdentity } from './mysql-statements.ts'

const looks = 40
const pauseMilliseconds = 50
/** Transactions that take longer than half a second finish between two revocations, and hold up no worker. */
const looksAtTransactions = 4
/**
 * INNODB_TRX shows what it showed before to whoever asks again within a tenth of a second, so a transaction that just
 * began may not be there: a session is at rest when it was so in two looks that are further apart.
 */
const pauseBetweenTransactions = 150

/** ER_NO_SUCH_THREAD: the session ended by itself. */
const noSuchThread = 1094

/** What one revocation needs. */
export interface AccountRevocation {
  readonly session: MysqlSession
  readonly user: string
  /** The one that it was made on, where that is known. */
  readonly server: string | undefined
  readonly ending: SessionEnding
  readonly signal: AbortSignal
}

/** A revocation at work, with the ids of the sessions that it found and ended. */
type Running = AccountRevocation & { readonly found: Set<number>; readonly ended: Set<number> }

/** How many sessions a revocation found and ended. */
type CountedSessions = Required<Pick<RevocationEvidence, 'sessionsFound' | 'sessionsEnded'>>

/**
 * Ends the accounts of that user, from whichever hosts, and their sessions, and sees all of it gone. Returns the numbers
 * of sessions. Throws the driver's errors, `sessions_busy` where sessions are left to finish a transaction,
 * `server_changed` where it is absent on another server than it was made on, `target_refused` where sessions do not end.
 * Where we may not see the sessions of others that is the driver's error as well, with the account locked.
 */
export async function revokeAccount(revocation: AccountRevocation): Promise<CountedSessions> {
  const running = { ...revocation, found: new Set<number>(), ended: new Set<number>() }
  const { session, user, ending } = running
  const accounts = await findAccounts(session, user)
  if (accounts.length === 0) await seeServer(running)
  for (const account of accounts) await unlessGone(session.run(lockAccount(session, account)))
  await seeEverybody(session)
  // Before the drop: where a session will not end, the account stays, and its revocation with it.
  await endSessions(running, ending)
  for (const account of await findAccounts(session, user)) await session.run(dropAccount(session, account))
  // And after it: a login that had begun before the lock may have been let in since, and sessions survive DROP USER.
  await endSessions(running, 'now')
  if ((await findAccounts(session, user)).length > 0) throw unavailable('target_refused')
  return { sessionsFound: running.found.size, sessionsEnded: running.ended.size }
}

/** The users of the server's accounts whose names begin so. */
export function findUsers(session: MysqlSession, prefix: string): Promise<readonly { readonly name: string }[]> {
  const query = `SELECT DISTINCT User AS name FROM mysql.user
                  WHERE LEFT(User, CHAR_LENGTH(?)) = ? AND Host <> '' ORDER BY User`
  return session.rows(query, [prefix, prefix])
}

/** A role, which MariaDB keeps among them, has no host. */
function findAccounts(session: MysqlSession, user: string): Promise<readonly AccountName[]> {
  return session.rows("SELECT User AS user, Host AS host FROM mysql.user WHERE User = ? AND Host <> ''", [user])
}

/** What is absent on another server says nothing. */
async function seeServer({ session, server }: Running): Promise<void> {
  if (server === undefined) return
  const [row] = await session.rows<{ server: string }>(`SELECT ${serverIdentity} AS server`)
  if (row?.server !== server) throw unavailable('server_changed')
}

/**
 * Throws the server's refusal where we lack PROCESS. Without it the process list is no error: it shows our own session
 * alone, and whoever asks there finds every account without one.
 */
async function seeEverybody(session: MysqlSession): Promise<void> {
  await session.rows('SELECT COUNT(*) AS transactions FROM information_schema.INNODB_TRX')
}

/** Notes their ids and returns once none is left. */
async function endSessions(running: Running, ending: SessionEnding): Promise<void> {
  const { session, user, ended, signal } = running
  const mayFinish = ending === 'finish-transactions'
  let restedBefore: ReadonlySet<number> = new Set()
  for (let look = 1; look <= looks; look++) {
    const found = await findSessions(session, user)
    if (found.length === 0) return
    for (const { id } of found) running.found.add(id)
    const resting = found.filter(({ busy }) => busy === 0)
    const due = mayFinish ? resting.filter(({ id }) => restedBefore.has(id)) : found
    restedBefore = new Set(resting.map(({ id }) => id))
    for (const { id } of due) {
      await session.run(`KILL CONNECTION ${id}`).catch(unlessAnswered(noSuchThread))
      ended.add(id)
    }
    if (look >= looksAtTransactions && due.length === 0) throw unavailable('sessions_busy')
    if (signal.aborted) throw unavailable('deadline')
    await setTimeout(mayFinish ? pauseBetweenTransactions : pauseMilliseconds)
  }
  // About this account: it must not keep the others of its target waiting.
  throw unavailable('target_refused', { detail: { problem: 'sessions_remain' } })
}

/** A session as it was found: `busy` is 1 where it is at a statement or in a transaction, else 0. */
interface FoundSession {
  readonly id: number
  readonly busy: number
}

/**
 * By name, which the process list keeps when the account is gone; exactly so, since it compares without regard to case.
 * A login that is under way is there too, with the name that it gave.
 */
function findSessions(session: MysqlSession, user: string): Promise<readonly FoundSession[]> {
  const query = `SELECT ID AS id, COMMAND NOT IN ('Sleep', 'Connect')
                        OR ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX) AS busy
                   FROM information_schema.PROCESSLIST WHERE CAST(USER AS BINARY) = ? ORDER BY ID`
  return session.rows(query, [user])
}

/** Another revocation of this account ran. */
async function unlessGone(statement: Promise<void>): Promise<void> {
  await statement.catch(unlessAnswered(cannotUser))
}

function unlessAnswered(answer: number): (error: unknown) => void {
  return error => {
    if (answerOf(error) !== answer) throw error
  }
}
