import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import type { MysqlScope } from '../../shared/credentials/mysql-settings.ts'
import { nativeVerifier } from '../../shared/credentials/mysql-verifier.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { ExchangeError, NotMinted } from '../../shared/errors.ts'
import { startHoldingProxy } from '../conformance/minter/holding-proxy.ts'
import {
  anAccount,
  ask,
  everything,
  type Fixture,
  namesOf,
  openMinter,
  openSession,
  password,
  type Rows,
  read,
  startFixture,
  text,
  until,
} from './mysql-fixture.ts'
import { missingServer } from './mysql-server.ts'
import { permitted } from './permission.ts'

// What only MySQL and MariaDB have. What every engine must do: test/conformance/minter.

const missing = missingServer()
const { signal } = new AbortController()
const unclear = { code: 'temporarily_unavailable', reason: 'target_unavailable' }

describe.skipIf(missing !== undefined)(`on a server${missing ? `: ${missing}` : ''}`, () => {
  let fixture: Fixture
  let minter: Minter<MysqlScope>

  beforeAll(async () => {
    fixture = await startFixture()
    minter = openMinter(fixture)
  })
  afterAll(async () => {
    await minter?.close()
    await fixture?.stop()
  })

  function mint(account: Account<MysqlScope>, by = minter) {
    return by.mint(account, new Secret(password()), permitted(signal))
  }

  const asRoot = (sql: string) => fixture.superuser(root => root.query(sql))

  describe('a minted account', () => {
    it('may log in from the hosts that the target says, and from no other', async () => {
      const [here, elsewhere] = [anAccount(), anAccount()]
      const credential = await mint(here, openMinter(fixture, { accountHost: '127.0.0.%' }))
      expect(await ask(credential, 'SELECT CURRENT_USER() AS login')).toEqual([{ login: `${here.name}@127.0.0.%` }])
      const refused = openSession(await mint(elsewhere, openMinter(fixture, { accountHost: '10.1.%' })))
      await expect(refused).rejects.toMatchObject({ errno: 1045 })
    })

    it("is made with the engine's verifier in place of its password", async () => {
      const account = anAccount()
      const credential = await mint(account)
      const made = (await fixture.log()).split('\n').find(line => line.includes(`CREATE USER \`${account.name}\``))
      expect(made).toContain(`USING '${nativeVerifier(credential.secret.reveal())}'`)
    })

    it('acts as the role of its scope from the start, and has nothing beside it', async () => {
      const credential = await mint(anAccount({ scopes: [{ role: 'orders_read' }] }))
      expect(await ask(credential, 'SELECT CURRENT_ROLE() AS role, COUNT(*) AS items FROM items')).toEqual([
        { role: 'orders_read', items: 3 },
      ])
      const session = await openSession({ ...credential, fields: { ...credential.fields, database: '' } })
      await session.query('SET ROLE NONE')
      await expect(session.query('SELECT * FROM orders.items')).rejects.toMatchObject({ errno: 1142 })
      session.destroy()
    })

    it('may do nothing in a database that its own would match as a pattern', async () => {
      await asRoot('CREATE DATABASE `a_b%`; CREATE DATABASE `axbyy`; CREATE TABLE `axbyy`.t (id INT)')
      await asRoot('CREATE TABLE `a_b%`.t (id INT); GRANT SELECT ON *.* TO minter WITH GRANT OPTION')
      const wide = { grants: [{ privileges: ['SELECT' as const], on: 'a_b%.*' }] }
      const afresh = openMinter(fixture)
      const credential = await mint(anAccount({ scopes: [read, wide] }), afresh)
      await afresh.close()
      expect(await ask(credential, 'SELECT * FROM `a_b%`.t')).toEqual([])
      await expect(ask(credential, 'SELECT * FROM axbyy.t')).rejects.toMatchObject({ errno: 1142 })
    })
  })

  describe('names', () => {
    const hostile = `a"b'; DROP TABLE t; --\\ \`$$ %s_é?`

    it('with quotes and semicolons are names, for the databases and tables of a grant too', async () => {
      const quoted = `\`${hostile.replaceAll('`', '``')}\``
      await asRoot(`CREATE DATABASE ${quoted}; CREATE TABLE ${quoted}.${quoted} (id INT); CREATE ROLE ${quoted};
        GRANT ${quoted} TO minter WITH ADMIN OPTION; GRANT SELECT ON *.* TO minter WITH GRANT OPTION`)
      const there = openMinter(fixture, { database: hostile })
      const grants = [
        { privileges: ['SELECT' as const], on: `${hostile}.*` },
        { privileges: ['SELECT' as const], on: `${hostile}.${hostile}` },
      ]
      const account = anAccount({ name: `cw_"'; --é`, scopes: [{ role: hostile }, { grants }] })
      const credential = await mint(account, there)
      const asked = `SELECT CURRENT_ROLE() AS role, USER() AS login, DATABASE() AS db, COUNT(*) AS n FROM ${quoted}`
      const [found] = await ask(credential, asked)
      expect(found).toMatchObject({ role: hostile, db: hostile, n: 0 })
      expect(found?.['login']).toContain(account.name)
      const uri = new URL(text(credential.fields['uri']))
      expect([uri.username, uri.pathname.slice(1)].map(decodeURIComponent)).toEqual([account.name, hostile])
      expect(await there.revoke(account, 'now', signal)).toMatchObject({ absent: true })
      expect(await fixture.accounts(account.name)).toEqual([])
      await there.close()
    })
  })

  describe('a mint', () => {
    it('that goes on late does not bring an account back that was dropped before it went on', async () => {
      const account = anAccount()
      // The operator's drop comes between CREATE USER and GRANT: the proxy holds the minter's second message.
      const proxy = await startHoldingProxy(fixture.server.port)
      const slow = openMinter(fixture, { port: proxy.port })
      const failed = failureOf(mint(account, slow))
      await until(async () => {
        const isMade = (await fixture.accounts(account.name)).length > 0
        if (!isMade) proxy.letOne()
        return isMade
      })
      expect(await fixture.accounts(account.name)).toMatchObject([{ locked: '1' }])
      await minter.revoke(account, 'now', signal)
      proxy.letAll()
      expect((await failed).reason).not.toBe('internal')
      await slow.close()
      await proxy.stop()
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    it('is unclear where the time of a statement ran out', async () => {
      const impatient = openMinter(fixture, { timeouts: { statement: 1_000 } })
      const error = await fixture.superuser(async root => {
        await root.query('FLUSH TABLES WITH READ LOCK')
        return failureOf(mint(anAccount(), impatient))
      })
      await impatient.close()
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ ...unclear, detail: { answer: 1969 } })
    })

    it('makes nothing where the minter may not grant what the scope means', async () => {
      const scope: MysqlScope = { grants: [{ privileges: ['INSERT'], on: 'test.*' }] }
      const account = anAccount({ scopes: [scope] })
      const error = await failureOf(mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('target_refused')
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    // MariaDB answers a GRANT of a role that is not ours to give with 1698, as it does a login.
    it('says that the server refused, where the minter may not give the role of a scope', async () => {
      await asRoot('CREATE ROLE orders_ungiven')
      const error = await failureOf(mint(anAccount({ scopes: [{ role: 'orders_ungiven' }] })))
      expect(error.reason).toBe('target_refused')
    })
  })

  it('a connection is not made to a server whose certificate is for another name', async () => {
    await present('elsewhere.example')
    const error = await failureOf(mint(anAccount(), openMinter(fixture))).finally(() => present('localhost'))
    expect(error).toMatchObject({ ...unclear, detail: { code: 'HANDSHAKE_SSL_ERROR' } })
    await mint(anAccount(), openMinter(fixture))
  })

  async function present(name: string): Promise<void> {
    const at = (file: string) => readFile(join(fixture.authorityFolder, file), 'utf8')
    const ca = { key: await at('ca-key.pem'), cert: await at('ca.pem') }
    const names = [{ name: 'subjectAltName' as const, altNames: [{ type: 2 as const, value: name }] }]
    const made = await generate([{ name: 'commonName', value: name }], {
      keyType: 'ec',
      algorithm: 'sha256',
      ca,
      extensions: names,
    })
    await fixture.server.present({ key: made.private, cert: made.cert })
    await asRoot('FLUSH SSL')
  }

  describe('a revocation', () => {
    it('ends the accounts of that name from every host, and no other', async () => {
      const account = anAccount()
      const another = anAccount({ name: account.name.toUpperCase() })
      const session = await openSession(await mint(another))
      await mint(account)
      await asRoot(`CREATE USER ${account.name}@'10.%', ${account.name}@'b.example'`)
      expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 0 })
      expect(await fixture.accounts(account.name)).toEqual([])
      await session.query('SELECT 1')
      session.destroy()
      expect(await fixture.accounts(another.name)).toHaveLength(1)
    })

    it('leaves nothing that acts with the rights of the account, and tells what names it', async () => {
      const account = anAccount({ scopes: [everything] })
      const credential = await mint(account)
      await asRoot(
        'CREATE TABLE orders.watched (id INT); GRANT SHOW VIEW, SELECT, TRIGGER, EVENT, EXECUTE ON orders.* TO revoker',
      )
      for (const statement of [
        'CREATE VIEW peek AS SELECT * FROM secrets',
        'CREATE FUNCTION spy() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM secrets)',
        'CREATE TRIGGER leak AFTER INSERT ON watched FOR EACH ROW INSERT INTO secrets VALUES (NEW.id)',
      ])
        await ask(credential, statement)
      await asRoot('SELECT * FROM orders.peek; SELECT orders.spy(); INSERT INTO orders.watched VALUES (1)')
      expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true, orphans: 3 })
      for (const use of ['SELECT * FROM orders.peek', 'SELECT orders.spy()', 'INSERT INTO orders.watched VALUES (1)'])
        await expect(asRoot(use)).rejects.toMatchObject({ errno: expect.toBeOneOf([1449, 1356]) })
      await asRoot('DROP VIEW orders.peek; DROP FUNCTION orders.spy; DROP TABLE orders.watched')
    })

    it('of an account that acted by a role ends the events it made as that role, and counts what else it made', async () => {
      await asRoot('GRANT SELECT, INSERT, EVENT, CREATE ROUTINE, CREATE VIEW ON orders.* TO orders_read')
      await asRoot(
        'CREATE TABLE orders.ticks (id INT); CREATE DEFINER=orders_read EVENT orders.older ON SCHEDULE EVERY 1 DAY DO DO 1',
      )
      await asRoot(
        "UPDATE mysql.event SET modified = '2020-01-01' WHERE name = 'older'; GRANT SHOW VIEW, SELECT, EVENT, EXECUTE ON orders.* TO revoker",
      )
      const account = anAccount({ scopes: [{ role: 'orders_read' }] })
      const credential = await mint(account)
      const as = 'CREATE DEFINER = CURRENT_ROLE'
      for (const statement of [
        `${as} EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO orders.ticks VALUES (1)`,
        `${as} PROCEDURE spy() SELECT * FROM orders.items`,
        `${as} VIEW seen AS SELECT * FROM orders.items`,
      ])
        await ask(credential, statement)
      const afresh = openMinter(fixture)
      expect(await afresh.revoke(account, 'now', signal)).toMatchObject({ orphans: 0, definedByRoles: 2 })
      await afresh.close()
      const [events] = await fixture.superuser(root =>
        root.query<Rows>('SELECT EVENT_NAME AS name FROM information_schema.EVENTS'),
      )
      expect(events).toEqual([{ name: 'older' }])
      await asRoot('DROP EVENT orders.older; DROP PROCEDURE orders.spy; DROP VIEW orders.seen')
      await asRoot('REVOKE INSERT, EVENT, CREATE ROUTINE, CREATE VIEW ON orders.* FROM orders_read')
    })

    it('tells of prepared transactions, which outlive the account that prepared them, and rolls back none', async () => {
      const [idle, gone] = [anAccount({ scopes: [everything] }), anAccount({ scopes: [everything] })]
      const prepare = async (account: Account<MysqlScope>, xid: string) => {
        const session = await openSession(await mint(account))
        for (const sql of [
          `XA START '${xid}'`,
          'INSERT INTO secrets VALUES (7)',
          `XA END '${xid}'`,
          `XA PREPARE '${xid}'`,
        ])
          await session.query(sql)
        return session
      }
      await prepare(idle, 'a')
      ;(await prepare(gone, 'b')).destroy()
      for (const account of [idle, gone])
        expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true, preparedTransactions: 2 })
      await asRoot("XA ROLLBACK 'a'; XA ROLLBACK 'b'")
      expect(await minter.revoke(idle, 'now', signal)).toMatchObject({ preparedTransactions: 0 })
    })

    it('that may not end sessions says so and leaves the account locked', async () => {
      const account = anAccount()
      const credential = await mint(account)
      const session = await openSession(credential)
      await asRoot('REVOKE CONNECTION ADMIN ON *.* FROM revoker')
      const weak = openMinter(fixture)
      const error = await failureOf(weak.revoke(account, 'now', signal))
      await weak.close()
      await asRoot('GRANT CONNECTION ADMIN ON *.* TO revoker')
      expect(error).toMatchObject({ reason: 'target_refused', detail: { code: 'ER_KILL_DENIED_ERROR' } })
      expect(await fixture.accounts(account.name)).toMatchObject([{ locked: '1' }])
      session.destroy()
    })

    it.each(['now', 'finish-transactions'] as const)(
      'that may not see sessions says so and leaves the account locked: %s',
      async ending => {
        const account = anAccount()
        const session = await openSession(await mint(account))
        await asRoot('REVOKE PROCESS ON *.* FROM revoker')
        const blind = openMinter(fixture)
        const error = await failureOf(blind.revoke(account, ending, signal))
        const gone = await failureOf(blind.revoke(anAccount(), ending, signal))
        await blind.close()
        await asRoot('GRANT PROCESS ON *.* TO revoker')
        for (const each of [error, gone])
          expect(each).toMatchObject({ reason: 'target_refused', detail: { code: 'ER_SPECIFIC_ACCESS_DENIED_ERROR' } })
        expect(await fixture.accounts(account.name)).toMatchObject([{ locked: '1' }])
        expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1 })
        await expect(session.query('SELECT 1')).rejects.toThrow()
      },
    )
  })

  it('lists the accounts of one deployment, once each, and of no other that resembles it', async () => {
    for (const name of ['cw_list_a', 'cw_list_b', 'cw_listXc', 'cw_lis%d', 'CW_LIST_e']) await mint(anAccount({ name }))
    await asRoot("CREATE USER cw_list_a@'10.%'; CREATE ROLE cw_list_role")
    const listed = await namesOf(minter.accounts('cw_list_', signal))
    expect(listed).toEqual(['cw_list_a', 'cw_list_b'])
  })
})

async function failureOf(work: Promise<unknown>): Promise<ExchangeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${inspect(error)}`)
  return error
}
