import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateAuthority, openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { asSuperuser, demoDatabase, prepareDemoDatabase } from '../../../infra/local/postgresql/demo-database.ts'
import { type LocalPostgresql, startPostgresql } from '../../../infra/local/postgresql/server.ts'

let folder: string
let authority: CertificateAuthority

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  authority = await openCertificateAuthority(join(folder, 'authority'))
})
afterAll(() => rm(folder, { recursive: true }))

function processIdOf(server: LocalPostgresql): Promise<number> {
  return readFile(join(server.dataDir, 'postmaster.pid'), 'utf8').then(text => Number.parseInt(text, 10))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a temporary server', () => {
  let server: LocalPostgresql
  beforeAll(async () => {
    server = await startPostgresql({ certificate: await authority.issue() })
  })
  afterAll(() => server.stop())

  function logIn(settings: object): Promise<Client> {
    const { host, port, superuser } = server
    return new Client({ host, port, database: 'postgres', ...superuser, ...settings }).connect()
  }

  it('is PostgreSQL 18, speaking TLS with the certificate it was given', async () => {
    const client = await logIn({ ssl: { ca: authority.certificate } })
    const { rows } = await client.query("SELECT current_setting('server_version_num')::int / 10000 AS major")
    await client.end()
    expect(rows).toEqual([{ major: 18 }])
  })

  it('refuses a connection without TLS', async () => {
    await expect(logIn({ ssl: false })).rejects.toMatchObject({ code: '28000' })
  })

  it('refuses a wrong password, for its superuser too', async () => {
    const ssl = { ca: authority.certificate }
    await expect(logIn({ ssl, password: 'wrong' })).rejects.toMatchObject({ code: '28P01' })
  })

  it('sorts and folds text the same whatever locale the machine has', async () => {
    const query = "SELECT upper('é') AS upper, pg_encoding_to_char(encoding) AS encoding FROM pg_database LIMIT 1"
    const { rows } = await asSuperuser(server, 'postgres', client => client.query(query))
    expect(rows).toEqual([{ upper: 'É', encoding: 'UTF8' }])
  })

  it('leaves neither process nor data once stopped', async () => {
    const other = await startPostgresql({ certificate: await authority.issue() })
    const pid = await processIdOf(other)
    await other.stop()
    await other.stop()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(other.dataDir)).toBe(false)
  })
})

describe('a server with a folder', () => {
  it('finds its data again after a stop', async () => {
    const dir = join(folder, 'kept')
    const first = await startPostgresql({ certificate: await authority.issue(), dir })
    await asSuperuser(first, 'postgres', client => client.query('CREATE TABLE kept AS SELECT 42 AS answer'))
    await first.stop()
    const second = await startPostgresql({ certificate: await authority.issue(), dir, port: first.port })
    const { rows } = await asSuperuser(second, 'postgres', client => client.query('SELECT answer FROM kept'))
    await second.stop()
    await rm(join(second.dataDir, '..'), { recursive: true })
    expect(rows).toEqual([{ answer: 42 }])
    expect(second.port).toBe(first.port)
  })

  it('ends when its owner is killed, and starts again on the same data', async () => {
    const dir = join(folder, 'killed')
    const owner = await startOwner(dir)
    const first: LocalPostgresql = JSON.parse(String((await once(owner.stdout, 'data'))[0]))
    owner.kill('SIGKILL')
    const again = await startPostgresql({ certificate: await authority.issue(), dir })
    await again.stop()
    await rm(join(again.dataDir, '..'), { recursive: true })
    expect(again.dataDir).toBe(first.dataDir)
    await expect(once(connect(first.port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  /** A process of its own that starts a server, prints what it knows, and stays. */
  async function startOwner(dir: string) {
    const certificate = JSON.stringify(await authority.issue())
    const server = JSON.stringify(new URL('../../../infra/local/postgresql/server.ts', import.meta.url).href)
    const script = join(folder, 'owner.mjs')
    const source = `import { startPostgresql } from ${server}
      const server = await startPostgresql({ certificate: ${certificate}, dir: ${JSON.stringify(dir)} })
      process.stdout.write(JSON.stringify(server))
      setInterval(() => {}, 1000)`
    await writeFile(script, source)
    return spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  }
})

it('says so where its port is in use', async () => {
  const occupant = createServer()
  await new Promise<void>(resolve => occupant.listen(0, '127.0.0.1', resolve))
  const address = occupant.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(startPostgresql({ certificate: await authority.issue(), port })).rejects.toThrow(
    `port ${port} is in use`,
  )
  await new Promise(resolve => occupant.close(resolve))
})

it('shows what it logged where it does not start', async () => {
  const settings = { no_such_setting: 'x' }
  await expect(startPostgresql({ certificate: await authority.issue(), settings })).rejects.toThrow('no_such_setting')
})

describe('the demo database', () => {
  let server: LocalPostgresql
  beforeAll(async () => {
    server = await startPostgresql({ certificate: await authority.issue() })
    await prepareDemoDatabase(server, { minter: 'first', revoker: 'first' })
    await prepareDemoDatabase(server, { minter: 'minter-password', revoker: 'revoker-password' })
  })
  afterAll(() => server.stop())

  function ask(user: string, query: string, database: string = demoDatabase.database) {
    const password = user === demoDatabase.minter ? 'minter-password' : 'revoker-password'
    const { host, port } = server
    const client = new Client({ host, port, database, user, password, ssl: { ca: authority.certificate } })
    return client.connect().then(() => client.query(query).finally(() => client.end()))
  }

  it('holds its orders once, however often it was prepared', async () => {
    const query = 'SELECT count(*)::int AS orders FROM orders'
    expect((await asSuperuser(server, 'orders', client => client.query(query))).rows).toEqual([{ orders: 3 }])
  })

  it.each([
    ['read the orders', 'SELECT * FROM orders'],
    ['act as a scope', 'SET ROLE orders_read'],
    ['create tables', 'CREATE TABLE mine (id int)'],
    ['make a superuser', 'CREATE ROLE another SUPERUSER'],
    ['hand out what it was not given', 'GRANT orders_owner TO causeway_minter'],
  ])('does not let its minter %s', async (_, query) => {
    await expect(ask(demoDatabase.minter, query)).rejects.toMatchObject({ code: '42501' })
  })

  it('lets nobody but the superuser into other databases', async () => {
    await expect(ask(demoDatabase.revoker, 'SELECT', 'postgres')).rejects.toMatchObject({ code: '42501' })
    await expect(ask(demoDatabase.minter, 'SELECT', 'template1')).rejects.toMatchObject({ code: '42501' })
  })
})

it('an owner that forgets to stop its server is not kept alive by it', async () => {
  const server = new URL('../../../infra/local/postgresql/server.ts', import.meta.url).href
  const source = `import { startPostgresql } from ${JSON.stringify(server)}
    const server = await startPostgresql({ certificate: ${JSON.stringify(await authority.issue())} })
    console.log(server.dataDir)`
  const script = join(folder, 'forgetful.mjs')
  await writeFile(script, source)
  const owner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const dataDir = (await once(owner.stdout, 'data')).toString().trim()
  await once(owner, 'exit')
  while (existsSync(dataDir)) await setTimeout(50)
})
