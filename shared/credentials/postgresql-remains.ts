import type { PoolClient } from 'pg'
import { type ExchangeError, unavailable } from '../errors.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import type { PostgresqlSettings } from './postgresql-settings.ts'
import { dropAccount } from './postgresql-statements.ts'

/** An account that is locked and whose sessions have ended. */
interface EndedAccount {
  readonly client: PoolClient
  readonly name: string
  readonly oid: number
  readonly ownedObjects: PostgresqlSettings['ownedObjects']
}

/**
 * Drops the account with what it owns in this database. Throws `target_refused`, or the driver's error, where it must
 * stay: with what it owns and is to be reported, with what others built on that, or with what is in another database. It
 * has no right left then, neither of its own nor through a role: what it owns acts with its rights, whoever uses it.
 */
export async function dropUnlessKept(account: EndedAccount): Promise<void> {
  const { client, name } = account
  const { owned, elsewhere } = await survey(account)
  if (account.ownedObjects === 'report' && owned > 0) {
    await disarm(account)
    throw kept('owns_objects', owned)
  }
  try {
    await client.query(dropAccount(client, name))
  } catch (error) {
    if (sqlStateOf(error) !== dependentObjects) throw error
    await disarm(account)
    throw elsewhere > 0 ? kept('objects_elsewhere', elsewhere) : error
  }
}

/** dependent_objects_still_exist */
const dependentObjects = '2BP01'

function kept(problem: string, objects: number): ExchangeError {
  return unavailable('target_refused', { detail: { problem, objects } })
}

/** What holds on to the account, by the catalog that all databases of a server share. */
interface Remains {
  /** Objects of its own, in any database. */
  readonly owned: number
  /** Objects of its own and rights, in other databases than this one. */
  readonly elsewhere: number
  /** Rights on objects in this database and on shared ones, and memberships. */
  readonly rights: number
}

async function survey({ client, oid }: EndedAccount): Promise<Remains> {
  const { rows } = await client.query<Remains>(
    `SELECT count(*) FILTER (WHERE deptype = 'o')::int AS owned,
            count(*) FILTER (WHERE dbid NOT IN (0, here.oid))::int AS elsewhere,
            (count(*) FILTER (WHERE deptype = 'a' AND dbid IN (0, here.oid))
              + (SELECT count(*) FROM pg_auth_members WHERE member = $1))::int AS rights
       FROM pg_shdepend, (SELECT oid FROM pg_database WHERE datname = current_database()) AS here
      WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1`,
    [oid],
  )
  const [row] = rows
  if (row === undefined) throw new TypeError('an aggregate gives one row')
  return row
}

/** insufficient_privilege: what may be taken back is, all the same. */
function unlessRefused(error: unknown): void {
  if (sqlStateOf(error) !== '42501') throw error
}

/** Takes every right and membership from the account, and sees them gone. */
async function disarm(account: EndedAccount): Promise<void> {
  const { client, name, oid } = account
  const { rows } = await client.query<{ held: string }>(rightsOf, [oid])
  for (const { held } of rows) {
    await client.query(`REVOKE ${held} FROM ${client.escapeIdentifier(name)}`).catch(unlessRefused)
  }
  const { rights } = await survey(account)
  // Granted by somebody whose grants are not the revoker's to take back: REVOKE refuses those, or only warns.
  if (rights > 0) throw kept('rights_remain', rights)
}

/** As REVOKE takes them, by the server's own quoting. A right on a table takes those on its columns with it. */
const rightsOf = `
  SELECT format('%I', rolname) AS held
    FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid WHERE member = $1
   UNION
  SELECT format('ALL ON %s %s', CASE type
           WHEN 'view' THEN 'TABLE' WHEN 'materialized view' THEN 'TABLE' WHEN 'foreign table' THEN 'TABLE'
           WHEN 'function' THEN 'ROUTINE' WHEN 'procedure' THEN 'ROUTINE' WHEN 'aggregate' THEN 'ROUTINE'
           WHEN 'server' THEN 'FOREIGN SERVER' WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER'
           WHEN 'parameter ACL' THEN 'PARAMETER' ELSE upper(type) END, identity)
    FROM pg_shdepend, pg_identify_object(classid, objid, 0)
   WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1 AND deptype = 'a' AND type <> 'default acl'
     AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`
