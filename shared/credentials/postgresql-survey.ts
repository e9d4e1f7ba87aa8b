import type { RevokedAccount } from './postgresql-revoked-account.ts'

/** What holds on to the account, by the catalog that all databases of a server share. */
export interface Remains {
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

/** Counts it as it is now. */
export async function survey({ client, oid, name }: RevokedAccount): Promise<Remains> {
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
