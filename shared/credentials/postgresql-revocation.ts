import { setTimeout } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { unavailable } from '../errors.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import { dropAccount, lockAccount } from './postgresql-statements.ts'

const attempts = 3
const looks = 40
const pauseMilliseconds = 50

/**
 * Ends the account, its sessions on every database and what it owns in this one, and sees all of it gone. Returns the
 * number of sessions ended; 0 where the account was gone already. Throws the driver's errors, or `target_unavailable`
 * where sessions do not end.
 */
export async function revokeAccount(client: PoolClient, name: string, signal: AbortSignal): Promise<number> {
  const ended = new Set<number>()
  for (let attempt = 1; ; attempt++) {
    try {
      await endAccount(client, name, ended, signal)
      return ended.size
    } catch (error) {
      if (attempt === attempts || !anotherWasFaster(error)) throw error
    }
  }
}

async function endAccount(client: PoolClient, name: string, ended: Set<number>, signal: AbortSignal): Promise<void> {
  const oid = await findAccount(client, name)
  if (oid === undefined) return
  await client.query(lockAccount(client, name))
  // Before the drop: where a session will not end, the account stays, and with it the way to find the session.
  await endSessions(client, oid, ended, signal)
  await client.query(dropAccount(client, name))
  // And after it, by oid: a session that was just logging in survives DROP ROLE and then has no name.
  await endSessions(client, oid, ended, signal)
  if ((await findAccount(client, name)) !== undefined) throw unavailable('target_refused')
}

async function findAccount(client: PoolClient, name: string): Promise<number | undefined> {
  const { rows } = await client.query<{ oid: number }>('SELECT oid FROM pg_roles WHERE rolname = $1', [name])
  return rows[0]?.oid
}

/** Adds the process ids to `ended` and returns once none is left. A query's parallel workers are not sessions. */
async function endSessions(client: PoolClient, oid: number, ended: Set<number>, signal: AbortSignal): Promise<void> {
  for (let look = 0; look < looks; look++) {
    const { rows } = await client.query<{ pid: number; worker: boolean }>(
      `SELECT pid, leader_pid IS NOT NULL AS worker, pg_terminate_backend(pid)
         FROM pg_stat_activity WHERE usesysid = $1`,
      [oid],
    )
    if (rows.length === 0) return
    for (const { pid, worker } of rows) if (!worker) ended.add(pid)
    if (signal.aborted) throw unavailable('deadline')
    await setTimeout(pauseMilliseconds)
  }
  throw unavailable('target_unavailable', { detail: { problem: 'sessions_remain' } })
}

/** Another revocation of this account ran: "tuple concurrently updated", undefined_object, deadlock_detected. */
function anotherWasFaster(error: unknown): boolean {
  return ['XX000', '42704', '40P01'].includes(sqlStateOf(error) ?? '')
}
