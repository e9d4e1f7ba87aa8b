import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import { failureOfQuery } from '../../shared/credentials/postgresql-failure.ts'
import {
  type PostgresqlScope,
  postgresqlScope,
  postgresqlSettings,
} from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { ExchangeError, NotMinted } from '../../shared/errors.ts'
import { listening } from '../conformance/minter/holding-proxy.ts'
import { permitted } from './permission.ts'
import {
  anAccount,
  type Fixture,
  login,
  openMinter,
  openSession,
  password,
  startFixture,
  targetSettings,
} from './postgresql-fixture.ts'

// What only PostgreSQL has. What every engine must do: test/conformance/minter.

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
  return by.mint(account, new Secret(password()), permitted(signal))
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
  it('acts as the role of its scope', async () => {
    const { rows } = await login(await mint(anAccount()), client => client.query('SELECT current_user AS acting'))
    expect(rows).toEqual([{ acting: 'orders_read' }])
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

  it('is made with a SCRAM verifier in place of its password', async () => {
    const account = anAccount()
    const credential = await mint(account)
    const made = new RegExp(`CREATE ROLE "${account.name}"[^;]* PASSWORD 'SCRAM-SHA-256\\$4096:[0-9A-Za-z+/=]{24}\\$`)
    expect(await fixture.log()).toMatch(made)
    await login(credential, client => client.query('SELECT'))
  })
})

describe('several scopes', () => {
  it('act as the one role that covers them all', async () => {
    const credential = await mint(anAccount({ scopes: [read, write] }))
    const { rows } = await login(credential, client => client.query('SELECT current_user AS acting'))
    expect(rows).toEqual([{ acting: 'orders_write' }])
  })
})

describe('names', () => {
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

describe('what a failed mint says', () => {
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
})

it('a connection tells nothing to a server that offers no TLS', async () => {
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

it('a server without memory for one account is not taken for one that is down', () => {
  const answered = (code: string) => Object.assign(new Error('no'), { severity: 'ERROR', code })
  expect(failureOfQuery(answered('53200')).reason).toBe('target_refused')
  expect(failureOfQuery(answered('53300')).reason).toBe('target_unavailable')
})

describe('a revocation', () => {
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

  it('leaves a transaction time to finish that failed: it may go on from a savepoint', async () => {
    const account = anAccount({ scopes: [write] })
    const session = await openSession(await mint(account))
    await session.query("BEGIN; INSERT INTO orders (customer, amount) VALUES ('kept', 1); SAVEPOINT before")
    await expect(session.query('SELECT 1/0')).rejects.toThrow()
    const error = await failureOf(minter.revoke(account, 'finish-transactions', signal))
    expect(error.reason).toBe('sessions_busy')
    await session.query('ROLLBACK TO before; COMMIT')
    expect(await minter.revoke(account, 'finish-transactions', signal)).toMatchObject({ sessionsEnded: 1 })
    const kept = await fixture.superuser(client => client.query("DELETE FROM orders WHERE customer = 'kept'"))
    expect(kept.rowCount).toBe(1)
  })
})
