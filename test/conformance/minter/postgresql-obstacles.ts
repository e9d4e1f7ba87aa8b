import type { Client } from 'pg'
import { asSuperuser } from '../../../infra/local/postgresql/demo-database.ts'
import { type Fixture, until } from '../../credentials/postgresql-fixture.ts'
import type { Obstacle, Session } from './engine.ts'

/** Takes every connection there is. */
export async function fill(fixture: Fixture): Promise<() => Promise<void>> {
  const held: (() => Promise<void>)[] = []
  for (let isFull = false; !isFull; ) {
    const one = await holdTransaction(fixture, 'SELECT 1').catch(() => undefined)
    if (one) held.push(one.end)
    isFull = one === undefined
  }
  return async () => void (await Promise.all(held.map(end => end())))
}

/** An open transaction that has made or changed the account. */
export async function obstruct(fixture: Fixture, name: string): Promise<Obstacle> {
  const exists = (await fixture.roles(name)) === 1
  const held = await holdTransaction(fixture, exists ? `ALTER ROLE ${name} CONNECTION LIMIT 7` : `CREATE ROLE ${name}`)
  const waiting = "FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
  return {
    reached: () => until(async () => (await held.client.query(`SELECT pid ${waiting}`)).rowCount === 1),
    killWaiting: async () => void (await held.client.query(`SELECT pg_terminate_backend(pid) ${waiting}`)),
    release: held.end,
  }
}

/** It waits for a lock that a transaction of ours has. */
export async function startStatement(fixture: Fixture, session: Session): Promise<{ finish(): Promise<void> }> {
  const held = await holdTransaction(fixture, 'SELECT pg_advisory_xact_lock(7)')
  const statement = session.ask('SELECT pg_advisory_lock(7)')
  const waiting = "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'"
  await until(async () => (await held.client.query(waiting)).rowCount === 1)
  return {
    finish: async () => {
      await held.end()
      await statement
    },
  }
}

/** A transaction of the superuser that has done something and stays open. */
async function holdTransaction(
  { server }: Fixture,
  sql: string,
): Promise<{ readonly client: Client; end(): Promise<void> }> {
  const { promise: over, resolve: finish } = Promise.withResolvers<void>()
  const { promise: begun, resolve: begin } = Promise.withResolvers<Client>()
  const transaction = asSuperuser(server, 'orders', async client => {
    await client.query(`BEGIN; ${sql}`)
    begin(client)
    await over
  })
  const client = await Promise.race([begun, transaction.then(() => begun)])
  return {
    client,
    end: async () => {
      finish()
      await transaction
    },
  }
}
