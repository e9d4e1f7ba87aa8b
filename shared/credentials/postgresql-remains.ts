import { ExchangeError, unavailable } from '../errors.ts'
import { dropMost } from './postgresql-belongings.ts'
import { clearElsewhere, disarmElsewhere } from './postgresql-elsewhere.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import { isConcurrentChange } from './postgresql-grants.ts'
import { rollBackPrepared } from './postgresql-prepared.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'
import { takeRights } from './postgresql-rights.ts'
import { dropAccount } from './postgresql-statements.ts'
import { survey } from './postgresql-survey.ts'

/**
 * Drops an account that is locked and whose sessions have ended, with what it owns in this database and in others. Throws
 * `target_refused`, or the driver's error, where it must stay: with what it owns and is to be reported, with what others
 * built on that, or with what is in another database where we may not drop it. It has no right left then that can be
 * taken from it, neither of its own nor through a role: what it owns acts with its rights, whoever uses it.
 */
export async function dropUnlessKept(account: RevokedAccount): Promise<void> {
  const { owned, ownedHere, elsewhere, prepared } = await survey(account)
  if (prepared > 0) await rollBackPrepared(account)
  if (account.ownedObjects === 'report' && owned > 0) {
    if (elsewhere > 0) await disarmElsewhere(account)
    await disarm(account)
    throw kept('owns_objects', owned)
  }
  // Before the drop, which can fail in more ways than we hear of. Nothing acts with the rights of who owns nothing.
  if (owned > 0) await takeRights(account)
  try {
    await drop(account, ownedHere)
  } catch (error) {
    // Whoever meets another revocation at one object begins again: a right that is not taken then is none that stays.
    if (!isRefusal(error) || isConcurrentChange(error)) throw error
    if (elsewhere > 0) await clearElsewhere(account)
    await disarm(account)
    await dropAgain(account, error)
  }
}

/** The server's, or ours where there was too much to drop. */
function isRefusal(error: unknown): boolean {
  return sqlStateOf(error) !== undefined || (error instanceof ExchangeError && error.reason === 'target_refused')
}

/** Without a right that DROP OWNED could not take, or a prepared transaction that held it up, it may work. */
async function dropAgain(account: RevokedAccount, failure: unknown): Promise<void> {
  const state = sqlStateOf(failure)
  if (state === lockNotAvailable) await rollBackPrepared(account)
  else if (state !== dependentObjects) throw failure
  const { elsewhere, ownedHere } = await survey(account)
  if (elsewhere > 0) throw kept('objects_elsewhere', elsewhere)
  await drop(account, ownedHere)
}

/** lock_not_available, dependent_objects_still_exist */
const [lockNotAvailable, dependentObjects] = ['55P03', '2BP01']

/** `owned`: how many objects there are to drop here. */
async function drop(account: RevokedAccount, owned: number): Promise<void> {
  const { client, name } = account
  await dropMost(account, owned)
  await client.query(dropAccount(client, name))
}

function kept(problem: string, objects: number): ExchangeError {
  return unavailable('target_refused', { detail: { problem, objects } })
}

/** Takes every right and membership from the account, and sees them gone. */
async function disarm(account: RevokedAccount): Promise<void> {
  await takeRights(account)
  const { rights } = await survey(account)
  // Granted by somebody whose grants are not the revoker's to take back: REVOKE refuses those, or only warns.
  if (rights > 0) throw kept('rights_remain', rights)
}
