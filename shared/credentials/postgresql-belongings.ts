import { sqlStateOf } from './postgresql-failure.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'

/** Each object of a transaction takes a lock, and the server has room for some thousands. */
export const atOnce = 500

/**
 * Drops some of what the account owns in this database, the newest first, since what was built on another object is
 * newer than that. What something else is built on stays for later, and what does not go alone for DROP OWNED.
 */
export async function dropSome({ client, oid }: RevokedAccount): Promise<void> {
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
