import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import type { Credential } from '../../shared/credentials/credential.ts'
import type { Account, MintedAccount, Minter } from '../../shared/credentials/credential-provider.ts'
import { mysql } from '../../shared/credentials/mysql.ts'
import type { MysqlScope } from '../../shared/credentials/mysql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import type { ReadSecret } from '../../shared/credentials/secret-reference.ts'
import { type MysqlServer, startMysqlServer } from './mysql-server.ts'

export type Rows = RowDataPacket[]

/** A database server that logs every statement, and ways to look at it. */
export interface Fixture {
  readonly server: MysqlServer
  readonly authority: string
  /** The folder of the authority's own key. */
  readonly authorityFolder: string
  /** One that did not sign the server's certificate. */
  readonly otherAuthority: string
  /** The Key Vault stand-in: the text and version of each secret. */
  readonly secrets: Map<string, { readonly text: string; readonly version: string }>
  superuser<T>(work: (root: Connection) => Promise<T>): Promise<T>
  /** The accounts of that name that can and cannot log in, from whichever hosts. */
  accounts(user: string): Promise<Rows>
  log(): Promise<string>
  stop(): Promise<void>
}

const prepared = (passwords: { minter: string; revoker: string }) => [
  'CREATE DATABASE orders',
  'CREATE TABLE orders.items (id INT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(50))',
  "INSERT INTO orders.items (customer) VALUES ('a'), ('b'), ('c')",
  'CREATE TABLE orders.secrets (id INT)',
  'CREATE TABLE orders.orders (id INT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(50), amount INT)',
  "INSERT INTO orders.orders (customer, amount) VALUES ('a', 1), ('b', 2), ('c', 3)",
  'CREATE ROLE orders_read',
  'GRANT SELECT ON orders.items TO orders_read',
  'GRANT SELECT ON orders.orders TO orders_read',
  `CREATE USER minter IDENTIFIED BY '${passwords.minter}'`,
  `CREATE USER revoker IDENTIFIED BY '${passwords.revoker}'`,
  // The rights that the settings' own comment lists.
  'GRANT CREATE USER ON *.* TO minter',
  'GRANT UPDATE ON mysql.* TO minter',
  'GRANT orders_read TO minter WITH ADMIN OPTION',
  'GRANT ALL ON orders.* TO minter WITH GRANT OPTION',
  'GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO revoker',
  'GRANT SELECT (Host, User) ON mysql.user TO revoker',
]

/** The server's own log holds statements as they come, so passwords are set while it does not listen. */
const unlogged = 'SET SESSION sql_log_off = 1'

export async function startFixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const authority = await openCertificateAuthority(folder)
  const server = await startMysqlServer(authority)
  const passwords = { minter: password(), revoker: password() }
  const superuser: Fixture['superuser'] = async work => {
    const root = await createConnection({
      socketPath: server.socketPath,
      user: 'root',
      multipleStatements: true,
      connectTimeout: 60_000,
    })
    return work(root).finally(() => root.destroy())
  }
  const preparing = superuser(async root => {
    await root.query(unlogged)
    await root.query(prepared(passwords).join('; '))
  })
  await preparing.catch(async error => {
    await server.stop()
    throw error
  })
  return {
    server,
    authority: authority.certificate,
    authorityFolder: folder,
    otherAuthority: (await openCertificateAuthority(join(folder, 'other'))).certificate,
    secrets: new Map(Object.entries(passwords).map(([name, text]) => [name, { text, version: '1' }] as const)),
    superuser,
    accounts: user =>
      superuser(async root => {
        const query = `SELECT Host AS host, JSON_VALUE(Priv, '$.account_locked') AS locked
                         FROM mysql.global_priv WHERE User = ?`
        return (await root.query<Rows>(query, [user]))[0]
      }),
    log: () => readFile(server.logFile, 'utf8'),
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true })
    },
  }
}

/** A minter on the fixture's server; `settings` replaces single settings. */
export function openMinter(
  fixture: Fixture,
  settings: Record<string, unknown> = {},
  now: () => number = Date.now,
): Minter<MysqlScope> {
  const readSecret: ReadSecret = async ({ secret: name }) => {
    const { text = '', version = '1' } = fixture.secrets.get(name) ?? {}
    return { secret: new Secret(text), version }
  }
  const provider = mysql({ readSecret, now })
  return provider.open(provider.settings.parse({ ...targetSettings(fixture), ...settings }))
}

