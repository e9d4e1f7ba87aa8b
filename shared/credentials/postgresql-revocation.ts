import { setTimeout } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { unavailable } from '../errors.ts'
import type { SessionEnding } from './credential-provider.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import { isConcurrentChange, pauseAtRandom } from './postgresql-grants.ts'
import { dropUnlessKept } from './postgresql-remains.ts'
import type { PostgresqlSettings } from './postgresql-settings.ts'
import { lockAccount } from './postgresql-statements.ts'

const attempts = 10
const looks = 40
/** Transactions that take longer than half a second finish between two revocations, and hold up no worker. */
const looksAtTransactions = 10
const pauseMilliseconds = 50

/** What one revocation needs. */
export interface AccountRevocation {
  readonly client: PoolClient
  readonly name: string
  readonly ending: SessionEnding
  readonly ownedObjects: PostgresqlSettings['ownedObjects']
  readonly signal: AbortSignal
}

/** A revocation at work, with the process ids of the sessions that it ended. */
type Running = AccountRevocation & { readonly ended: Set<number> }

/**
 * Ends the account, its sessions on every database and what it owns in this one, and sees all of it gone. Returns the
 * number of sessions ended. Where the account was gone already, what is left of it has no name: sessions of accounts
 * that are no more are ended, whose ever they were. Throws the driver's errors, `sessions_busy` where
 * sessions are left to finish a transaction, `target_unavailable` where sessions do not end, or `target_refused` where
 * what the account owns keeps it: then it is locked and has no right left.
 */
export async function revokeAccount(revocation: AccountRevocation): Promise<number> {
  const running = { ...revocation, ended: new Set<number>() }
  for (let attempt = 1; ; attempt++) {
    try {
      await endAccount(running)
      return running.ended.size
    } catch (error) {
      if (attempt === attempts || !anotherWasFaster(error)) throw error
      await pauseAtRandom()
    }
  }
}

async function endAccount(running: Running): Promise<void> {
  const { client, name, ending, ownedObjects } = running
  const oid = await findAccount(client, name)
  if (oid === undefined) return endSessions(running, undefined, 'now')
  await client.query(lockAccount(client, name))
  // Before the drop: where a session will not end, the account stays, and with it the way to find the session.
  await endSessions(running, oid, ending)
  await dropUnlessKept({ client, name, oid, ownedObjects })
  // And after it, by oid: a session that was just logging in survives DROP ROLE and then has no name.
  await endSessions(running, oid, 'now')
  if ((await findAccount(client, name)) !== undefined) throw unavailable('target_refused')
}

async function findAccount(client: PoolClient, name: string): Promise<number | undefined> {
  const { rows } = await client.query<{ oid: number }>('SELECT oid FROM pg_roles WHERE rolname = $1', [name])
  return rows[0]?.oid
}

/** Adds the process ids to `ended` and returns once none is left. */
async function endSessions(
  { client, ended, signal }: Running,
  oid: number | undefined,
  ending: SessionEnding,
): Promise<void> {
  for (let look = 1; look <= looks; look++) {
    const sessions = await signalSessions(client, oid, ending)
    if (sessions.length === 0) return
    for (const { pid, worker, busy } of sessions) if (!worker && !busy) ended.add(pid)
    if (look >= looksAtTransactions && sessions.every(({ busy }) => busy)) throw unavailable('sessions_busy')
    if (signal.aborted) throw unavailable('deadline')
    await setTimeout(pauseMilliseconds)
  }
  throw unavailable('target_unavailable', { detail: { problem: 'sessions_remain' } })
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
async function signalSessions(
  client: PoolClient,
  oid: number | undefined,
  ending: SessionEnding,
): Promise<FoundSession[]> {
  const { rows } = await client.query<FoundSession>(
    `SELECT pid, worker, busy, CASE WHEN NOT busy THEN pg_terminate_backend(pid) END
       FROM (SELECT pid, backend_type IS NOT DISTINCT FROM 'parallel worker' AS worker, $2 AND state IS DISTINCT FROM 'idle' AS busy
               FROM pg_stat_activity WHERE usesysid = $1 
                  OR $1::oid IS NULL AND usesysid NOT IN (SELECT oid FROM pg_roles)) AS session`,
    [oid ?? null, ending === 'finish-transactions'],
  )
  return rows
}

/** Another revocation of this account ran (undefined_object), or somebody changed what this one did. */
function anotherWasFaster(error: unknown): boolean {
  return isConcurrentChange(error) || sqlStateOf(error) === '42704'
}
