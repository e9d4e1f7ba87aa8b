import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Credential } from '../../shared/credentials/credential.ts'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import { postgresql } from '../../shared/credentials/postgresql.ts'
import type { PostgresqlScope } from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { permitted } from './permission.ts'
import { attacks } from './postgresql-attacks.ts'
import { anAccount, login, openSession, password, until } from './postgresql-fixture.ts'
import {
  missingVersion,
  startVersion,
  type Version,
  type VersionServer,
  versions,
} from './postgresql-versions-server.ts'

const { signal } = new AbortController()
const read: PostgresqlScope = { role: 'orders_read' }
const write: PostgresqlScope = { role: 'orders_write' }
const items: PostgresqlScope = {
  statements: [
    'GRANT SELECT (id) ON public.{table} TO {account}',
    'GRANT EXECUTE ON FUNCTION public.{double}(integer) TO {account}',
  ],
  names: { table: 'items', double: `double"; --` },
}

/** What the README asks of an operator. Before 16, CREATEROLE hands out any role that is no superuser. */
function preparation(version: Version): readonly string[] {
  const isOld = Number(version) < 16
  return [
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    'CREATE TABLE items (id int, customer text); INSERT INTO items SELECT generate_series(1, 3)',
    'CREATE FUNCTION "double""; --"(integer) RETURNS integer LANGUAGE sql AS $$ SELECT 2 * $1 $$',
    'REVOKE EXECUTE ON FUNCTION "double""; --" FROM PUBLIC',
    'CREATE SCHEMA open; GRANT ALL ON SCHEMA open TO PUBLIC',
    'CREATE DATABASE elsewhere',
    'CREATE ROLE orders_read; GRANT SELECT ON items TO orders_read',
    'CREATE ROLE orders_write; GRANT orders_read TO orders_write; GRANT INSERT ON items TO orders_write',
    'GRANT CREATE ON SCHEMA public TO orders_write',
    'ALTER DEFAULT PRIVILEGES FOR ROLE orders_read, orders_write REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
    "CREATE ROLE other LOGIN PASSWORD 'of another'",
    "CREATE ROLE minter LOGIN CREATEROLE CONNECTION LIMIT 40 PASSWORD 'of the minter'",
    "CREATE ROLE revoker LOGIN CREATEROLE CONNECTION LIMIT 40 PASSWORD 'of the revoker'",
    ...(isOld
      ? ['GRANT minter, pg_signal_backend, orders_read, orders_write TO revoker']
      : [
          'GRANT orders_read, orders_write TO minter WITH ADMIN TRUE, INHERIT FALSE, SET FALSE',
          'GRANT minter, pg_signal_backend TO revoker WITH INHERIT TRUE, SET FALSE',
          'GRANT orders_read, orders_write TO revoker WITH INHERIT TRUE, SET TRUE',
        ]),
    'GRANT SELECT ON items TO minter WITH GRANT OPTION',
    'GRANT EXECUTE ON FUNCTION "double""; --" TO minter WITH GRANT OPTION',
  ]
}