export function targetSettings({ server, authority }: Fixture): Record<string, unknown> {
  return {
    host: 'localhost',
    port: server.port,
    database: 'orders',
    admin: { user: 'minter', password: { vault: 'corp', secret: 'minter' } },
    revoker: { user: 'revoker', password: { vault: 'corp', secret: 'revoker' } },
    tls: { ca: authority },
  }
}

export const read: MysqlScope = { grants: [{ privileges: ['SELECT'], on: 'orders.items' }] }
export const everything: MysqlScope = {
  grants: [
    {
      privileges: [
        'SELECT',
        'INSERT',
        'CREATE',
        'DROP',
        'CREATE VIEW',
        'SHOW VIEW',
        'TRIGGER',
        'CREATE ROUTINE',
        'EVENT',
      ],
      on: 'orders.*',
    },
  ],
}

export function anAccount(overrides: Partial<Account<MysqlScope>> = {}): Account<MysqlScope> {
  return {
    name: `cw_test_${randomBytes(10).toString('hex')}`,
    scopes: [read],
    expiresAt: Date.now() + 900_000,
    mintUntil: Date.now() + 10_000,
    ...overrides,
  }
}

/** Logs in with nothing but the credential's fields, runs one statement, and logs out. */
export async function ask(credential: Credential, sql: string): Promise<Rows> {
  const session = await openSession(credential)
  try {
    return (await session.query<Rows>(sql))[0]
  } finally {
    session.destroy()
  }
}

export async function openSession({ fields }: Credential): Promise<Connection> {
  const session = await createConnection({
    host: String(fields['host']),
    port: Number(fields['port']),
    database: String(fields['database']),
    user: String(fields['username']),
    password: text(fields['password']),
    ssl: { ca: String(fields['caCertificate']), verifyIdentity: true },
  })
  session.on('error', () => {})
  return session
}

/** A login that has told its name and was asked for its proof; `finish` proves itself and tells whether it was let in. */
export async function beginLogin({ fields }: Credential): Promise<{ finish(): Promise<boolean> }> {
  const raw = connect(Number(fields['port']), 'localhost')
  await once(raw, 'data')
  const flags = Buffer.alloc(32)
  // PROTOCOL_41, SSL, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH; utf8mb4
  flags.writeUInt32LE(0x8_aa00, 0)
  flags.writeUInt32LE(1 << 24, 4)
  flags[8] = 45
  raw.write(packet(1, flags))
  const socket = connectTls({ socket: raw, servername: 'localhost', ca: String(fields['caCertificate']) })
  socket.on('error', () => {})
  const closed = once(socket, 'close').then(() => [])
  await once(socket, 'secureConnect')
  const none = Buffer.from([0])
  const names = [Buffer.from(String(fields['username'])), none, none, Buffer.from('another_plugin'), none]
  const [question] = await answered(socket, packet(2, Buffer.concat([flags, ...names])))
  const scramble = question?.subarray(-21, -1) ?? none
  return {
    finish: async () => {
      const proof = packet(4, proofOf(text(fields['password']), scramble))
      const [answer] = await Promise.race([closed, answered(socket, proof)])
      return answer instanceof Buffer && answer[4] === 0
    },
  }
}

async function answered(socket: TLSSocket, bytes: Buffer): Promise<Buffer[]> {
  const answer = once(socket, 'data')
  answer.catch(() => {})
  socket.write(bytes)
  return answer
}

function packet(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4)
  header.writeUIntLE(payload.length, 0, 3)
  header[3] = sequence
  return Buffer.concat([header, payload])
}

/** `mysql_native_password`: SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password))). */
function proofOf(secret: string, scramble: Buffer): Buffer {
  const sha1 = (...parts: Buffer[]) => createHash('sha1').update(Buffer.concat(parts)).digest()
  const once = sha1(Buffer.from(secret))
  const mask = sha1(scramble, sha1(once))
  return Buffer.from(once.map((byte, index) => byte ^ (mask[index] ?? 0)))
}

export function text(field: unknown): string {
  if (!(field instanceof Secret)) throw new TypeError('expected a secret')
  return field.reveal()
}

export function password(): string {
  return randomBytes(24).toString('base64url')
}

export async function namesOf(accounts: AsyncIterable<MintedAccount>): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of accounts) names.push(name)
  return names
}

/** Asks again until it is so; the test's own time-out ends it otherwise. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(20)
}
