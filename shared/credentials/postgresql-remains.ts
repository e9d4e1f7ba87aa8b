import { type ExchangeError, unavailable } from '../errors.ts'
import { atOnce, dropSome } from './postgresql-belongings.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import { rollBackPrepared } from './postgresql-prepared.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'
import { takeRights } from './postgresql-rights.ts'
import { dropAccount } from './postgresql-statements.ts'

/**
 * Drops an account that is locked and whose sessions have ended, with what it owns in this database. Throws
 * `target_refused`, or the driver's error, where it must stay: with what it owns and is to be reported, with what others
 * built on that, or with what is in another database. It has no right left then that can be taken from it, neither of
 * its own nor through a role: what it owns acts with its rights, whoever uses it.
 */
export async function dropUnlessKept(account: RevokedAccount): Promise<void> {
  const { owned, ownedHere, prepared } = await survey(account)
  if (prepared > 0) await rollBackPrepared(account)
  if (account.ownedObjects === 'report' && owned > 0) {
    await disarm(account)
    throw kept('owns_objects', owned)
  }
  // Before the drop, which can fail in more ways than we hear of. Nothing acts with the rights of who owns nothing.
  if (owned > 0) await takeRights(account)
  try {
    await drop(account, ownedHere)
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
    await disarm(account)
    await dropAgain(account, error)
  }
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

/** `owned`: how many objects there are to drop. It goes on with as many as the server has locks for, or no fewer left. */
async function drop(account: RevokedAccount, owned: number): Promise<void> {
  const { client, name } = account
  let [before, left] = [Number.POSITIVE_INFINITY, owned]
  while (left > atOnce && left < before) {
    await dropSome(account)
    before = left
    left = (await survey(account)).ownedHere
  }
  await client.query(dropAccount(client, name))
}

function kept(problem: string, objects: number): ExchangeError {
  return unavailable('target_refused', { detail: { problem, objects } })
}

/** What holds on to the account, by the catalog that all databases of a server share. */
interface Remains {
  /** Objects of its own, in any database. */
  readonly owned: number
  /** Those in this one. */
  readonly ownedHere: number
  /** Objects of its own and rights, in other databases than this one. */
  readonly elsewhere: number
  /** Rights on objects in this database and on shared ones, and memberships. */
  readonly rights: number
  /** Transactions that it has prepared here. */
  readonly prepared: number
}

async function survey({ client, oid, name }: RevokedAccount): Promise<Remains> {
  const { rows } = await client.query<Remains>(
    `SELECT count(*) FILTER (WHERE deptype = 'o')::int AS owned,
            count(*) FILTER (WHERE deptype = 'o' AND dbid = here.oid)::int AS "ownedHere",
            count(*) FILTER (WHERE dbid NOT IN (0, here.oid))::int AS elsewhere,
            (count(*) FILTER (WHERE deptype = 'a' AND dbid IN (0, here.oid))
              + (SELECT count(*) FROM pg_auth_members WHERE member = $1))::int AS rights,
            (SELECT count(*) FROM pg_prepared_xacts WHERE owner = $2)::int AS prepared
       FROM pg_shdepend, (SELECT oid FROM pg_database WHERE datname = current_database()) AS here
      WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1`,
    [oid, name],
  )
  const [row] = rows
  if (row === undefined) throw new TypeError('an aggregate gives one row')
  return row
}

/** Takes every right and membership from the account, and sees them gone. */
async function disarm(account: RevokedAccount): Promise<void> {
  await takeRights(account)
  const { rights } = await survey(account)
  // Granted by somebody whose grants are not the revoker's to take back: REVOKE refuses those, or only warns.
  if (rights > 0) throw kept('rights_remain', rights)
}
