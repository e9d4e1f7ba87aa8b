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
