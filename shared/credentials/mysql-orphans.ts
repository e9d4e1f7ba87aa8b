import type { RevocationEvidence } from './credential-provider.ts'
import type { MysqlSession } from './mysql-pool.ts'

/** What a revocation saw, and what the account left behind. */
export interface MysqlRevocationEvidence extends RevocationEvidence {
  /**
   * Views, routines, triggers and events that the revoker may see and that name the account as their definer. With
   * SQL SECURITY DEFINER they fail, since no account of that name comes again; with INVOKER they have no rights but
   * their caller's. Absent where the server would not say.
   */
  readonly orphans?: number
  /**
   * Those that name a role of the lease's scopes as their definer and, where the server says when, were made or changed
   * since the lease began. They go on working with the role's rights, whichever account of the role made them.
   */
  readonly definedByRoles?: number
  /**
   * Transactions that are prepared for a commit in two phases (XA) on the server, whoever prepared them. One of the
   * account's outlives it and holds its locks, and another account that knows its name can commit it. Where there are
   * none, it left none. Absent where the server would not say: MySQL 8 and newer want XA_RECOVER_ADMIN.
   */
  readonly preparedTransactions?: number
}

const tables = ['VIEWS', 'ROUTINES', 'TRIGGERS', 'EVENTS']

/** Counts what names the user as its definer, from whichever host. */
export async function countOrphans(session: MysqlSession, user: string): Promise<number> {
  const counts = tables.map(
    table => `(SELECT COUNT(*) FROM information_schema.${table} WHERE LEFT(DEFINER, CHAR_LENGTH(?)) = ?)`,
  )
  const definer = `${user}@`
  const [row] = await session.rows<{ orphans: number }>(
    `SELECT ${counts.join(' + ')} AS orphans`,
    counts.flatMap(() => [definer, definer]),
  )
  return row?.orphans ?? 0
}

/** What an account of that role may have left. `age`: seconds since the lease began, at the least. */
interface RoleTraces {
  readonly role: string
  readonly age: number
}

/** Whether something names the role as its definer: MariaDB writes a role with an empty host, or without one. */
const byRole = 'CAST(DEFINER AS BINARY) IN (?, ?)'
const recent = 'NOW() - INTERVAL ? SECOND'

/** Where an account acts by a role it can make objects with the role as their definer, by DEFINER = CURRENT_ROLE. */
export async function countDefinedBy(session: MysqlSession, { role, age }: RoleTraces): Promise<number> {
  const dated = [
    ['ROUTINES', 'LAST_ALTERED'],
    ['TRIGGERS', 'CREATED'],
    ['EVENTS', 'LAST_ALTERED'],
  ].map(
    ([table, time]) => `(SELECT COUNT(*) FROM information_schema.${table} WHERE ${byRole} AND ${time} >= ${recent})`,
  )
  const views = `(SELECT COUNT(*) FROM information_schema.VIEWS WHERE ${byRole})`
  const [row] = await session.rows<{ found: number }>(`SELECT ${[...dated, views].join(' + ')} AS found`, [
    ...dated.flatMap(() => [role, `${role}@`, String(age)]),
    role,
    `${role}@`,
  ])
  return row?.found ?? 0
}

/** An event runs by itself, so those are dropped, where the revoker may: no scope's role is to have the right to make any. */
export async function dropEventsOf(session: MysqlSession, { role, age }: RoleTraces): Promise<void> {
  const events = await session.rows<{ place: string; name: string }>(
    `SELECT EVENT_SCHEMA AS place, EVENT_NAME AS name FROM information_schema.EVENTS
      WHERE ${byRole} AND LAST_ALTERED >= ${recent}`,
    [role, `${role}@`, String(age)],
  )
  for (const { place, name } of events) {
    const dropping = session.run(`DROP EVENT IF EXISTS ${session.escapeId(place)}.${session.escapeId(name)}`)
    // What may not be dropped is counted.
    await dropping.catch(() => undefined)
  }
}