describe.each(versions)('PostgreSQL %s', version => {
  const missing = missingVersion(version)
  describe.skipIf(missing !== undefined)(missing ?? 'as an operator prepares it', () => {
    let server: VersionServer
    let minter: Minter<PostgresqlScope>
    let reporting: Minter<PostgresqlScope>

    beforeAll(async () => {
      server = await startVersion(version, preparation(version))
      minter = openOn(server)
      reporting = openOn(server, { ownedObjects: 'report' })
    })
    afterAll(async () => {
      await minter?.close()
      await reporting?.close()
      await server?.stop()
    })

    const mint = (account: Account<PostgresqlScope>): Promise<Credential> =>
      minter.mint(account, new Secret(password()), permitted(signal))
    const revoke = (account: Account<PostgresqlScope>) => minter.revoke(account, 'now', signal)
    const isGone = async ({ name }: Account<PostgresqlScope>) => {
      const query = 'SELECT FROM pg_roles WHERE rolname = $1'
      return (await server.superuser(client => client.query(query, [name]))).rowCount === 0
    }

    it('lets a minted account in over TLS, acting as the role of its scope', async () => {
      const query = 'SELECT current_user AS acting, count(*)::int AS items FROM items'
      const { rows } = await login(await mint(anAccount({ scopes: [read] })), client => client.query(query))
      expect(rows).toEqual([{ acting: 'orders_read', items: 3 }])
    })

    it.each([
      ['write what it may only read', 'INSERT INTO items VALUES (4)'],
      ['read after leaving its role', 'SET ROLE NONE; SELECT * FROM items'],
      ['act as a role beyond its scope', 'SET ROLE orders_write'],
      ['act as the minter', 'SET ROLE minter'],
      ['hand its role on', 'SET ROLE NONE; GRANT orders_read TO other'],
      ['create a role', 'SET ROLE NONE; CREATE ROLE another'],
      ['prolong its life', "SET ROLE NONE; ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'"],
      ['lift its limits', 'SET ROLE NONE; ALTER ROLE CURRENT_USER CONNECTION LIMIT -1'],
      ['inherit its role', 'SET ROLE NONE; ALTER ROLE CURRENT_USER INHERIT'],
    ])('does not let it %s', async (_, statement) => {
      const credential = await mint(anAccount({ scopes: [read] }))
      await expect(login(credential, client => client.query(statement))).rejects.toMatchObject({ code: '42501' })
    })

    it('grants what the statements of a scope say, and no more, until the account ends', async () => {
      const account = anAccount({ scopes: [items] })
      const credential = await mint(account)
      const { rows } = await login(credential, client => client.query('SELECT "double""; --"(max(id)) FROM items'))
      expect(rows).toEqual([{ 'double"; --': 6 }])
      const beyond = login(credential, client => client.query('SELECT customer FROM items'))
      await expect(beyond).rejects.toMatchObject({ code: '42501' })
      await revoke(account)
      expect(await isGone(account)).toBe(true)
      const acl = 'SELECT attacl FROM pg_attribute WHERE attrelid = $1::regclass AND attacl IS NOT NULL'
      const left = await server.superuser(client => client.query(acl, ['items']))
      expect(JSON.stringify(left.rows)).not.toContain(account.name)
    })

    it('ends sessions, parallel queries too, and the account, and once more; what its role made stays', async () => {
      const account = anAccount({ scopes: [write] })
      const credential = await mint(account)
      const [busy, idle] = [await openSession(credential), await openSession(credential)]
      await idle.query(`CREATE TABLE kept_${version} AS SELECT generate_series(1, 9) AS id`)
      await busy.query(`SET ${Number(version) < 16 ? 'force_parallel_mode' : 'debug_parallel_query'} = on`)
      const sleeping = expect(busy.query('SELECT pg_sleep(60)')).rejects.toThrow()
      const workers = "SELECT FROM pg_stat_activity WHERE backend_type = 'parallel worker'"
      await until(async () => (await server.superuser(client => client.query(workers))).rowCount === 1)
      expect(await revoke(account)).toMatchObject({ sessionsEnded: 2, absent: true })
      await sleeping
      await expect(idle.query('SELECT')).rejects.toThrow()
      await expect(openSession(credential)).rejects.toMatchObject({ code: '28P01' })
      expect(await isGone(account)).toBe(true)
      expect(await revoke(account)).toMatchObject({ sessionsEnded: 0, absent: true })
      const { rows } = await server.superuser(client =>
        client.query('SELECT tableowner AS owner FROM pg_tables WHERE tablename = $1', [`kept_${version}`]),
      )
      expect(rows).toEqual([{ owner: 'orders_write' }])
    })

    it('leaves a transaction time to finish, with the account locked', async () => {
      const account = anAccount({ scopes: [write] })
      const credential = await mint(account)
      const [busy, idle] = [await openSession(credential), await openSession(credential)]
      await busy.query('BEGIN; INSERT INTO items VALUES (5)')
      const finishing = () => minter.revoke(account, 'finish-transactions', signal)
      await expect(finishing()).rejects.toMatchObject({ reason: 'sessions_busy' })
      await expect(idle.query('SELECT')).rejects.toThrow()
      await expect(openSession(credential)).rejects.toMatchObject({ code: '28000' })
      await busy.query('COMMIT')
      expect(await finishing()).toMatchObject({ sessionsEnded: 1 })
      const { rowCount } = await server.superuser(client => client.query('SELECT FROM items WHERE id = 5'))
      expect(rowCount).toBe(1)
    })

    it('lists the accounts of one deployment', async () => {
      for (const name of ['cw_list_b', 'cw_list_a', 'cw_listXc']) await mint(anAccount({ name, scopes: [read] }))
      const listed: string[] = []
      for await (const { name } of minter.accounts('cw_list_', signal)) listed.push(name)
      expect(listed).toEqual(['cw_list_a', 'cw_list_b'])
    })

    it('ends an account that has changed its own password', async () => {
      const account = anAccount({ scopes: [read] })
      const credential = await mint(account)
      const session = await openSession(credential)
      await session.query("SET ROLE NONE; ALTER ROLE CURRENT_USER PASSWORD 'mine alone'")
      await expect(openSession(credential)).rejects.toMatchObject({ code: '28P01' })
      expect(await revoke(account)).toMatchObject({ sessionsEnded: 1 })
      expect(await isGone(account)).toBe(true)
    })

    it('takes back what an account granted of itself, which it can before 15 alone', async () => {
      const account = anAccount({ scopes: [read] })
      const credential = await mint(account)
      const asOther = {
        ...credential,
        fields: { ...credential.fields, username: 'other', password: new Secret('of another') },
      }
      const granted = login(credential, client => client.query(`SET ROLE NONE; GRANT ${account.name} TO other`))
      if (Number(version) < 15) {
        await granted
        await login(asOther, client => client.query('SET ROLE orders_read'))
      } else await expect(granted).rejects.toMatchObject({ code: '42501' })
      await revoke(account)
      await expect(login(asOther, client => client.query('SET ROLE orders_read'))).rejects.toMatchObject({
        code: '42501',
      })
    })

    it('keeps what an account owns where that is to be reported, and no right of the account', async () => {
      const account = anAccount({ scopes: [items] })
      const credential = await mint(account)
      await login(credential, client => client.query('CREATE VIEW open.kept AS SELECT id FROM items'))
      const asked = reporting.revoke(account, 'now', signal)
      await expect(asked).rejects.toMatchObject({
        reason: 'target_refused',
        detail: { problem: 'owns_objects', objects: 1 },
      })
      const use = (client: Client) => client.query('SELECT * FROM open.kept')
      await expect(server.superuser(use)).rejects.toMatchObject({ code: '42501' })
      await server.superuser(client => client.query('DROP VIEW open.kept'))
      expect(await reporting.revoke(account, 'now', signal)).toMatchObject({ absent: true })
    })

    it('says where an account owns something in another database, and leaves it without rights', async () => {
      const account = anAccount({ scopes: [read] })
      const session = await openSession(await mint(account))
      const there = `CREATE TABLE there (); GRANT SELECT ON there TO ${account.name}`
      await server.superuser(client => client.query(there), 'elsewhere')
      await expect(revoke(account)).rejects.toMatchObject({
        reason: 'target_refused',
        detail: { problem: 'objects_elsewhere', objects: 1 },
      })
      await expect(session.query('SELECT')).rejects.toThrow()
      const members = 'SELECT FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = member WHERE rolname = $1'
      expect((await server.superuser(client => client.query(members, [account.name]))).rowCount).toBe(0)
      await server.superuser(client => client.query('DROP TABLE there'), 'elsewhere')
      expect(await revoke(account)).toMatchObject({ absent: true })
    })

    describe('under attack', () =>
      attacks(() => ({ minter, minterLogin: 'minter', revokerLogin: 'revoker', superuser: server.superuser })))

    it('leaves no session of the gateway behind', async () => {
      await minter.close()
      await reporting.close()
      const query = "SELECT FROM pg_stat_activity WHERE application_name = 'causeway'"
      await until(async () => (await server.superuser(client => client.query(query))).rowCount === 0)
    })
  })
})

function openOn({ port, authority, passwords }: VersionServer, more = {}): Minter<PostgresqlScope> {
  const provider = postgresql({
    readSecret: async ({ secret }) => ({
      secret: new Secret(secret === 'minter' ? passwords.minter : passwords.revoker),
      version: '1',
    }),
    now: Date.now,
  })
  const loginOf = (user: string) => ({ user, password: { vault: 'corp', secret: user } })
  const logins = { admin: loginOf('minter'), revoker: loginOf('revoker') }
  const place = { host: 'localhost', port, database: 'orders', tls: { ca: authority } }
  return provider.open(provider.settings.parse({ ...place, ...logins, ...more }))
}
