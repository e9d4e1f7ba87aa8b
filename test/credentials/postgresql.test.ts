import { connect, createServer, type Server, type Socket } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { inspect } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import {
  type PostgresqlScope,
  postgresqlScope,
  postgresqlSettings,
} from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { ExchangeError, NotMinted } from '../../shared/errors.ts'
import {
  anAccount,
  type Fixture,
  login,
  openMinter,
  openSession,
  password,
  startFixture,
  targetSettings,
  text,
  until,
} from './postgresql-fixture.ts'

let fixture: Fixture
let minter: Minter<PostgresqlScope>
const { signal } = new AbortController()
const write = { role: 'orders_write' }
const read = { role: 'orders_read' }

beforeAll(async () => {
  fixture = await startFixture()
  minter = openMinter(fixture)
})
afterAll(async () => {
  await minter?.close()
  await fixture?.stop()
})

function mint(account: Account<PostgresqlScope>, by = minter) {
  return by.mint(account, new Secret(password()), signal)
}

async function failureOf(work: Promise<unknown>): Promise<ExchangeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${inspect(error)}`)
  return error
}

describe('a minted account', () => {
  it('logs in with the fields of its credential, acting as the role of its scope', async () => {
    const credential = await mint(anAccount())
    const { rows } = await login(credential, client =>
      client.query('SELECT current_user AS acting, session_user AS login, count(*)::int AS orders FROM orders'),
    )
    expect(rows).toEqual([{ acting: 'orders_read', login: credential.fields['username'], orders: 3 }])
  })

  it('logs in with its URI alone, which verifies the server', async () => {
    const credential = await mint(anAccount())
    const connectionString = text(credential.fields['uri'])
    await expect(new Client({ connectionString }).connect()).rejects.toMatchObject({
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    })
    setDefaultCACertificates([...getCACertificates('default'), fixture.authority])
    const client = new Client({ connectionString })
    await client.connect()
    const { rows } = await client.query('SELECT session_user AS login')
    await client.end()
    expect(rows).toEqual([{ login: credential.fields['username'] }])
  })

  it.each([
    ['write what it may only read', "INSERT INTO orders (customer, amount) VALUES ('x', 1)"],
    ['read after leaving its role', 'SET ROLE NONE; SELECT * FROM orders'],
    ['act as a role beyond its scope', 'SET ROLE orders_write'],
    ['act as the minter', 'SET ROLE causeway_minter'],
    ['create a role', 'CREATE ROLE another'],
    ['create a role after leaving its own', 'SET ROLE NONE; CREATE ROLE another'],
    ['hand its role on', 'SET ROLE NONE; GRANT orders_read TO causeway_revoker'],
    ['create a table', 'CREATE TABLE kept (id int)'],
    ['prolong its life', "SET ROLE NONE; ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'"],
  ])('cannot %s', async (_, statement) => {
    const credential = await mint(anAccount())
    await expect(login(credential, client => client.query(statement))).rejects.toMatchObject({ code: '42501' })
  })

  it('still acts as its scope after RESET ROLE', async () => {
    const credential = await mint(anAccount())
    const { rows } = await login(credential, async client => {
      await client.query('RESET ROLE')
      return client.query('SELECT current_user AS acting')
    })
    expect(rows).toEqual([{ acting: 'orders_read' }])
  })

  it('creates objects that belong to the role of its scope, and outlive it', async () => {
    await fixture.superuser(client => client.query('GRANT CREATE ON SCHEMA public TO orders_write'))
    const account = anAccount({ scopes: [write] })
    await login(await mint(account), client => client.query('CREATE TABLE made (id int)'))
    await minter.revoke(account, 'now', signal)
    const query = "SELECT tableowner AS owner FROM pg_tables WHERE tablename = 'made'"
    const { rows } = await fixture.superuser(client => client.query(query))
    await fixture.superuser(client => client.query('DROP TABLE made; REVOKE CREATE ON SCHEMA public FROM orders_write'))
    expect(rows).toEqual([{ owner: 'orders_write' }])
  })

  it('may log in before it expires and not after', async () => {
    const credential = await mint(anAccount({ expiresAt: Date.now() + 2000 }))
    await login(credential, client => client.query('SELECT'))
    const refused = () =>
      login(credential, client => client.query('SELECT')).then(
        () => undefined,
        error => error.code,
      )
    await until(async () => (await refused()) !== undefined)
    expect(await refused()).toBe('28P01')
  })

  it('expires by the clock of the database, however wrong ours is', async () => {
    const anHour = 3_600_000
    const now = () => Date.now() - anHour
    const ahead = openMinter(fixture, {}, now)
    const account = anAccount({ expiresAt: now() + 900_000, mintUntil: now() + 10_000 })
    await mint(account, ahead)
    await ahead.close()
    const query = `SELECT rolvaliduntil - clock_timestamp() BETWEEN '14 minutes' AND '15 minutes' AS right
                     FROM pg_roles WHERE rolname = $1`
    const { rows } = await fixture.superuser(client => client.query(query, [account.name]))
    expect(rows).toEqual([{ right: true }])
  })

  it('may hold as many sessions as the target says', async () => {
    const one = openMinter(fixture, { accountConnectionLimit: 1 })
    const credential = await mint(anAccount(), one)
    await one.close()
    const second = login(credential, () => login(credential, client => client.query('SELECT')))
    await expect(second).rejects.toMatchObject({ code: '53300' })
  })

  it('is described again without asking the database', async () => {
    const account = anAccount()
    const secret = new Secret(password())
    const nowhere = openMinter(fixture, { host: 'database.invalid' })
    const described = nowhere.describe(account, secret)
    expect(described.reference).toEqual({ account: account.name })
    expect(described.fields).toMatchObject({ username: account.name, host: 'database.invalid', database: 'orders' })
    const minted = await minter.mint(account, secret, signal)
    expect(minter.describe(account, secret)).toEqual(minted)
    expect(text(minter.describe(account, secret).fields['uri'])).toBe(text(minted.fields['uri']))
  })

  it('never shows its password to the server, whose log holds every statement', async () => {
    const account = anAccount()
    const credential = await mint(account)
    await login(credential, client => client.query('SELECT'))
    const log = await fixture.log()
    expect(log).toContain(`CREATE ROLE "${account.name}"`)
    expect(log).not.toContain(credential.secret.reveal())
    expect(log).not.toContain(fixture.secrets.get('minter')?.text)
  })
})

describe('several scopes', () => {
  it('act as the one role that covers them all', async () => {
    const credential = await mint(anAccount({ scopes: [read, write] }))
    const { rows } = await login(credential, client => client.query('SELECT current_user AS acting'))
    expect(rows).toEqual([{ acting: 'orders_write' }])
  })

  it('that no single role covers are refused, and nothing is made', async () => {
    await fixture.superuser(client =>
      client.query('CREATE ROLE audits_read; GRANT audits_read TO causeway_minter WITH ADMIN TRUE'),
    )
    const account = anAccount({ scopes: [read, { role: 'audits_read' }] })
    const error = await failureOf(mint(account))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'invalid_scope', reason: 'scopes_not_combinable' })
    expect(await fixture.roles(account.name)).toBe(0)
  })
})

describe('names', () => {
  const hostile = `a"b'; DROP TABLE orders; --\\ $$ %s é`

  it('with quotes and semicolons are names, for roles, accounts and databases', async () => {
    await fixture.superuser(async client => {
      const name = client.escapeIdentifier(hostile)
      await client.query(`CREATE ROLE ${name}`)
      await client.query(`GRANT ${name} TO causeway_minter WITH ADMIN TRUE`)
      await client.query(`CREATE DATABASE ${name}`)
    })
    const there = openMinter(fixture, { database: hostile })
    const account = anAccount({ name: `cw_"'; --é`, scopes: [{ role: hostile }] })
    const credential = await mint(account, there)
    const query = 'SELECT current_user AS acting, session_user AS login, current_database() AS database'
    const { rows } = await login(credential, client => client.query(query))
    expect(rows).toEqual([{ acting: hostile, login: account.name, database: hostile }])
    const client = new Client({ connectionString: text(credential.fields['uri']) })
    expect([client.user, client.database, client.password]).toEqual([account.name, hostile, credential.secret.reveal()])
    expect(await there.revoke(account, 'now', signal)).toMatchObject({ absent: true })
    await there.close()
  })

  it('that PostgreSQL would cut or cannot hold are refused', () => {
    const fits = (role: string) => postgresqlScope.safeParse({ role }).success
    expect(fits('x'.repeat(63))).toBe(true)
    expect(['x'.repeat(64), 'é'.repeat(32), 'a\0b', ''].filter(fits)).toEqual([])
  })

  it('of a host cannot smuggle a socket path, a login or a second host', () => {
    const fits = (host: string) => postgresqlSettings.safeParse({ ...targetSettings(fixture), host }).success
    expect(['db.corp.example', '10.0.0.1', '::1'].filter(fits)).toHaveLength(3)
    expect(['/var/run/postgresql', 'a@b', 'a,b', 'a b', 'a/b', ''].filter(fits)).toEqual([])
  })
})

