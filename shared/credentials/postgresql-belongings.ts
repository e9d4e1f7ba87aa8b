import { unavailable } from '../errors.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'
import { survey } from './postgresql-survey.ts'

/** Each object of a transaction takes a lock, and the server has room for some thousands. */
const atOnce = 500

/** So often in one revocation: an account that owns more must not use up the time of all the others. */
const rounds = 20

/**
 * Leaves no more of what the account owns in this database than the server has locks for in one DROP OWNED, or what does
 * not go one by one. `owned`: how many objects there are. Throws `target_refused` where they are too many for one
 * revocation: each round is kept, and the next one goes on. Throws `deadline` once the run is over.
 */
export async function dropMost(account: RevokedAccount, owned: number): Promise<void> {
  let [before, left] = [Number.POSITIVE_INFINITY, owned]
  for (let round = 0; left > atOnce && left < before; round++) {
    if (account.signal.aborted) throw unavailable('deadline')
    if (round === rounds) throw unavailable('target_refused', { detail: { problem: 'objects_left', objects: left } })
    await dropSome(account)
    before = left
    left = (await survey(account)).ownedHere
  }
}

/**
 * Drops some of what the account owns in this database, the newest first, since what was built on another object is
 * newer than that. What something else is built on stays for later, and what does not go alone for DROP OWNED.
 */
async function dropSome({ client, oid }: RevokedAccount): Promise<void> {
  const block = `DECLARE owned record; BEGIN
    FOR owned IN SELECT type, identity FROM (
        SELECT classid, objid FROM pg_shdepend
         WHERE refclassid = 'pg_authid'::regclass AND refobjid = ${oid} AND deptype = 'o'
           AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         ORDER BY objid DESC LIMIT ${atOnce}) AS newest, pg_identify_object(classid, objid, 0)
    LOOP BEGIN
      IF owned.type = 'large object' THEN PERFORM lo_unlink(owned.identity::oid);
      ELSE EXECUTE format('DROP %s %s', upper(owned.type), owned.identity); END IF;
      EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP; END`
  const statements = `SET LOCAL lock_timeout = 100; DO ${client.escapeLiteral(block)}`
  await client.query(statements).catch((error: unknown) => {
    if (sqlStateOf(error) === undefined) throw error
  })
}
