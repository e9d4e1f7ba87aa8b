import { sqlStateOf } from './postgresql-failure.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'
import { hurried, joinAccount } from './postgresql-statements.ts'

/**
 * Takes from the account every right and membership that can be taken from it: as ourselves, with what we inherit of
 * the scopes' roles, and then as those who granted what is left. Never throws for one that the server keeps.
 */
export async function takeRights(account: RevokedAccount): Promise<void> {
  const { client, oid } = account
  const { rows } = await client.query<{ taking: string }>(takingRights, [oid])
  for (const { taking } of rows) await take(account, taking)
  if (rows.length === 0) return
  for (const grantor of await grantorsOf(account)) {
    for (const { taking } of rows) await take(account, taking, grantor)
  }
}

/** CASCADE: what it has handed on goes with it. */
async function take({ client, name }: RevokedAccount, taking: string, grantor?: string): Promise<void> {
  const as = grantor === undefined ? [] : [`SET LOCAL ROLE ${client.escapeIdentifier(grantor)}`]
  const statements = [hurried, ...as, `${taking} FROM ${client.escapeIdentifier(name)} CASCADE`]
  await client.query(statements.join('; ')).catch(unlessAnswered)
}

/** What one of them holds up or refuses must not keep the others. */
function unlessAnswered(error: unknown): void {
  if (sqlStateOf(error) === undefined) throw error
}

/**
 * Who granted the rights that are left. Other accounts can have: those of the same role, on what that role owns. We
 * become a member of such an account, as we do when it ends.
 */
async function grantorsOf({ client, oid }: RevokedAccount): Promise<readonly string[]> {
  const { rows } = await client.query<{ grantor: string; account: boolean }>(grantors, [oid])
  for (const { grantor, account } of rows) {
    if (account) await client.query(joinAccount(client, grantor)).catch(unlessAnswered)
  }
  return rows.map(({ grantor }) => grantor)
}

/** Rights in this database and on what all databases share. */
const held = `pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1 AND deptype = 'a'
     AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`

/** As REVOKE takes them, by the server's own quoting. A right on a table takes those on its columns with it. */
const takingRights = `
  SELECT format('REVOKE %I', rolname) AS taking, 0 AS turn
    FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid WHERE member = $1
   UNION
  SELECT format('REVOKE ALL ON %s %s', CASE type
           WHEN 'view' THEN 'TABLE' WHEN 'materialized view' THEN 'TABLE' WHEN 'foreign table' THEN 'TABLE'
           WHEN 'function' THEN 'ROUTINE' WHEN 'procedure' THEN 'ROUTINE' WHEN 'aggregate' THEN 'ROUTINE'
           WHEN 'server' THEN 'FOREIGN SERVER' WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER'
           WHEN 'parameter ACL' THEN 'PARAMETER' ELSE upper(type) END, identity), 1
    FROM (SELECT classid, objid FROM ${held}) AS held, pg_identify_object(classid, objid, 0)
   WHERE type <> 'default acl'
   UNION
  SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s', rolname,
           (SELECT format(' IN SCHEMA %I', nspname) FROM pg_namespace WHERE pg_namespace.oid = defaclnamespace),
           CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
             WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END), 2
    FROM (SELECT classid, objid FROM ${held}) AS held
    JOIN pg_default_acl ON classid = 'pg_default_acl'::regclass AND objid = pg_default_acl.oid
    JOIN pg_roles ON pg_roles.oid = defaclrole
   ORDER BY turn`

const acls = [
  ['pg_class', 'pg_class', 'oid', 'relacl'],
  ['pg_class', 'pg_attribute', 'attrelid', 'attacl'],
  ['pg_proc', 'pg_proc', 'oid', 'proacl'],
  ['pg_namespace', 'pg_namespace', 'oid', 'nspacl'],
  ['pg_type', 'pg_type', 'oid', 'typacl'],
  ['pg_largeobject', 'pg_largeobject_metadata', 'oid', 'lomacl'],
  ['pg_foreign_server', 'pg_foreign_server', 'oid', 'srvacl'],
].map(
  ([named, catalog, key, acl]) =>
    `SELECT ${acl} AS acl FROM ${catalog} JOIN held ON classid = '${named}'::regclass AND objid = ${catalog}.${key}`,
)

/** `account`: made as ours are, so it is another lease's. */
const grantors = `
  WITH held AS (SELECT classid, objid FROM ${held})
  SELECT DISTINCT rolname AS grantor,
         rolcanlogin AND NOT rolinherit AND NOT rolsuper AND rolvaliduntil IS NOT NULL AS account
    FROM (${acls.join(' UNION ALL ')}) AS acls, aclexplode(acl) AS entry
    JOIN pg_roles ON pg_roles.oid = entry.grantor
   WHERE entry.grantee = $1 AND rolname <> current_user`
