import type { PoolClient } from 'pg'
import { sqlStateOf } from './postgresql-failure.ts'
import type { RevokedAccount } from './postgresql-revoked-account.ts'

/**
 * Rolls back what the account has prepared for a commit in two phases: it outlives its sessions and holds what they
 * held. What it prepared as its scope's role is told from others' by what it holds up: a change of the account itself
 * (no scope may change any), the account's own objects, or the account as an owner. Returns how many stay: those that
 * we may not roll back, and those in databases that do not let us in.
 */
export async function rollBackPrepared({ client, name, oid, beside }: RevokedAccount): Promise<number> {
  const { rows } = await client.query<PreparedIn>(preparedBy, [name, oid])
  let left = 0
  for (const { database, here, transactions } of rows) {
    const there = (other: PoolClient) => rollBackAll(other, transactions)
    // Whatever keeps us from another database, they stay there.
    left += await (here ? there(client) : beside(database, there).catch(() => transactions.length))
  }
  return left
}

/** What was prepared in one database: in none other can it be rolled back. */
interface PreparedIn {
  readonly database: string
  readonly here: boolean
  readonly transactions: readonly Prepared[]
}

interface Prepared {
  readonly gid: string
  readonly owner: string
}

async function rollBackAll(client: PoolClient, transactions: readonly Prepared[]): Promise<number> {
  let left = 0
  for (const prepared of transactions) if (!(await rollBack(client, prepared))) left += 1
  return left
}

/** Only who prepared it may, and not within a transaction. */
async function rollBack(client: PoolClient, { gid, owner }: Prepared): Promise<boolean> {
  try {
    await client.query(`SET ROLE ${client.escapeIdentifier(owner)}`)
    await client.query(`ROLLBACK PREPARED ${client.escapeLiteral(gid)}`)
    return true
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
    return false
  } finally {
    await client.query('RESET ROLE')
  }
}

const preparedBy = `
  SELECT database, database = current_database() AS here,
         json_agg(json_build_object('gid', gid, 'owner', owner)) AS transactions
    FROM pg_prepared_xacts
   WHERE owner = $1 OR EXISTS (
     SELECT FROM pg_locks AS self JOIN pg_locks AS held USING (virtualtransaction)
      WHERE self.locktype = 'transactionid' AND self.transactionid = transaction AND self.pid IS NULL
        AND (held.relation = 'pg_authid'::regclass AND held.mode = 'RowExclusiveLock'
          OR held.classid = 'pg_authid'::regclass AND held.objid = $2
          OR pg_prepared_xacts.database = current_database()
            AND held.relation IN (SELECT pg_class.oid FROM pg_class WHERE relowner = $2)))
   GROUP BY database`
