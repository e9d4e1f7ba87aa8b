import { inspect } from 'node:util'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import { type PostgresqlScope, postgresqlScope } from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { describeProblems } from '../../shared/document.ts'
import { ExchangeError, NotMinted } from '../../shared/errors.ts'
import { permitted } from './permission.ts'
import {
  anAccount,
  type Fixture,
  login,
  openMinter,
  openSession,
  password,
  startFixture,
} from './postgresql-fixture.ts'

let fixture: Fixture
let minter: Minter<PostgresqlScope>
const { signal } = new AbortController()
const hostile = `a"b'; DROP TABLE orders; --\\ $$ {account} é`
const quoted = `"${hostile.replaceAll('"', '""')}"`

const select: PostgresqlScope = {
  statements: ['GRANT SELECT ON public.{table} TO {account}'],
  names: { table: 'orders' },
}
const inHostile: PostgresqlScope = {
  statements: ['GRANT USAGE ON SCHEMA {schema} TO {account}', 'GRANT SELECT (id) ON {schema}.{table} TO {account}'],
  names: { schema: hostile, table: hostile },
}

beforeAll(async () => {
  fixture = await startFixture()
  await asSuperuser(`GRANT SELECT ON orders TO causeway_minter WITH GRANT OPTION;
    CREATE SCHEMA ${quoted}; CREATE TABLE ${quoted}.${quoted} (id int, hidden int);
    GRANT USAGE ON SCHEMA ${quoted} TO causeway_minter WITH GRANT OPTION;
    GRANT SELECT ON ${quoted}.${quoted} TO causeway_minter WITH GRANT OPTION;
    CREATE SCHEMA open; GRANT ALL ON SCHEMA open TO PUBLIC; CREATE DATABASE elsewhere`)
  minter = openMinter(fixture)
})
afterAll(async () => {
  await minter?.close()
  await fixture?.stop()
})

async function asSuperuser(statements: string, database?: string) {
  return fixture.superuser(async client => {
    let last = await client.query('SELECT')
    for (const statement of statements.split(/;\s*\n\s*|; (?=CREATE|GRANT ALL)/)) last = await client.query(statement)
    return last
  }, database)
}

const mint = (account: Account<PostgresqlScope>, by = minter) =>
  by.mint(account, new Secret(password()), permitted(signal))

