import { setTimeout } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { unavailable } from '../errors.ts'
import { sqlStateOf } from './postgresql-failure.ts'

/** warning_privilege_not_granted: the admin has no grant option, and PostgreSQL leaves it at a warning. */
const notGranted = '01007'

const attempts = 50
const longestPause = 40

/**
 * Sends all of a mint's transaction but its COMMIT. What fails is rolled back, here or with the connection, so none of
 * it can come to be. Grants on one object from several transactions exclude each other: all but one begin again.
 */
export async function grantAll(client: PoolClient, statements: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) throw unavailable('deadline')
    try {
      return await grantOnce(client, statements)
    } catch (error) {
      if (attempt === attempts || !isConcurrentChange(error)) throw error
      await client.query('ROLLBACK')
      await pauseAtRandom()
    }
  }
}

async function grantOnce(client: PoolClient, statements: string): Promise<void> {
  let withheld = 0
  const count = ({ code }: { readonly code?: string | undefined }) => {
    if (code === notGranted) withheld += 1
  }
  client.on('notice', count)
  try {
    await client.query(statements)
  } finally {
    client.off('notice', count)
  }
  if (withheld > 0) throw unavailable('target_refused', { detail: { problem: 'not_granted', grants: withheld } })
}

/** "tuple concurrently updated", or deadlock_detected: another transaction granted or revoked on the same object. */
export function isConcurrentChange(error: unknown): boolean {
  return ['XX000', '40P01'].includes(sqlStateOf(error) ?? '')
}

/** So that those who exclude each other do not begin again together. */
export function pauseAtRandom(): Promise<void> {
  return setTimeout(Math.random() * longestPause)
}
