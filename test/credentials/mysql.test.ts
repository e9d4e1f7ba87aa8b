import { readFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { type Connection, createConnection } from 'mysql2/promise'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import { type MysqlScope, mysqlScope, mysqlSettings } from '../../shared/credentials/mysql-settings.ts'
import { cachingSha2Verifier } from '../../shared/credentials/mysql-verifier.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { ExchangeError, NotMinted } from '../../shared/errors.ts'
import {
  anAccount,
  ask,
  beginLogin,
  everything,
  type Fixture,
  namesOf,
  openMinter,
  openSession,
  password,
  type Rows,
  read,
  startFixture,
  targetSettings,
  text,
  until,
} from './mysql-fixture.ts'
import { missingServer } from './mysql-server.ts'

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
    return by.mint(account, new Secret(password()), signal)
  }

  const asRoot = (sql: string) => fixture.superuser(root => root.query(sql))

  describe('a minted account', () => {
    it('logs in with the fields of its credential', async () => {
      const account = anAccount()
      const rows = await ask(await mint(account), 'SELECT CURRENT_USER() AS login, COUNT(*) AS items FROM items')
      expect(rows).toEqual([{ login: `${account.name}@%`, items: 3 }])
    })

    it('logs in with its URI', async () => {
      const credential = await mint(anAccount())
      const uri = text(credential.fields['uri'])
      expect(new URL(uri).searchParams.get('ssl-mode')).toBe('VERIFY_IDENTITY')
      const session = await createConnection({ uri: uri.replace(/\?.*/, ''), ssl: { ca: fixture.authority } })
      const [rows] = await session.query('SELECT COUNT(*) AS items FROM items')
      session.destroy()
      expect(rows).toEqual([{ items: 3 }])
    })

    it.each([
      ['write what it may only read', "INSERT INTO items (customer) VALUES ('x')"],
      ['read another table', 'SELECT * FROM secrets'],
      ['read the accounts', 'SELECT * FROM mysql.global_priv'],
      ['create a table', 'CREATE TABLE kept (id INT)'],
      ['create an account', 'CREATE USER another'],
      ['act as a role beyond its scope', 'SET ROLE orders_read'],
      ['hand its rights on', 'GRANT SELECT ON orders.items TO minter'],
      ['lift its limits', 'ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS 0'],
    ])('cannot %s', async (_, statement) => {
      const refused = await ask(await mint(anAccount()), statement).catch(error => error)
      expect([1044, 1142, 1227, 1959]).toContain(refused.errno)
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

    it('is let in over TLS alone', async () => {
      const { fields } = await mint(anAccount())
      const login = { user: String(fields['username']), password: text(fields['password']), port: fixture.server.port }
      await expect(createConnection({ host: 'localhost', ...login })).rejects.toMatchObject({ errno: 1045 })
    })

    it('may hold as many sessions as the target says', async () => {
      const one = openMinter(fixture, { accountConnectionLimit: 1 })
      const credential = await mint(anAccount(), one)
      await one.close()
      const session = await openSession(credential)
      await expect(openSession(credential)).rejects.toMatchObject({ errno: 1226 })
      session.destroy()
    })

    it('is described again without asking the server', async () => {
      const account = anAccount()
      const secret = new Secret(password())
      const described = openMinter(fixture, { host: 'database.invalid' }).describe(account, secret)
      expect(described.reference).toEqual({ account: account.name })
      expect(described.fields).toMatchObject({ username: account.name, host: 'database.invalid', database: 'orders' })
      const minted = await minter.mint(account, secret, signal)
      expect(minter.describe(account, secret)).toEqual(minted)
      expect(text(minter.describe(account, secret).fields['uri'])).toBe(text(minted.fields['uri']))
    })

    it('never shows its password to the server, whose log holds every statement', async () => {
      const account = anAccount()
      const credential = await mint(account)
      await ask(credential, 'SELECT 1')
      const log = await fixture.log()
      expect(log).toContain(`CREATE USER \`${account.name}\``)
      expect(log).not.toContain(credential.secret.reveal())
    })
  })

  describe('names', () => {
    const hostile = `a"b'; DROP TABLE t; --\\ \`$$ %s_é?`

    it('with quotes and semicolons are names, for roles, accounts, databases and tables', async () => {
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

    it('longer than an engine takes are cut so that their deployment still finds them', async () => {
      const name = 'cw_abcdefghijkl_abcdefghijklmnopqrst'
      const account = anAccount({ name })
      const session = await openSession(await mint(account))
      expect(await fixture.accounts('cw_abcdefghijkl_abcdefghijklmnop')).toHaveLength(1)
      const listed = await namesOf(minter.accounts('cw_abcdefghijkl_', signal))
      expect(listed.map(each => name.startsWith(each))).toEqual([true])
      expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1 })
      session.destroy()
    })
  })

  describe('several scopes', () => {
    it('that are different roles are refused, and nothing is made', async () => {
      const account = anAccount({ scopes: [{ role: 'orders_read' }, { role: 'another' }] })
      const error = await failureOf(mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ code: 'invalid_scope', reason: 'scopes_not_combinable' })
    })
  })

  /** Mints while nobody may write; once the minter waits, does `then`; lets go when it has failed. */
  async function whileBlocked(
    account: Account<MysqlScope>,
    then: (root: Connection, minterId: number) => unknown,
    { by = minter, giveUp = signal } = {},
  ): Promise<ExchangeError> {
    return fixture.superuser(async root => {
      await root.query('FLUSH TABLES WITH READ LOCK')
      const failed = failureOf(by.mint(account, new Secret(password()), giveUp))
      let id = 0
      await until(async () => {
        const waiting = "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE INFO LIKE 'CREATE USER%'"
        id = (await root.query<Rows>(waiting))[0][0]?.['id'] ?? 0
        return id !== 0
      })
      await then(root, id)
      const error = await failed
      await root.query('UNLOCK TABLES')
      return error
    })
  }

  describe('a mint that comes late', () => {
    it('is refused by the server when its time has passed before it began', async () => {
      const account = anAccount({ mintUntil: Date.now() - 1 })
      const error = await failureOf(mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('mint_too_late')
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    it('is refused when the minter froze after it had looked at the clock', async () => {
      const frozen = openMinter(fixture, {}, () => {
        const before = Date.now()
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
        return before
      })
      const account = anAccount({ mintUntil: Date.now() + 500 })
      const error = await failureOf(mint(account, frozen))
      await frozen.close()
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('mint_too_late')
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    it('is never opened when a lock held it up, and is dropped again', async () => {
      const account = anAccount({ mintUntil: Date.now() + 1000 })
      const error = await whileBlocked(account, async root => {
        await root.query('SELECT SLEEP(1.2)')
        await root.query('UNLOCK TABLES')
      })
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('mint_too_late')
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    it('does not bring an account back that was dropped before it went on', async () => {
      const account = anAccount()
      // The operator's drop comes between CREATE USER and GRANT: the proxy holds the minter's second message.
      const proxy = await holdingProxy(fixture.server.port)
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
  })

  describe('what a failed mint says', () => {
    it('is "unclear" where the server ended the connection after sending', async () => {
      const error = await whileBlocked(anAccount(), (root, id) => root.query(`KILL CONNECTION ${id}`))
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject(unclear)
    })

    it('is "unclear" where the network broke after sending, and the process lives on', async () => {
      const sockets: Socket[] = []
      const network = createServer(near => {
        const far = connect(fixture.server.port, 'localhost')
        near.pipe(far).pipe(near)
        near.on('error', () => far.destroy())
        far.on('error', () => near.destroy())
        sockets.push(near)
      })
      const remote = openMinter(fixture, { port: await listening(network) })
      const cut = () => {
        for (const socket of sockets) socket.resetAndDestroy()
      }
      const error = await whileBlocked(anAccount(), cut, { by: remote })
      await new Promise(resolve => network.close(resolve))
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject(unclear)
    })

    it('is "unclear" where the request was given up after sending', async () => {
      const request = new AbortController()
      const error = await whileBlocked(anAccount(), () => request.abort(), { giveUp: request.signal })
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject(unclear)
    })

    it('is "unclear" where the time of a statement ran out', async () => {
      const impatient = openMinter(fixture, { timeouts: { statement: 1_000 } })
      const error = await whileBlocked(anAccount(), () => undefined, { by: impatient })
      await impatient.close()
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ ...unclear, detail: { answer: 1969 } })
    })

    it.each([
      ['the role of a scope does not exist', { role: 'no_such_role' }],
      [
        'the minter may not grant what the scope means',
        { grants: [{ privileges: ['INSERT' as const], on: 'test.*' }] },
      ],
    ])('is "nothing made" where %s', async (_, scope) => {
      const account = anAccount({ scopes: [scope] })
      const error = await failureOf(mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('target_refused')
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    it('is an internal error where the account exists, which is left as it was', async () => {
      const account = anAccount()
      const credential = await mint(account)
      const error = await failureOf(mint({ ...account, scopes: [everything] }))
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ code: 'server_error', reason: 'internal' })
      await expect(ask(credential, 'SELECT * FROM secrets')).rejects.toMatchObject({ errno: 1142 })
    })

    it('is "nothing made" where the server is down, and names neither host nor secret', async () => {
      const secret = new Secret(password())
      const error = await failureOf(openMinter(fixture, { port: 1 }).mint(anAccount(), secret, signal))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ ...unclear, retryAfter: 2 })
      const shown = inspect({ ...error, cause: error.cause, text: String(error) })
      for (const hidden of [secret.reveal(), 'localhost', '127.0.0.1', 'minter@']) expect(shown).not.toContain(hidden)
    })

    it('is "nothing made" where the request was given up before', async () => {
      const error = await failureOf(minter.mint(anAccount(), new Secret(password()), AbortSignal.abort()))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('deadline')
    })

    it('is "nothing made" while the admin password is wrong, and right again after its correction', async () => {
      const good = fixture.secrets.get('minter')
      fixture.secrets.set('minter', { text: password(), version: '1' })
      const rotated = openMinter(fixture)
      const error = await failureOf(mint(anAccount(), rotated))
      if (good) fixture.secrets.set('minter', good)
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ reason: 'target_unavailable', detail: { code: 'ER_ACCESS_DENIED_ERROR' } })
      await ask(await mint(anAccount(), rotated), 'SELECT 1')
      await rotated.close()
    })
  })

  describe('the connection', () => {
    it('is not made to a server whose certificate the target does not trust', async () => {
      const untrusting = openMinter(fixture, { tls: { ca: fixture.otherAuthority } })
      const error = await failureOf(mint(anAccount(), untrusting))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('target_unavailable')
    })

    it('is not made to a server whose certificate is for another name', async () => {
      await present('elsewhere.example')
      const error = await failureOf(mint(anAccount(), openMinter(fixture))).finally(() => present('localhost'))
      expect(error).toMatchObject({ ...unclear, detail: { code: 'HANDSHAKE_SSL_ERROR' } })
      await mint(anAccount(), openMinter(fixture))
    })

    it('that the server ends while idle neither ends this process nor fails the next mint', async () => {
      await mint(anAccount())
      await asRoot('KILL CONNECTION USER minter')
      await until(async () => (await sessionsOf('minter')) === 0)
      await ask(await mint(anAccount()), 'SELECT 1')
    })

    it('is one of as many as the target allows, however many mints there are at once', async () => {
      const secret = password()
      fixture.secrets.set('bounded', { text: secret, version: '1' })
      await asRoot(`CREATE USER bounded IDENTIFIED BY '${secret}'; GRANT CREATE USER ON *.* TO bounded;
        GRANT ALL ON orders.* TO bounded WITH GRANT OPTION`)
      const admin = { user: 'bounded', password: { vault: 'corp', secret: 'bounded' } }
      const bounded = openMinter(fixture, { connections: 2, admin })
      await Promise.all(Array.from({ length: 8 }, () => mint(anAccount(), bounded)))
      expect(await sessionsOf('bounded')).toBe(2)
      await bounded.close()
    })
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

  async function sessionsOf(user: string): Promise<number> {
    const query = 'SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE USER = ?'
    const [rows] = await fixture.superuser(root => root.query<Rows>(query, [user]))
    return rows[0]?.['n']
  }

  describe('a revocation', () => {
    it('ends live sessions in the middle of a query, and the account', async () => {
      const account = anAccount()
      const credential = await mint(account)
      const [busy, idle] = [await openSession(credential), await openSession(credential)]
      const sleeping = expect(busy.query('SELECT SLEEP(60)')).rejects.toThrow()
      await until(async () => (await running('SELECT SLEEP(60)')) === 1)
      const evidence = await minter.revoke(account, 'now', signal)
      await sleeping
      expect(evidence).toMatchObject({ sessionsEnded: 2, absent: true })
      await expect(idle.query('SELECT 1')).rejects.toThrow()
      await expect(openSession(credential)).rejects.toMatchObject({ errno: 1045 })
      expect(await fixture.accounts(account.name)).toEqual([])
    })

    it('succeeds again for an account that is gone, and for one that never was', async () => {
      const account = anAccount()
      await mint(account)
      await minter.revoke(account, 'now', signal)
      const nothing = { sessionsEnded: 0, absent: true }
      expect(await minter.revoke(account, 'now', signal)).toMatchObject(nothing)
      expect(await minter.revoke(anAccount(), 'now', signal)).toMatchObject(nothing)
    })

    it('succeeds for everyone who revokes the same account at once', async () => {
      const account = anAccount()
      await mint(account)
      const all = await Promise.all([1, 2, 3].map(() => minter.revoke(account, 'now', signal)))
      expect(all.map(evidence => evidence.absent)).toEqual([true, true, true])
      expect(await fixture.accounts(account.name)).toEqual([])
    })

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

    it('ends a session that was just logging in', async () => {
      const account = anAccount()
      const login = await beginLogin(await mint(account))
      expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1 })
      expect(await login.finish()).toBe(false)
      expect(await sessionsOf(account.name)).toBe(0)
    })

    it('would have let that login in before', async () => {
      expect(await (await beginLogin(await mint(anAccount()))).finish()).toBe(true)
    })

    it('leaves a transaction time to finish where the lease has expired, with the account locked', async () => {
      const account = anAccount({ scopes: [everything] })
      const credential = await mint(account)
      const [busy, idle] = [await openSession(credential), await openSession(credential)]
      await busy.query('START TRANSACTION')
      await busy.query("INSERT INTO items (customer) VALUES ('finished')")
      const error = await failureOf(minter.revoke(account, 'finish-transactions', signal))
      expect(error.reason).toBe('sessions_busy')
      await expect(idle.query('SELECT 1')).rejects.toThrow()
      await expect(openSession(credential)).rejects.toMatchObject({ errno: 4151 })
      await busy.query('COMMIT')
      expect(await minter.revoke(account, 'finish-transactions', signal)).toMatchObject({ sessionsEnded: 1 })
      await asRoot("DELETE FROM orders.items WHERE customer = 'finished'")
      expect(await fixture.accounts(account.name)).toEqual([])
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

    it('ends an account that changed its own password', async () => {
      const account = anAccount()
      const session = await openSession(await mint(account))
      await session.query("SET PASSWORD = PASSWORD('mine alone')")
      expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1 })
      expect(await fixture.accounts(account.name)).toEqual([])
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

    it('fails where the server is down', async () => {
      const nowhere = openMinter(fixture, { port: 1 })
      expect(await failureOf(nowhere.revoke(anAccount(), 'now', signal))).toMatchObject({
        reason: 'target_unavailable',
      })
    })
  })

  async function running(statement: string): Promise<number> {
    const query = 'SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE INFO = ?'
    const [rows] = await fixture.superuser(root => root.query<Rows>(query, [statement]))
    return rows[0]?.['n']
  }

  it('lists the accounts of one deployment, once each, and of no other that resembles it', async () => {
    for (const name of ['cw_list_a', 'cw_list_b', 'cw_listXc', 'cw_lis%d', 'CW_LIST_e']) await mint(anAccount({ name }))
    await asRoot("CREATE USER cw_list_a@'10.%'; CREATE ROLE cw_list_role")
    const listed = await namesOf(minter.accounts('cw_list_', signal))
    expect(listed).toEqual(['cw_list_a', 'cw_list_b'])
  })

  it('settings refuse a host that the driver would not compare with the certificate', () => {
    const fits = (host: string) => mysqlSettings.safeParse({ ...targetSettings(fixture), host }).success
    expect(['db.corp.example', 'localhost'].filter(fits)).toHaveLength(2)
    expect(['10.0.0.1', '::1', '/run/mysqld.sock', 'a@b', 'a,b', 'a b', ''].filter(fits)).toEqual([])
  })
})

it('a scope means a role or grants, of what is in the list and of no system database', () => {
  const fits = (scope: unknown) => mysqlScope.safeParse(scope).success
  const grant = (on: string, ...privileges: string[]) => ({ grants: [{ privileges, on }] })
  expect(
    [{ role: 'r' }, grant('a.*', 'SELECT'), grant('a.b.c', 'SELECT'), grant('a.*', 'EXECUTE')].filter(fits),
  ).toHaveLength(4)
  const wrong = [grant('*.*', 'SELECT'), grant('MySQL.*', 'SELECT'), grant('a', 'SELECT'), grant('.b', 'SELECT')]
  const more = [
    grant('a.*', 'GRANT OPTION'),
    grant('a.*', 'SUPER'),
    grant('a.*'),
    grant('a.b', 'EXECUTE'),
    grant('a.b', 'all'),
  ]
  const names = ['x'.repeat(300), '', 'a\0', 'a ', '\u{1f4a5}'].map(role => ({ role }))
  expect([...wrong, ...more, ...names, { role: 'r', grants: [] }, {}].filter(fits)).toEqual([])
})

it('the verifier for MySQL 8 is the one that its own servers make', () => {
  // The published example of hashcat's mode 7401.
  const salt = Buffer.from('F9CC98CE08892924F50A213B6BC571A2C11778C5', 'hex')
  expect(cachingSha2Verifier('hashcat', salt)).toMatch(/bTy95Y99eAME1dwEkHOA1ndHGBWz\.1bxSSRkuTXFGV\/$/)
  expect(cachingSha2Verifier(password())).toMatch(/^\$A\$005\$[0-9A-Za-z]{20}[./0-9A-Za-z]{43}$/)
})

async function failureOf(work: Promise<unknown>): Promise<ExchangeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${inspect(error)}`)
  return error
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Passes on what the server says at once, and each message of the client only when it is let. */
async function holdingProxy(to: number) {
  const held: (() => void)[] = []
  let open = false
  const sockets: Socket[] = []
  const server = createServer(near => {
    const far = connect(to, 'localhost')
    far.pipe(near)
    near.on('data', bytes => void (open ? far.write(bytes) : held.push(() => far.write(bytes))))
    for (const socket of [near, far]) socket.on('error', () => {})
    sockets.push(near, far)
  })
  const letOne = () => held.shift()?.()
  return {
    port: await listening(server),
    letOne,
    letAll: () => {
      open = true
      while (held.length > 0) letOne()
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
