import { setTimeout } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { unavailable } from '../errors.ts'
import type { RevocationEvidence, SessionEnding } from './credential-provider.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import { isConcurrentChange, pauseAtRandom } from './postgresql-grants.ts'
import { lockOut } from './postgresql-lock.ts'
import { dropUnlessKept } from './postgresql-remains.ts'
import type { Beside } from './postgresql-revoked-account.ts'
import type { PostgresqlSettings } from './postgresql-settings.ts'
import { serverIdentity } from './postgresql-statements.ts'

const attempts = 10
const looks = 40
/** Transactions that take longer than half a second finish between two revocations, and hold up no worker. */
const looksAtTransactions = 10
const pauseMilliseconds = 50

/** What one revocation needs. */
export interface AccountRevocation {
  readonly client: PoolClient
  readonly name: string
  /** The one that it was made on, where that is known. */
  readonly server: string | undefined
  readonly ending: SessionEnding
  readonly ownedObjects: PostgresqlSettings['ownedObjects']
  readonly beside: Beside
  readonly signal: AbortSignal
}

/** A revocation at work, with the process ids of the sessions that it found and ended, and the account's own id once it is known. */
type Running = AccountRevocation & { readonly found: Set<number>; readonly ended: Set<number>; oid?: number }

/** How many sessions a revocation found and ended. */
type CountedSessions = Required<Pick<RevocationEvidence, 'sessionsFound' | 'sessionsEnded'>>

/**
 * Ends the account, its sessions on every database and what it owns, in this one and in others that let us in, and sees
 * all of it gone. Returns the numbers of sessions. Sessions of accounts that are no more are told to end as well,
 * whose ever they were: where the account was gone already, its own may be among them, and has no name. Throws the
 * driver's errors, `sessions_busy` where sessions are left to finish a transaction, `server_changed` where it is absent
 * on another server than it was made on, `target_refused` where sessions do not end or what the account owns keeps it:
 * then it is locked and has no right left.
 */
export async function revokeAccount(revocation: AccountRevocation): Promise<CountedSessions> {
  const running: Running = { ...revocation, found: new Set(), ended: new Set() }
  for (let attempt = 1; ; attempt++) {
    try {
      await endAccount(running)
      return { sessionsFound: running.found.size, sessionsEnded: running.ended.size }
    } catch (error) {
      if (attempt === attempts || !anotherWasFaster(error)) throw error
      await pauseAtRandom()
    }
  }
}

async function endAccount(running: Running): Promise<void> {
  const { client, name, ending, ownedObjects, beside, signal } = running
  const { oid, server } = await findAccount(client, name)
  if (oid === null) {
    if (running.oid === undefined && (running.server ?? server) !== server) throw unavailable('server_changed')
    return endNameless(running)
  }
  running.oid = oid
  const account = { client, name, oid, ownedObjects, beside, signal }
  await lockOut(account, async () => note(running, await signalSessions(client, oid, 'now')))
  // Before the drop: where a session will not end, the account stays, and with it the way to find the session.
  await endSessions(running, oid, ending)
  await dropUnlessKept(account)
  await endNameless(running)
  if ((await findAccount(client, name)).oid !== null) throw unavailable('target_refused')
}

interface Found {
  readonly oid: number | null
  readonly server: string
}

async function findAccount(client: PoolClient, name: string): Promise<Found> {
  const { rows } = await client.query<Found>(
    `SELECT (SELECT oid FROM pg_roles WHERE rolname = $1) AS oid, ${serverIdentity} AS server`,
    [name],
  )
  const [row] = rows
  if (row === undefined) throw new TypeError('a query without FROM gives one row')
  return row
}

/** Notes the process ids and returns once none is left. */
async function endSessions(running: Running, oid: number, ending: SessionEnding): Promise<void> {
  const { client, signal } = running
  for (let look = 1; look <= looks; look++) {
    const sessions = await signalSessions(client, oid, ending)
    if (sessions.length === 0) return
    note(running, sessions)
    if (look >= looksAtTransactions && sessions.every(({ busy }) => busy)) throw unavailable('sessions_busy')
    if (signal.aborted) throw unavailable('deadline')
    await setTimeout(pauseMilliseconds)
  }
  // About this account: it must not keep the others of its target waiting.
  throw unavailable('target_refused', { detail: { problem: 'sessions_remain' } })
}

function note({ found, ended }: Running, sessions: readonly FoundSession[]): void {
  for (const { pid, busy } of sessions.filter(({ worker }) => !worker)) {
    found.add(pid)
    if (!busy) ended.add(pid)
  }
}

/**
 * Ends what is left after the drop: a session that was just logging in survives DROP ROLE, and then has no name. Those of
 * other accounts may have survived theirs: nobody waits for them, or fails where they are not ours to end.
 */
async function endNameless(running: Running): Promise<void> {
  const { client, oid } = running
  if (oid !== undefined) await endSessions(running, oid, 'now')
  await client.query(
    `SELECT CASE WHEN pg_has_role('pg_signal_backend', 'USAGE') THEN pg_terminate_backend(pid) END
       FROM pg_stat_activity WHERE usesysid NOT IN (SELECT oid FROM pg_roles)`,
  )
}

/**
 * A session as it was found. `busy`: it was left alone. A query's parallel workers are not sessions; they have no
 * `leader_pid` before 13.
 */
interface FoundSession {
  readonly pid: number
  readonly worker: boolean
  readonly busy: boolean
}

/**
 * Tells the sessions of an account to end. A session that is `idle` is in no transaction; a single statement is one, and
 * so is one that failed, since it may go on from a savepoint. What does not tell its state may be in one.
 */
async function signalSessions(client: PoolClient, oid: number, ending: SessionEnding): Promise<FoundSession[]> {
  const { rows } = await client.query<FoundSession>(
    `SELECT pid, worker, busy, CASE WHEN NOT busy THEN pg_terminate_backend(pid) END
       FROM (SELECT pid, backend_type IS NOT DISTINCT FROM 'parallel worker' AS worker, $2 AND state IS DISTINCT FROM 'idle' AS busy
               FROM pg_stat_activity WHERE usesysid = $1) AS session`,
    [oid, ending === 'finish-transactions'],
  )
  return rows
}

/** Another revocation of this account ran (undefined_object), or somebody changed what this one did. */
function anotherWasFaster(error: unknown): boolean {
  return isConcurrentChange(error) || sqlStateOf(error) === '42704'
}