it('a CA certificate that carries anything else, such as a key, is refused', () => {
  const fits = (ca: string) => postgresqlSettings.safeParse({ ...targetSettings(fixture), tls: { ca } }).success
  expect(fits(fixture.authority)).toBe(true)
  expect(fits(`${fixture.authority}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`)).toBe(false)
})

describe('a mint that comes late', () => {
  it('is refused by the database when its time has passed before it began', async () => {
    const account = anAccount({ mintUntil: Date.now() - 1 })
    const error = await failureOf(mint(account))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error.reason).toBe('mint_too_late')
    expect(await fixture.roles(account.name)).toBe(0)
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
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('is refused when a lock held it up', async () => {
    const account = anAccount({ mintUntil: Date.now() + 1000 })
    const error = await whileBlocked(account, async client => {
      await client.query('SELECT pg_sleep_until($1)', [new Date(account.mintUntil + 10)])
      await client.query('ROLLBACK')
    })
    expect(error).toBeInstanceOf(NotMinted)
    expect(error.reason).toBe('mint_too_late')
    expect(await fixture.roles(account.name)).toBe(0)
  })
})

/** Mints while another transaction holds the account's name; once the minter waits, does `then`; lets go when it has failed. */
async function whileBlocked(
  account: Account<PostgresqlScope>,
  then: (client: Client, minterPid: number) => unknown,
  { by = minter, giveUp = signal } = {},
): Promise<ExchangeError> {
  return fixture.superuser(async client => {
    await client.query('BEGIN')
    await client.query(`CREATE ROLE ${account.name}`)
    const failed = failureOf(by.mint(account, new Secret(password()), giveUp))
    const waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    let pid = 0
    await until(async () => {
      pid = (await client.query<{ pid: number }>(waiting)).rows[0]?.pid ?? 0
      return pid !== 0
    })
    await then(client, pid)
    const error = await failed
    await client.query('ROLLBACK')
    return error
  })
}

describe('what a failed mint says', () => {
  it('is "unclear" where the server ended the connection after sending', async () => {
    const account = anAccount()
    const error = await whileBlocked(account, (client, pid) => client.query('SELECT pg_terminate_backend($1)', [pid]))
    expect(error).not.toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'target_unavailable' })
  })

  it('is "unclear" where the network broke after sending, and the process lives on', async () => {
    const sockets: Socket[] = []
    const network = createServer(near => {
      const far = connect(fixture.server.port, 'localhost')
      near.pipe(far).pipe(near)
      near.on('error', () => far.destroy())
      sockets.push(near)
    })
    const remote = openMinter(fixture, { port: await listening(network) })
    const cut = () => {
      for (const socket of sockets) socket.resetAndDestroy()
    }
    const error = await whileBlocked(anAccount(), cut, { by: remote })
    await new Promise(resolve => network.close(resolve))
    expect(error).not.toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'target_unavailable' })
  })

  it('is "unclear" where the request was given up after sending', async () => {
    const request = new AbortController()
    const error = await whileBlocked(anAccount(), () => request.abort(), { giveUp: request.signal })
    expect(error).not.toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'target_unavailable' })
  })

  it('is "nothing made" where the role of a scope does not exist', async () => {
    const account = anAccount({ scopes: [{ role: 'no_such_role' }] })
    const error = await failureOf(mint(account))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ reason: 'target_refused', detail: { code: '42704' } })
  })

  it('is "nothing made" where the minter may not grant the role of a scope', async () => {
    const account = anAccount({ scopes: [{ role: 'orders_owner' }] })
    const error = await failureOf(mint(account))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ reason: 'target_refused', detail: { code: '42501' } })
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('is an internal error where the account exists, which is left as it was', async () => {
    const account = anAccount()
    const credential = await mint(account)
    const error = await failureOf(mint({ ...account, scopes: [write] }))
    expect(error).not.toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'server_error', reason: 'internal' })
    const { rows } = await login(credential, client => client.query('SELECT current_user AS acting'))
    expect(rows).toEqual([{ acting: 'orders_read' }])
  })

  it('is "nothing made" where the server is down, and names neither host nor secret', async () => {
    const nowhere = openMinter(fixture, { port: 1 })
    const secret = new Secret(password())
    const error = await failureOf(nowhere.mint(anAccount(), secret, signal))
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'target_unavailable', retryAfter: 2 })
    const shown = inspect({ ...error, cause: error.cause, text: String(error) })
    for (const hidden of [secret.reveal(), 'localhost', '127.0.0.1', 'causeway_minter'])
      expect(shown).not.toContain(hidden)
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
    expect(error).toMatchObject({ reason: 'target_unavailable', detail: { code: '28P01' } })
    await login(await mint(anAccount(), rotated), client => client.query('SELECT'))
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

  it('tells nothing to a server that offers no TLS', async () => {
    const received: Buffer[] = []
    const plain = createServer(socket => {
      socket.on('data', data => {
        received.push(data)
        socket.write('N')
      })
    })
    const downgraded = openMinter(fixture, { port: await listening(plain) })
    const error = await failureOf(mint(anAccount(), downgraded))
    await new Promise(resolve => plain.close(resolve))
    expect(error).toBeInstanceOf(NotMinted)
    expect(Buffer.concat(received).toString('hex')).toBe('0000000804d2162f')
  })

  it('that the server ends while idle neither ends this process nor fails the next mint', async () => {
    await mint(anAccount())
    const end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'causeway_minter'"
    await fixture.superuser(client => client.query(end))
    await login(await mint(anAccount()), client => client.query('SELECT'))
  })

  it('is one of as many as the target allows, however many mints there are at once', async () => {
    const bounded = openMinter(fixture, { connections: 2 })
    const before = await adminSessions()
    await Promise.all(Array.from({ length: 8 }, () => mint(anAccount(), bounded)))
    expect((await adminSessions()) - before).toBe(2)
    await bounded.close()
  })
})