async function failureOf(work: Promise<unknown>): Promise<ExchangeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${inspect(error)}`)
  return error
}

describe('a scope of statements', () => {
  it('gives the account itself what they grant, whatever is in the names, and nothing else', async () => {
    const credential = await mint(anAccount({ scopes: [inHostile] }))
    const { rows } = await login(credential, client =>
      client.query(`SELECT current_user AS acting, count(id)::int AS n FROM ${quoted}.${quoted}`),
    )
    expect(rows).toEqual([{ acting: credential.fields['username'], n: 0 }])
    for (const beyond of [`SELECT hidden FROM ${quoted}.${quoted}`, 'SELECT * FROM orders', 'SET ROLE orders_read']) {
      await expect(login(credential, client => client.query(beyond))).rejects.toMatchObject({ code: '42501' })
    }
  })

  it('may be had together with others of its kind', async () => {
    const credential = await mint(anAccount({ scopes: [select, inHostile, select] }))
    const both = `SELECT count(*) FROM orders, (SELECT id FROM ${quoted}.${quoted}) AS there`
    expect((await login(credential, client => client.query(both))).rowCount).toBe(1)
  })

  it('is not combinable with a role, and nothing is made', async () => {
    const account = anAccount({ scopes: [select, { role: 'orders_read' }] })
    const error = await failureOf(mint(account))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'invalid_scope', reason: 'scopes_not_combinable' })
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('leaves nothing at its end: no right, no object, no account', async () => {
    const account = anAccount({ scopes: [select] })
    const session = await openSession(await mint(account))
    await session.query('CREATE VIEW open.peek AS SELECT * FROM orders')
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1, absent: true })
    expect(await fixture.roles(account.name)).toBe(0)
    const { rows } = await asSuperuser(
      "SELECT to_regclass('open.peek') AS view, relacl FROM pg_class WHERE relname = 'orders'",
    )
    expect(rows).toMatchObject([{ view: null }])
    expect(JSON.stringify(rows)).not.toContain(account.name)
  })

  it('whose admin may not hand on what it grants fails, and nothing is made', async () => {
    await asSuperuser('CREATE TABLE seen (); GRANT SELECT ON seen TO causeway_minter')
    // PostgreSQL refuses the one, and only warns of the other.
    for (const [table, detail] of [
      ['unseen', { code: '42501' }],
      ['seen', { problem: 'not_granted', grants: 1 }],
    ] as const) {
      if (table === 'unseen') await asSuperuser('CREATE TABLE unseen ()')
      const account = anAccount({ scopes: [{ ...select, names: { table } }] })
      const error = await failureOf(mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ reason: 'target_refused', detail })
      expect(await fixture.roles(account.name)).toBe(0)
    }
  })

  it('is not granted late', async () => {
    const account = anAccount({ scopes: [select], mintUntil: Date.now() - 1 })
    const error = await failureOf(mint(account))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error.reason).toBe('mint_too_late')
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('is an internal error where the account exists, which is left as it was', async () => {
    const account = anAccount({ scopes: [select] })
    await mint(account)
    const error = await failureOf(mint({ ...account, scopes: [inHostile] }))
    expect(error).not.toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'server_error', reason: 'internal' })
    expect(await fixture.roles(account.name)).toBe(1)
  })

  it('is granted to all of many who ask for it at once, and taken from all of them at once', async () => {
    const instances = [minter, openMinter(fixture), openMinter(fixture)]
    const accounts = Array.from({ length: 24 }, () => anAccount({ scopes: [select] }))
    const by = (index: number) => instances[index % 3] ?? minter
    await Promise.all(accounts.map((account, index) => mint(account, by(index))))
    const ended = await Promise.all(accounts.map((account, index) => by(index).revoke(account, 'now', signal)))
    expect(ended.every(({ absent }) => absent)).toBe(true)
    await Promise.all(instances.slice(1).map(each => each.close()))
  })
})

describe('what an account owns at its end', () => {
  const view = (client: Client) => client.query('SELECT * FROM open.kept')

  async function memberships({ name }: Account<PostgresqlScope>): Promise<number | null> {
    const query = 'SELECT FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = member WHERE rolname = $1'
    return (await fixture.superuser(client => client.query(query, [name]))).rowCount
  }

  it('is kept where it is to be reported, as is the account, which has no right left', async () => {
    const reporting = openMinter(fixture, { ownedObjects: 'report' })
    const account = anAccount({ scopes: [select] })
    const credential = await mint(account)
    const session = await openSession(credential)
    await session.query('CREATE VIEW open.kept AS SELECT * FROM orders; CREATE TABLE open.own ()')
    await fixture.superuser(view)
    for (const ended of [1, 2]) {
      const error = await failureOf(reporting.revoke(account, 'now', signal))
      const detail = { problem: 'owns_objects', objects: 2 }
      expect([ended, error]).toMatchObject([ended, { reason: 'target_refused', detail }])
    }
    await expect(session.query('SELECT')).rejects.toThrow()
    await expect(openSession(credential)).rejects.toMatchObject({ code: '28000' })
    await expect(fixture.superuser(view)).rejects.toMatchObject({ code: '42501' })
    expect(await fixture.roles(account.name)).toBe(1)
    await asSuperuser('DROP VIEW open.kept;\n DROP TABLE open.own')
    expect(await reporting.revoke(account, 'now', signal)).toMatchObject({ absent: true })
    await reporting.close()
  })

  it('takes the account out of its role as well', async () => {
    const reporting = openMinter(fixture, { ownedObjects: 'report' })
    const account = anAccount()
    await login(await mint(account), client => client.query('SET ROLE NONE; CREATE TABLE open.own ()'))
    expect((await failureOf(reporting.revoke(account, 'now', signal))).detail).toMatchObject({
      problem: 'owns_objects',
    })
    expect(await memberships(account)).toBe(0)
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
    await reporting.close()
  })

  it('is told where it is in another database that does not let the revoker in, with the account without rights', async () => {
    const account = anAccount({ scopes: [select] })
    const credential = await mint(account)
    await asSuperuser(`CREATE TABLE own ();\n ALTER TABLE own OWNER TO ${account.name}`, 'elsewhere')
    await asSuperuser('REVOKE CONNECT ON DATABASE elsewhere FROM PUBLIC')
    await login(credential, client => client.query('CREATE VIEW open.kept AS SELECT * FROM orders'))
    expect(await failureOf(minter.revoke(account, 'now', signal))).toMatchObject({
      reason: 'target_refused',
      detail: { problem: 'objects_elsewhere', objects: 1 },
    })
    await expect(openSession(credential)).rejects.toMatchObject({ code: '28000' })
    await expect(fixture.superuser(view)).rejects.toMatchObject({ code: '42501' })
    await asSuperuser('GRANT CONNECT ON DATABASE elsewhere TO PUBLIC')
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
    await expect(asSuperuser('SELECT FROM own', 'elsewhere')).rejects.toMatchObject({ code: '42P01' })
  })

  it('is told where others built on it in another database, and does not go', async () => {
    const account = anAccount()
    await mint(account)
    await asSuperuser(`CREATE TABLE own ();\n ALTER TABLE own OWNER TO ${account.name}`, 'elsewhere')
    await asSuperuser('CREATE VIEW built AS SELECT FROM own', 'elsewhere')
    const error = await failureOf(minter.revoke(account, 'now', signal))
    expect(error).toMatchObject({ detail: { problem: 'objects_elsewhere', objects: 1 } })
    await asSuperuser('DROP VIEW built', 'elsewhere')
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
  })

  it('stays in another database where it is to be reported, and loses its rights there', async () => {
    const reporting = openMinter(fixture, { ownedObjects: 'report' })
    const account = anAccount()
    const credential = await mint(account)
    await login({ ...credential, fields: { ...credential.fields, database: 'elsewhere' } }, client =>
      client.query(
        `SELECT lo_create(7); GRANT SELECT ON LARGE OBJECT 7 TO ${account.name}; SET ROLE NONE; SELECT lo_create(8)`,
      ),
    )
    const error = await failureOf(reporting.revoke(account, 'now', signal))
    expect(error).toMatchObject({ detail: { problem: 'owns_objects', objects: 1 } })
    const objects = 'SELECT oid::int, lomacl::text AS rights FROM pg_largeobject_metadata ORDER BY oid'
    const { rows } = await asSuperuser(objects, 'elsewhere')
    expect(rows).toMatchObject([{ oid: 7, rights: expect.not.stringContaining(account.name) }, { oid: 8 }])
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
    expect((await asSuperuser(objects, 'elsewhere')).rows).toMatchObject([{ oid: 7 }])
    await reporting.close()
  })

  it('has no right left where others built on it, either', async () => {
    const account = anAccount({ scopes: [select] })
    await login(await mint(account), client => client.query('CREATE VIEW open.kept AS SELECT * FROM orders'))
    await asSuperuser('CREATE VIEW open.built AS SELECT * FROM open.kept')
    const error = await failureOf(minter.revoke(account, 'now', signal))
    expect(error).toMatchObject({ reason: 'target_refused', detail: { code: '2BP01' } })
    await expect(fixture.superuser(view)).rejects.toMatchObject({ code: '42501' })
    await asSuperuser('DROP VIEW open.built')
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
  })

  it('says so where a right is left that somebody else has granted', async () => {
    const account = anAccount()
    await mint(account)
    await asSuperuser(`CREATE TABLE gift ();\n GRANT SELECT ON gift TO ${account.name}`)
    const error = await failureOf(minter.revoke(account, 'now', signal))
    expect(error).toMatchObject({ reason: 'target_refused', detail: { problem: 'rights_remain', objects: 1 } })
    expect(await memberships(account)).toBe(0)
    await asSuperuser('DROP TABLE gift')
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
  })
})

describe('a target that is saved', () => {
  const problems = (scope: unknown) => {
    const parsed = postgresqlScope.safeParse(scope)
    return parsed.success ? [] : describeProblems(parsed.error)
  }
  const saying = (statement: string, names: Record<string, string> = {}) => problems({ statements: [statement], names })

  it('takes what grants objects to the account alone', () => {
    expect(problems(select)).toEqual([])
    expect(problems({ statements: ['grant ALL ON ALL TABLES IN SCHEMA sales to {account}'] })).toEqual([])
    const f = { f: 'x"y' }
    expect(saying('GRANT EXECUTE ON FUNCTION sales.{f}(integer, text[]), sales.g() TO {account}', f)).toEqual([])
    for (const what of ['t', 'TABLE t', 'sales.t, t', 'FUNCTION f(sales.a)', 'FUNCTION sales.f(a), g(a)', 'TYPE t'])
      expect(saying(`GRANT ALL ON ${what} TO {account}`)).toEqual([
        'statements[0]: expected the schema of each object: {schema}.{table}',
      ])
    for (const what of ['SCHEMA s', 'DATABASE d', 'ALL TABLES IN SCHEMA s', 'LARGE OBJECT 7', 'SEQUENCE s.a, s.b'])
      expect(saying(`GRANT ALL ON ${what} TO {account}`)).toEqual([])
  })

  it.each([
    ['GRANT SELECT ON t TO {account}; DROP TABLE t', 'statements[0]: expected letters'],
    ["GRANT SELECT ON 't' TO {account}", 'expected letters'],
    ['GRANT SELECT ON "t" TO {account}', 'expected letters'],
    ['GRANT SELECT ON `t` TO {account}', 'expected letters'],
    ['GRANT SELECT ON t\\ TO {account}', 'expected letters'],
    ['GRANT SELECT ON t -- x\n TO {account}', 'expected letters'],
    ['GRANT SELECT ON t /* x */ TO {account}', 'expected letters'],
    ['GRANT SELECT ON t # TO {account}', 'expected letters'],
    ['GRANT SELECT ON t\0 TO {account}', 'expected letters'],
    ['GRANT SELECT ON t\n TO {account}', 'expected letters'],
    ['GRANT SELECT ON $$t$$ TO {account}', 'expected letters'],
    ['GRANT SELECT ON {} TO {account}', 'expected letters'],
    ['GRANT SELECT ON U{t} TO {account}', 'touches'],
    ['GRANT SELECT ON {t}{t} TO {account}', 'touches'],
    ['GRANT SELECT ON t TO PUBLIC', 'expected {account} exactly once'],
    ['GRANT SELECT ON t TO {account}, {account}', 'expected {account} exactly once'],
    ['GRANT SELECT ON t TO {account} WITH GRANT OPTION', 'expected GRANT … ON … TO {account} and nothing after it'],
    ['GRANT SELECT ON t TO {account} GRANTED BY x', 'expected GRANT … ON'],
    ['GRANT SELECT ON t TO other, {account}', 'expected GRANT … ON'],
    ['GRANT SELECT ON t TO PUBLIC GRANT SELECT ON t TO {account}', 'expected GRANT … ON'],
    ['GRANT orders_read TO {account}', 'a scope says "role"'],
    ['REVOKE SELECT ON t TO {account}', 'expected GRANT … ON'],
    ['ALTER ROLE {account}', 'expected GRANT … ON'],
    ['GRANT GRANT OPTION ON t TO {account}', 'expected GRANT … ON'],
    ['GRANT SELECT WITH x ON t TO {account}', 'WITH: what is granted may not be handed on'],
    ['GRANT SELECT ON {other} TO {account}', '{other} is not among the names'],
    ['GRANT SELECT ON {constructor} TO {account}', '{constructor} is not among the names'],
    [`GRANT SELECT ON ${'t'.repeat(500)} TO {account}`, '<=512 characters'],
  ])('is refused with what is wrong: %s', (statement, told) => {
    const found = saying(statement, statement.includes('{t}') ? { t: 'x' } : {}).join('\n')
    expect(found).toContain(told)
  })

  it('is refused for its names, its bounds, or where it says two things', () => {
    const fine = 'GRANT SELECT ON s.{t} TO {account}'
    expect(saying(fine, { t: 'x', more: 'y' })).toEqual([expect.stringContaining('no statement uses {more}')])
    expect(saying('GRANT SELECT ON s.t TO {account}', { account: 'x' })).toEqual([
      expect.stringContaining('account is the account itself'),
    ])
    for (const t of ['', 'x'.repeat(64), 'a\0b'])
      expect(saying(fine, { t }).join()).toContain('names.t: expected 1 to 63 bytes')
    expect(problems({ statements: [], names: {} })).not.toEqual([])
    expect(problems({ statements: Array(33).fill('GRANT SELECT ON s.t TO {account}') }).join()).toContain(
      'statements: expected at most 32',
    )
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`n${index}`, 'x']))
    const using = Object.keys(many).map(each => `GRANT SELECT ON s.{${each}} TO {account}`)
    expect(
      problems({
        statements: [...using.slice(0, 31), `GRANT SELECT ({n31}) ON s.{n32} TO {account}`],
        names: many,
      }).join(),
    ).toContain('at most 32 names')
    for (const scope of [{ ...select, role: 'orders_read' }, { rol: 'orders_read' }])
      expect(problems(scope).join()).toContain('expected "role", or "statements"')
  })
})
