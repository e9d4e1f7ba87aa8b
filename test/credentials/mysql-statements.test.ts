import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import { type MysqlScope, mysqlScope } from '../../shared/credentials/mysql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { describeProblems } from '../../shared/document.ts'
import { NotMinted } from '../../shared/errors.ts'
import { anAccount, ask, type Fixture, openMinter, openSession, password, read, startFixture } from './mysql-fixture.ts'
import { missingServer } from './mysql-server.ts'
import { permitted } from './permission.ts'

const missing = missingServer()
const { signal } = new AbortController()
const hostile = `a"b'; DROP TABLE t; --\\ \`$$ %s_é? {account}`

const secrets: MysqlScope = {
  statements: ['GRANT SELECT (id), INSERT ON {database}.{table} TO {account}'],
  names: { database: 'orders', table: 'secrets' },
}

describe.skipIf(missing !== undefined)(`on a server${missing ? `: ${missing}` : ''}`, () => {
  let fixture: Fixture
  let minter: Minter<MysqlScope>

  beforeAll(async () => {
    fixture = await startFixture()
    await asRoot('GRANT SELECT, CREATE ROUTINE ON *.* TO minter WITH GRANT OPTION')
    minter = openMinter(fixture)
  })
  afterAll(async () => {
    await minter?.close()
    await fixture?.stop()
  })

  const asRoot = (sql: string) => fixture.superuser(root => root.query(sql))
  const mint = (account: Account<MysqlScope>) => minter.mint(account, new Secret(password()), permitted(signal))

  it('statements give the account what they grant, and nothing else', async () => {
    const credential = await mint(anAccount({ scopes: [secrets] }))
    expect(await ask(credential, 'SELECT id FROM secrets')).toEqual([])
    await ask(credential, 'INSERT INTO secrets VALUES (1)')
    for (const beyond of ['DELETE FROM secrets', 'SELECT * FROM items', 'CREATE TABLE kept (id INT)'])
      await expect(ask(credential, beyond)).rejects.toMatchObject({ errno: 1142 })
  })

  it('names are names, whatever is in them, and no patterns', async () => {
    const quoted = `\`${hostile.replaceAll('`', '``')}\``
    await asRoot(`CREATE DATABASE ${quoted}; CREATE TABLE ${quoted}.${quoted} (id INT);
      CREATE DATABASE \`s_l%s\`; CREATE TABLE \`s_l%s\`.t (id INT); CREATE DATABASE salxs; CREATE TABLE salxs.t (id INT)`)
    const both: MysqlScope = {
      statements: ['GRANT SELECT ON {odd}.{odd} TO {account}', 'GRANT SELECT ON {pattern} . * TO {account}'],
      names: { odd: hostile, pattern: 's_l%s' },
    }
    const credential = await mint(anAccount({ scopes: [secrets, both] }))
    expect(await ask(credential, `SELECT * FROM ${quoted}.${quoted}`)).toEqual([])
    expect(await ask(credential, 'SELECT * FROM `s_l%s`.t')).toEqual([])
    await expect(ask(credential, 'SELECT * FROM salxs.t')).rejects.toMatchObject({ errno: 1142 })
  })

  it('may be had with a role, with grants, and twice', async () => {
    const scopes: MysqlScope[] = [{ role: 'orders_read' }, secrets, read, secrets]
    const credential = await mint(anAccount({ scopes }))
    expect(await ask(credential, 'SELECT COUNT(*) AS n FROM items, (SELECT COUNT(id) FROM secrets) AS s')).toEqual([
      { n: 3 },
    ])
  })

  it('that the admin may not grant fail, and nothing is made', async () => {
    const account = anAccount({
      scopes: [{ statements: ['GRANT DELETE ON {d}.* TO {account}'], names: { d: 'elsewhere' } }],
    })
    const error = await mint(account).catch(thrown => thrown)
    expect(error).toBeInstanceOf(NotMinted)
    expect(error.reason).toBe('target_refused')
    expect(await fixture.accounts(account.name)).toEqual([])
  })

  it('are not granted late', async () => {
    const account = anAccount({ scopes: [secrets], mintUntil: Date.now() - 1 })
    const error = await mint(account).catch(thrown => thrown)
    expect(error).toBeInstanceOf(NotMinted)
    expect(error.reason).toBe('mint_too_late')
    expect(await fixture.accounts(account.name)).toEqual([])
  })

  it('an account of them leaves nothing at its end', async () => {
    const account = anAccount({ scopes: [secrets] })
    const session = await openSession(await mint(account))
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1, absent: true })
    await expect(session.query('SELECT 1')).rejects.toThrow()
    expect(await fixture.accounts(account.name)).toEqual([])
    const left = 'SELECT COUNT(*) AS n FROM mysql.tables_priv WHERE User = ?'
    const [rows] = await fixture.superuser(root => root.query(left, [account.name]))
    expect(rows).toEqual([{ n: 0 }])
  })

  it('an account that has changed its own password is ended all the same', async () => {
    const account = anAccount({ scopes: [secrets] })
    const credential = await mint(account)
    const session = await openSession(credential)
    await session.query("SET PASSWORD = PASSWORD('mine alone')")
    await expect(openSession(credential)).rejects.toMatchObject({ errno: 1045 })
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1, absent: true })
    expect(await fixture.accounts(account.name)).toEqual([])
  })

  it.each([
    ['lift its limits', 'ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS 0'],
    ['let itself in without TLS', 'ALTER USER CURRENT_USER() REQUIRE NONE'],
    ['hand on what it has', 'GRANT INSERT ON orders.secrets TO minter'],
    ['grant itself more', 'GRANT SELECT ON orders.items TO CURRENT_USER()'],
    ['stand in for another', 'GRANT PROXY ON minter TO CURRENT_USER()'],
    ['rename itself', 'RENAME USER CURRENT_USER() TO another'],
  ])('an account may not %s', async (_, statement) => {
    const credential = await mint(anAccount({ scopes: [secrets] }))
    const refused = await ask(credential, statement).catch(error => error)
    expect([1044, 1142, 1227, 1698, 1045]).toContain(refused.errno)
  })
})