async function listening(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function adminSessions(): Promise<number> {
  const query = "SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE usename = 'causeway_minter'"
  return (await fixture.superuser(client => client.query<{ sessions: number }>(query))).rows[0]?.sessions ?? 0
}

describe('a revocation', () => {
  it('ends live sessions in the middle of a query, and the account', async () => {
    const account = anAccount()
    const credential = await mint(account)
    const [busy, idle] = [await openSession(credential), await openSession(credential)]
    const sleeping = expect(busy.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: '57P01' })
    const evidence = await minter.revoke(account, 'now', signal)
    await sleeping
    expect(evidence).toMatchObject({ sessionsEnded: 2, absent: true })
    await expect(idle.query('SELECT')).rejects.toThrow()
    await expect(openSession(credential)).rejects.toMatchObject({ code: '28P01' })
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('succeeds again for an account that is gone, and for one that never was', async () => {
    const account = anAccount()
    await mint(account)
    await minter.revoke(account, 'now', signal)
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 0, absent: true })
    expect(await minter.revoke(anAccount(), 'now', signal)).toMatchObject({ sessionsEnded: 0, absent: true })
  })

  it('succeeds for everyone who revokes the same account at once', async () => {
    const account = anAccount()
    await mint(account)
    const all = await Promise.all([1, 2, 3].map(() => minter.revoke(account, 'now', signal)))
    expect(all.map(evidence => evidence.absent)).toEqual([true, true, true])
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('drops what the account itself came to own', async () => {
    await fixture.superuser(client => client.query('CREATE SCHEMA dump; GRANT ALL ON SCHEMA dump TO PUBLIC'))
    const account = anAccount()
    await login(await mint(account), client => client.query('SET ROLE NONE; CREATE TABLE dump.own (id int)'))
    await minter.revoke(account, 'now', signal)
    const { rows } = await fixture.superuser(client => client.query("SELECT to_regclass('dump.own') AS left_behind"))
    expect(rows).toEqual([{ left_behind: null }])
    expect(await fixture.roles(account.name)).toBe(0)
  })

  it('that cannot drop the account says so and leaves it locked', async () => {
    await fixture.superuser(client => client.query('CREATE SCHEMA shared; GRANT ALL ON SCHEMA shared TO PUBLIC'))
    const account = anAccount()
    const credential = await mint(account)
    await login(credential, client => client.query('SET ROLE NONE; CREATE TABLE shared.own (id int)'))
    await fixture.superuser(client => client.query('CREATE VIEW shared.depends AS SELECT * FROM shared.own'))
    expect(await failureOf(minter.revoke(account, 'now', signal))).toMatchObject({
      reason: 'target_refused',
      detail: { code: '2BP01' },
    })
    await expect(openSession(credential)).rejects.toMatchObject({ code: '28000' })
    await fixture.superuser(client => client.query('DROP VIEW shared.depends'))
    expect(await minter.revoke(account, 'now', signal)).toMatchObject({ absent: true })
  })

  it('works without a revoker of its own, by the admin', async () => {
    const alone = openMinter(fixture, { revoker: undefined })
    const account = anAccount()
    const session = await openSession(await mint(account, alone))
    expect(await alone.revoke(account, 'now', signal)).toMatchObject({ sessionsEnded: 1, absent: true })
    await expect(session.query('SELECT')).rejects.toThrow()
    await alone.close()
  })

  it('fails where the database is down', async () => {
    const nowhere = openMinter(fixture, { port: 1 })
    expect(await failureOf(nowhere.revoke(anAccount(), 'now', signal))).toMatchObject({ reason: 'target_unavailable' })
  })
})

it('lists the accounts of one deployment, and of no other that resembles it', async () => {
  const names = ['cw_list_a', 'cw_list_b', 'cw_listXc', 'cw_lis%d']
  for (const name of names) await mint(anAccount({ name }))
  const listed: string[] = []
  for await (const { name } of minter.accounts('cw_list_', signal)) listed.push(name)
  expect(listed).toEqual(['cw_list_a', 'cw_list_b'])
})
