import { answerOf } from './mysql-failure.ts'
import type { MysqlSession } from './mysql-pool.ts'

/**
 * Counts the transactions that are prepared for a commit in two phases (XA), whoever prepared them: once that session has
 * ended neither engine says. So none is rolled back here: it may be another's. Undefined where the server would not tell.
 */
export async function countPrepared(session: MysqlSession): Promise<number | undefined> {
  try {
    return (await session.rows('XA RECOVER')).length
  } catch (error) {
    if (answerOf(error) === undefined) throw error
    return undefined
  }
}
