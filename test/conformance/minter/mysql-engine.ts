import { type Connection, createConnection, escapeId } from 'mysql2/promise'
import type { Credential } from '../../../shared/credentials/credential.ts'
import { nativeVerifier } from '../../../shared/credentials/mysql-verifier.ts'
import {
  beginLogin,
  type Fixture,
  openSession,
  type Rows,
  startFixture,
  targetSettings,
  text,
  until,
} from '../../credentials/mysql-fixture.ts'
import { missingServer } from '../../credentials/mysql-server.ts'
import type { Engine, RunningEngine, Session } from './engine.ts'
import { fill, obstruct, startStatement } from './mysql-obstacles.ts'
import { statements } from './mysql-statements.ts'

const users = { admin: 'minter', revoker: 'revoker' }
const onOrders = (...privileges: string[]) => ({ privileges, on: 'orders.orders' })
const write = onOrders('SELECT', 'INSERT', 'UPDATE', 'DELETE')
const makeObjects = {
  privileges: ['CREATE', 'CREATE VIEW', 'SHOW VIEW', 'CREATE ROUTINE', 'EXECUTE', 'TRIGGER'],
  on: 'orders.*',
}

/** MariaDB as Debian brings it. */
export const mysqlEngine: Engine = {
  kind: 'mysql',
  name: 'MariaDB',
  missing: missingServer(),
  expires: false,
  named: false,
  objectsStay: false,
  start: async () => {
    const fixture = await startFixture()
    await fixture.superuser(root =>
      root.query(`CREATE TABLE orders.watched (id INT);
        GRANT SHOW VIEW, SELECT, TRIGGER, EVENT, EXECUTE ON orders.* TO revoker`),
    )
    return running(fixture)
  },
}

function running(fixture: Fixture): RunningEngine {
  const asRoot = (sql: string) => fixture.superuser(root => root.query(sql))
  return {
    settings: targetSettings(fixture),
    secrets: fixture.secrets,
    scopes: {
      read: { grants: [onOrders('SELECT')] },
      write: { grants: [write] },
      build: { grants: [write, makeObjects, { privileges: ['SELECT', 'UPDATE', 'INSERT'], on: 'orders.watched' }] },
    },
    statements,
    otherAuthority: fixture.otherAuthority,
    login: async credential => sessionOf(await openSession(credential)),
    // The driver knows no `ssl-mode`: what other clients read there, it is told here.
    loginByUri: uri => connected({ uri: uri.replace(/\?.*/, ''), ssl: { verifyIdentity: true } }),
    beginLogin,
    loginInClear: ({ fields }) =>
      connected({ ...reached(fields), user: String(fields['username']), password: text(fields['password']) }),
    superuser: work => fixture.superuser(root => root.query('USE orders').then(() => work(sessionOf(root)))),
    accounts: async name => (await fixture.accounts(name)).length,
    sessions: user => count(fixture, 'USER = ?', user),
    endSessions: async user => {
      await asRoot(`KILL CONNECTION USER ${user}`)
      await until(async () => (await count(fixture, 'USER = ?', user)) === 0)
    },
    startStatement: session => startStatement(fixture, session),
    isDenied: error => [1044, 1142, 1143, 1227, 1370, 1959].includes(numberOf(error)),
    isLockedOut: error => [1045, 1698, 4151].includes(numberOf(error)),
    setPassword: async (login, password) =>
      void (await asRoot(`ALTER USER ${users[login]} IDENTIFIED VIA mysql_native_password
                          USING '${nativeVerifier(password)}'`)),
    make: name => make(fixture, name),
    roleScope: role => ({ role }),
    fill: () => fill(fixture),
    obstruct: account => obstruct(fixture, account.name),
    log: fixture.log,
    halt: fixture.server.halt,
    resume: fixture.server.resume,
    stop: fixture.stop,
  }
}

function sessionOf(connection: Connection): Session {
  return {
    ask: async sql => (await connection.query<Rows>(sql))[0],
    end: async () => connection.destroy(),
  }
}

async function connected(options: Parameters<typeof createConnection>[0]): Promise<Session> {
  const connection = await createConnection(options)
  connection.on('error', () => {})
  return sessionOf(connection)
}

function reached(fields: Credential['fields']) {
  return { host: String(fields['host']), port: Number(fields['port']), database: String(fields['database']) }
}

async function count(fixture: Fixture, condition: string, value: string): Promise<number> {
  const query = `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE ${condition}`
  return (await fixture.superuser(root => root.query<Rows>(query, [value])))[0][0]?.['n']
}

function numberOf(error: unknown): number {
  return error instanceof Error && 'errno' in error ? Number(error.errno) : 0
}

async function make(fixture: Fixture, name: string): Promise<boolean> {
  const made = fixture.superuser(async root => {
    const quoted = escapeId(name, true)
    await root.query(`CREATE DATABASE ${quoted}; CREATE ROLE ${quoted}; GRANT ${quoted} TO minter WITH ADMIN OPTION`)
    const pattern = escapeId(name.replace(/[\\%_]/g, String.raw`\$&`), true)
    await root.query(`GRANT SELECT ON ${pattern}.* TO ${quoted}`)
    const found = `SELECT COUNT(*) AS n FROM information_schema.SCHEMATA JOIN mysql.user ON User = SCHEMA_NAME
                    WHERE SCHEMA_NAME = ? AND is_role = 'Y'`
    return (await root.query<Rows>(found, [name]))[0][0]?.['n'] === 1
  })
  return made.catch(() => false)
}
