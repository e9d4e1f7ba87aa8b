import type { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Credential } from '../../shared/credentials/credential.ts'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import type { PostgresqlScope } from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { permitted } from './permission.ts'
import { anAccount, login, openSession, password, until } from './postgresql-fixture.ts'

/** A server of any version, prepared as the README says, with `max_prepared_transactions`. */
export interface AttackedServer {
  readonly minter: Minter<PostgresqlScope>
  readonly minterLogin: string
  readonly revokerLogin: string
  superuser<T>(work: (client: Client) => Promise<T>, database?: string): Promise<T>
}

const { signal } = new AbortController()
const read: PostgresqlScope = { role: 'orders_read' }
const onSecret: PostgresqlScope = { statements: ['GRANT SELECT ON public.secret TO {account}'], names: {} }

/** What a workload with a live account can do against its own revocation, against another's, or against the gateway. */
export function attacks(server: () => AttackedServer): void {
  const root = (sql: string) => server().superuser(client => client.query(sql))
  const mint = (account: Account<PostgresqlScope>): Promise<Credential> =>
    server().minter.mint(account, new Secret(password()), permitted(signal))
  const revoke = (account: Account<PostgresqlScope>, ending: 'now' | 'finish-transactions' = 'now') =>
    server().minter.revoke(account, ending, signal)
  const accounts = async ({ name }: Account<PostgresqlScope>) =>
    (await root(`SELECT FROM pg_roles WHERE rolname = '${name}'`)).rowCount
  const ends = async (account: Account<PostgresqlScope>, ending: 'now' | 'finish-transactions' = 'now') => {
    expect(await revoke(account, ending)).toMatchObject({ absent: true })
    expect(await accounts(account)).toBe(0)
  }
  const failureOf = (account: Account<PostgresqlScope>): Promise<unknown> =>
    revoke(account).then(
      () => undefined,
      (error: unknown) => error,
    )
  async function minted(scope: PostgresqlScope) {
    const account = anAccount({ scopes: [scope] })
    return { account, credential: await mint(account) }
  }

  beforeAll(() =>
    root(`CREATE SCHEMA IF NOT EXISTS open; GRANT ALL ON SCHEMA open TO PUBLIC;
      CREATE TABLE secret AS SELECT 7 AS id; GRANT SELECT ON secret TO ${server().minterLogin} WITH GRANT OPTION;
      GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC; GRANT USAGE, CREATE ON SCHEMA public TO orders_read`),
  )
  afterAll(() => root('REVOKE CREATE ON SCHEMA public FROM orders_read; DROP TABLE secret'))

  const changingItself = "BEGIN; SET ROLE NONE; ALTER ROLE CURRENT_USER PASSWORD 'mine'; SET ROLE orders_read"

  it.each(['now', 'finish-transactions'] as const)(
    'an account that has changed itself in open transactions does not hold up its end: %s',
    async ending => {
      const { account, credential } = await minted(read)
      const [holding, waiting] = [await openSession(credential), await openSession(credential)]
      await holding.query(changingItself)
      const refused = waiting.query(changingItself).catch(() => undefined)
      await ends(account, ending)
      await refused
      await expect(holding.query('COMMIT')).rejects.toThrow()
    },
  )

  it('an account that has begun to make the revoker its member, as it can before 15, does not hold up its end', async () => {
    const { account, credential } = await minted(read)
    const session = await openSession(credential)
    await session
      .query(`BEGIN; SET ROLE NONE; GRANT ${account.name} TO ${server().revokerLogin}`)
      .catch(() => undefined)
    await ends(account)
    await session.end()
  })

  it('an account that changes itself without a pause, in many sessions, does not hold up its end', async () => {
    const { account, credential } = await minted(read)
    let isOver = false
    const change = async () => {
      while (!isOver)
        await login(credential, client => client.query(`${changingItself}; SELECT pg_sleep(1)`)).catch(() => 0)
    }
    const changing = [change(), change(), change(), change()]
    await until(
      async () =>
        (await root("SELECT FROM pg_locks WHERE mode = 'RowExclusiveLock' AND relation = 1260")).rowCount !== 0,
    )
    await ends(account)
    isOver = true
    await Promise.all(changing)
  })

  it.each([
    ['an account', 'SET ROLE NONE'],
    ["its scope's role", 'SET ROLE orders_read'],
  ])('what %s has prepared for a commit does not hold up its end', async (_, becoming) => {
    const { account, credential } = await minted(read)
    await login(credential, client =>
      client
        .query(`${changingItself}; SET ROLE NONE; CREATE TABLE open.${account.name} (); ${becoming}`)
        .then(() => client.query(`PREPARE TRANSACTION '${account.name}'`)),
    )
    await ends(account)
    expect((await root('SELECT FROM pg_prepared_xacts')).rowCount).toBe(0)
  })

  it('what an account has prepared in another database is told where that does not let the revoker in, or goes', async () => {
    await root('CREATE DATABASE beside')
    const { account, credential } = await minted(read)
    const beside = { ...credential, fields: { ...credential.fields, database: 'beside' } }
    await login(beside, client =>
      client.query(changingItself).then(() => client.query(`PREPARE TRANSACTION '${account.name}'`)),
    )
    await root('REVOKE CONNECT ON DATABASE beside FROM PUBLIC')
    const session = await openSession(credential)
    expect(await failureOf(account)).toMatchObject({
      reason: 'target_refused',
      detail: { problem: 'prepared_transactions', transactions: 1 },
    })
    await expect(session.query('SELECT')).rejects.toThrow()
    await root('GRANT CONNECT ON DATABASE beside TO PUBLIC')
    await ends(account)
    expect((await root('SELECT FROM pg_prepared_xacts')).rowCount).toBe(0)
    await root('DROP DATABASE beside')
  })

  it('what an account owns in other databases goes with it', async () => {
    const { account, credential } = await minted(read)
    const names = ['beside', 'beyond']
    for (const database of names) {
      await root(`CREATE DATABASE ${database}`)
      await login({ ...credential, fields: { ...credential.fields, database } }, client =>
        client.query('SET ROLE NONE; SELECT count(lo_create(0)) FROM generate_series(1, 700)'),
      )
    }
    await ends(account)
    for (const database of names) {
      const left = await server().superuser(client => client.query('SELECT FROM pg_largeobject_metadata'), database)
      expect([database, left.rowCount]).toEqual([database, 0])
      await root(`DROP DATABASE ${database}`)
    }
  })

  it("what goes on acting with the rights of its scope's role is counted at its end", async () => {
    const { account, credential } = await minted(read)
    await login(credential, client =>
      client.query(`CREATE FUNCTION public.spy() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$;
        CREATE FUNCTION public.plain() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
        CREATE VIEW public.peek AS SELECT 1 AS id; CREATE TABLE public.plain (id int); CREATE TABLE public.ruled (id int);
        CREATE RULE also AS ON INSERT TO public.ruled DO ALSO DELETE FROM public.plain`),
    )
    const open = await root("SELECT has_function_privilege('public', 'spy()', 'EXECUTE') AS open")
    expect(open.rows).toEqual([{ open: false }])
    expect(await revoke(account)).toMatchObject({ absent: true, definedByRoles: 3 })
    const { account: without } = await minted(onSecret)
    expect(await revoke(without)).not.toHaveProperty('definedByRoles')
    await root('DROP TABLE ruled, plain; DROP VIEW peek; DROP FUNCTION spy(), plain()')
    const { account: after } = await minted(read)
    expect(await revoke(after)).toMatchObject({ definedByRoles: 0 })
  })

  it('an operator of its own is not run by the gateway', async () => {
    await root('CREATE TABLE open.caught (login name); GRANT ALL ON open.caught TO PUBLIC')
    const { account: attacker, credential } = await minted(read)
    const catching = (returning: string) => `RETURNS ${returning.split(' ')[0]} LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO open.caught VALUES (session_user); RETURN ${returning.split(' ')[1]}; END $$`
    await login(credential, client =>
      client.query(
        `CREATE FUNCTION public.times(numeric, int) ${catching('numeric 0')};
        CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = numeric, RIGHTARG = int);
        CREATE FUNCTION public.times(float8, int) ${catching('float8 0')};
        CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = float8, RIGHTARG = int);
        CREATE FUNCTION public.same(oid, int) ${catching('bool true')};
        CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = oid, RIGHTARG = int);
        GRANT EXECUTE ON FUNCTION public.times(numeric, int), public.times(float8, int), public.same(oid, int)
          TO PUBLIC`.replaceAll('FUNCTION =', 'PROCEDURE ='),
      ),
    )
    await root('SELECT 1::numeric * 2::int, 1::oid = 2::int')
    expect((await root('DELETE FROM open.caught')).rowCount).toBe(2)
    const { account } = await minted(read)
    await ends(account)
    expect((await root('SELECT login FROM open.caught')).rows).toEqual([])
    await root('DROP FUNCTION public.times(numeric, int), public.times(float8, int), public.same(oid, int) CASCADE')
    await ends(attacker)
  })

  it.each([
    ['a large object', 'SELECT lo_create(424242)', 'GRANT SELECT ON LARGE OBJECT 424242 TO {}'],
    ['a table', 'CREATE TABLE gift (id int)', 'GRANT SELECT (id), INSERT ON gift TO {} WITH GRANT OPTION'],
    [
      'a function',
      'CREATE FUNCTION gift() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
      'GRANT EXECUTE ON FUNCTION gift() TO {}',
    ],
    ['a type', 'CREATE TYPE gift AS (id int)', 'GRANT USAGE ON TYPE gift TO {}'],
    ['whatever it makes later', 'SELECT', 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}'],
    ['rows by a policy', 'CREATE TABLE gift (id int)', 'CREATE POLICY gift ON gift TO {}'],
  ])("an account cannot hold up another's end by a right on %s", async (_, make, grant) => {
    const { account: attacker, credential } = await minted(read)
    const { account: victim } = await minted(onSecret)
    await login(credential, client => client.query(`${make}; ${grant.replace('{}', victim.name)}`))
    await ends(victim)
    await ends(attacker)
    await root('SET ROLE orders_read; DROP OWNED BY orders_read').catch(() => undefined)
    await root('DROP TABLE IF EXISTS gift; DROP FUNCTION IF EXISTS gift(); DROP TYPE IF EXISTS gift')
    await root('SELECT lo_unlink(oid) FROM pg_largeobject_metadata')
  })

  it("an account cannot hold up another's end by a right that it was given to hand on", async () => {
    const { account: attacker, credential } = await minted(read)
    const { account: victim } = await minted(onSecret)
    await login(credential, client =>
      client.query(`CREATE TABLE gift (id int); GRANT SELECT ON gift TO ${attacker.name} WITH GRANT OPTION;
        SET ROLE NONE; GRANT SELECT ON gift TO ${victim.name}`),
    )
    await ends(victim)
    await login(credential, client => client.query('SET ROLE NONE; SELECT FROM gift'))
    await ends(attacker)
    await root('DROP TABLE gift')
  })

  it('what an account made does not act with its rights while its end is held up, and goes later', async () => {
    const { account, credential } = await minted(onSecret)
    const { account: accomplice, credential: other } = await minted(read)
    await login(credential, client =>
      client.query(`CREATE FUNCTION open.spy() RETURNS int LANGUAGE sql SECURITY DEFINER AS
          $$ SELECT id FROM public.secret $$;
        CREATE TABLE open.held (); GRANT ALL ON open.held TO PUBLIC`),
    )
    expect((await root('SELECT open.spy() AS id')).rows).toEqual([{ id: 7 }])
    const holding = await openSession(other)
    await holding.query('BEGIN; LOCK TABLE open.held')
    expect(await failureOf(account)).toMatchObject({ reason: 'target_refused', detail: { code: '55P03' } })
    await expect(root('SELECT open.spy()')).rejects.toMatchObject({ code: '42501' })
    await holding.end()
    await ends(account)
    await ends(accomplice)
  })

  it('an account that owns more than the server can lock at once ends all the same', async () => {
    const { account, credential } = await minted(read)
    await login(credential, client =>
      client.query(`SET ROLE NONE; SELECT count(lo_create(0)) FROM generate_series(1, 5000);
        CREATE TABLE open.base (id int); CREATE VIEW open.upon AS SELECT * FROM open.base`),
    )
    await ends(account)
    expect((await root('SELECT FROM pg_largeobject_metadata')).rowCount).toBe(0)
  })

  it('an account that owns thousands more ends in several revocations, each of which has a bound and leaves fewer', async () => {
    const { account, credential } = await minted(read)
    await login(credential, client =>
      client.query('SET ROLE NONE; SELECT count(lo_create(0)) FROM generate_series(1, 10600)'),
    )
    const detail = { problem: 'objects_left', objects: 600 }
    expect(await failureOf(account)).toMatchObject({ reason: 'target_refused', detail })
    await expect(openSession(credential)).rejects.toThrow()
    await ends(account)
  })

  it('a session whose account somebody else dropped ends with the next revocation of any account', async () => {
    const { account: dropped, credential } = await minted(read)
    const session = await openSession(credential)
    await root(`DROP ROLE ${dropped.name}`)
    const { account } = await minted(read)
    expect(await revoke(account)).toMatchObject({ sessionsEnded: 0 })
    await expect(session.query('SELECT')).rejects.toThrow()
  })
}