describe('a target that is saved', () => {
  const saying = (statement: string, names: Record<string, string> = {}) => {
    const parsed = mysqlScope.safeParse({ statements: [statement], names })
    return parsed.success ? '' : describeProblems(parsed.error).join('\n')
  }

  it('takes what grants objects of databases to the account alone', () => {
    const grant = 'GRANT SELECT, INSERT (id) ON'
    for (const on of ['{d}.{t}', '{d}.*', 'sales.*', 'TABLE {d}.{t}']) {
      const names = { ...(on.includes('{d}') && { d: 'a_b' }), ...(on.includes('{t}') && { t: 'x`y' }) }
      expect(saying(`${grant} ${on} TO {account}`, names)).toBe('')
    }
    expect(saying('GRANT EXECUTE ON PROCEDURE {d}.{p} TO {account}', { d: 'a', p: 'p' })).toBe('')
  })

  it.each([
    ['GRANT ALL ON *.* TO {account}', 'expected a database and what is in it'],
    ['GRANT ALL ON * TO {account}', 'expected a database and what is in it'],
    ['GRANT SELECT ON items TO {account}', 'expected a database and what is in it'],
    ['GRANT SELECT ON mysql.* TO {account}', 'a system database'],
    ['GRANT SELECT ON TABLE MySQL . user TO {account}', 'a system database'],
    ['GRANT SELECT ON {d}.* TO {account}', 'a system database'],
    ['GRANT SELECT ON a_b.* TO {account}', 'put the name of the database into names'],
    ['GRANT PROXY ON root.x TO {account}', "PROXY grants another account's rights"],
    ['GRANT SELECT, GRANT OPTION ON a.b TO {account}', 'expected GRANT … ON'],
    ['GRANT SELECT ON a.b TO {account} IDENTIFIED BY x', 'expected GRANT … ON'],
    ['GRANT SELECT ON a.b TO {account} WITH GRANT OPTION', 'expected GRANT … ON'],
    ['GRANT SELECT ON a.b TO {account}@localhost', 'expected letters'],
    ['GRANT SELECT ON `mysql`.b TO {account}', 'expected letters'],
    ['GRANT orders_read TO {account}', 'a scope says "role"'],
  ])('is refused with what is wrong: %s', (statement, told) => {
    expect(saying(statement, statement.includes('{d}') ? { d: 'Mysql' } : {})).toContain(told)
  })

  it('is refused for a name that the engine does not take', () => {
    for (const t of ['', 'x'.repeat(65), 'a\0', 'a '])
      expect(saying('GRANT SELECT ON a.{t} TO {account}', { t })).toContain('names.t: expected 1 to 64 characters')
  })
})
