import { dropMost } from './postgresql-belongings.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'
import { takeRights } from './postgresql-rights.ts'
import { dropOwned } from './postgresql-statements.ts'
import { survey } from './postgresql-survey.ts'

/** Databases that one revocation goes to. */
const visits = 4

/**
 * Drops what the account owns in other databases of the server, and takes its rights there: DROP OWNED reaches one
 * database alone. Never throws: what is left there shows.
 */
export async function clearElsewhere(account: RevokedAccount): Promise<void> {
  await visit(account, async there => {
    // As here, before the drop: that may be refused, and what is owned acts with the account's rights.
    await takeRights(there)
    await dropMost(there, (await survey(there)).ownedHere)
    await there.client.query(dropOwned(there.client, there.name))
  })
}

/** Takes the account's rights in other databases, and leaves what it owns there. Never throws. */
export async function disarmElsewhere(account: RevokedAccount): Promise<void> {
  await visit(account, takeRights)
}

async function visit(account: RevokedAccount, work: (there: RevokedAccount) => Promise<void>): Promise<void> {
  const { rows } = await account.client.query<{ database: string }>(otherDatabases, [account.oid])
  for (const { database } of rows) {
    // Whatever keeps us from one must not keep the others. A server that is gone shows on our own connection.
    await account.beside(database, client => work({ ...account, client })).catch(() => undefined)
  }
}

/** Those that let us in. By chance: more of them than one revocation goes to must not hide the others from every one. */
const otherDatabases = `
  SELECT datname AS database FROM pg_database
   WHERE datallowconn AND datname <> current_database() AND has_database_privilege(oid, 'CONNECT')
     AND oid IN (SELECT dbid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1)
   ORDER BY random() LIMIT ${visits}`
