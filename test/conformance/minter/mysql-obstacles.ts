import { type Connection, createConnection } from 'mysql2/promise'
import { type Fixture, type Rows, until } from '../../credentials/mysql-fixture.ts'
import type { Obstacle, Session } from './engine.ts'

/** Takes every connection there is. */
export async function fill(fixture: Fixture): Promise<() => Promise<void>> {
  await fixture.superuser(root => root.query('SET GLOBAL max_connections = 10'))
  const held: Connection[] = []
  for (let isFull = false; !isFull; ) {
    const one = await createConnection({ socketPath: fixture.server.socketPath, user: 'root' }).catch(() => undefined)
    if (one) held.push(one)
    isFull = one === undefined
  }
  return async () => {
    await held[0]?.query('SET GLOBAL max_connections = 100')
    for (const one of held) one.destroy()
  }
}

/** Nobody may write anything. Whoever waits with a statement about that account has come to it. */
export async function obstruct({ server }: Fixture, name: string): Promise<Obstacle> {
  const root = await createConnection({ socketPath: server.socketPath, user: 'root' })
  await root.query('FLUSH TABLES WITH READ LOCK')
  const waiting = async () => {
    const query = `SELECT ID AS id FROM information_schema.PROCESSLIST
                    WHERE (INFO LIKE 'CREATE USER%' OR INFO LIKE 'ALTER USER%') AND LOCATE(?, INFO) > 0`
    return (await root.query<Rows>(query, [name]))[0][0]?.['id']
  }
  return {
    reached: () => until(async () => (await waiting()) !== undefined),
    killWaiting: async () => void (await root.query(`KILL CONNECTION ${await waiting()}`)),
    release: async () => root.destroy(),
  }
}

/** It waits for a lock that a session of ours has. */
export async function startStatement({ server }: Fixture, session: Session): Promise<{ finish(): Promise<void> }> {
  const root = await createConnection({ socketPath: server.socketPath, user: 'root' })
  await root.query("SELECT GET_LOCK('held', 0)")
  const statement = session.ask("SELECT GET_LOCK('held', 60)")
  const waiting = "SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'"
  await until(async () => (await root.query<Rows>(waiting))[0].length === 1)
  return {
    finish: async () => {
      root.destroy()
      await statement
    },
  }
}
