import { unavailable } from '../errors.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import { isConcurrentChange, pauseAtRandom } from './postgresql-grants.ts'
import { rollBackPrepared } from './postgresql-prepared.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'
import { joinAccount, lockAccount } from './postgresql-statements.ts'

/** Half a second each, where somebody is in the way. */
const attempts = 8
/** So often another revocation of the same account may have been it, which needs no violence. */
const peaceful = 3

/**
 * Lets the account log in no more. A session of its own can be in the way, in a transaction that has changed the
 * account: then `endAtOnce` is called, whatever was to become of its sessions, and what it has prepared is rolled back. Throws the
 * driver's error, or `target_refused` where that cannot be done.
 */
export async function lockOut(account: RevokedAccount, endAtOnce: () => Promise<unknown>): Promise<void> {
  const { client, name } = account
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(lockAccount(client, name))
      return
    } catch (error) {
      if (!isInTheWay(error)) throw error
      if (attempt === attempts) throw await heldBy(account, error)
      if (isConcurrentChange(error) && attempt <= peaceful) await pauseAtRandom()
      else await clearTheWay(account, endAtOnce)
    }
  }
}

/** The next attempt follows without a pause, so it is first in the row when those sessions end. */
async function clearTheWay(account: RevokedAccount, endAtOnce: () => Promise<unknown>): Promise<void> {
  const { client, name } = account
  // Alone, since it is not held up by the same: it gives the right to end sessions where that is not ours otherwise.
  await client.query(joinAccount(client, name)).catch(unlessInTheWay)
  await rollBackPrepared(account)
  await endAtOnce()
}

/** What to tell of it: a transaction that somebody has to roll back by hand, where there is one. */
async function heldBy(account: RevokedAccount, failure: unknown): Promise<unknown> {
  const transactions = await rollBackPrepared(account)
  if (transactions === 0) return failure
  return unavailable('target_refused', { detail: { problem: 'prepared_transactions', transactions } })
}

/** lock_not_available, or somebody changed the account at the same time. */
function isInTheWay(error: unknown): boolean {
  return sqlStateOf(error) === '55P03' || isConcurrentChange(error)
}

function unlessInTheWay(error: unknown): void {
  if (!isInTheWay(error)) throw error
}
