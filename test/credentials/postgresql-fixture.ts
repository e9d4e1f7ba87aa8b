import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { asSuperuser, demoDatabase, prepareDemoDatabase } from '../../infra/local/postgresql/demo-database.ts'
import { type LocalPostgresql, type PostgresqlOptions, startPostgresql } from '../../infra/local/postgresql/server.ts'
import type { Credential } from '../../shared/credentials/credential.ts'
import type { Account, Minter } from '../../shared/credentials/credential-provider.ts'
import { postgresql } from '../../shared/credentials/postgresql.ts'
import type { PostgresqlScope } from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import type { ReadSecret } from '../../shared/credentials/secret-reference.ts'

/** A database server that logs every statement, and ways to look at it. */
export interface Fixture {
  readonly server: LocalPostgresql
  readonly authority: string
  /** One that did not sign the server's certificate. */
  readonly otherAuthority: string
  /** The Key Vault stand-in: the text and version of each secret. */
  readonly secrets: Map<string, { readonly text: string; readonly version: string }>
  superuser<T>(work: (client: Client) => Promise<T>, database?: string): Promise<T>
  roles(name: string): Promise<number>
  /** Since it was started last. */
  log(): Promise<string>
  /** Ends the server, whose data stays, and starts it again on its port. */
  halt(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
}

/** `settings` are the server's own, beside those that the fixture needs. */
export async function startFixture(settings: Readonly<Record<string, string>> = {}): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const authority = await openCertificateAuthority(folder)
  const options: PostgresqlOptions = {
    certificate: await authority.issue(),
    dir: folder,
    settings: { log_statement: 'all', ...settings },
  }
  const server = await startPostgresql(options)
  let running = server
  const passwords = { minter: password(), revoker: password() }
  await prepareDemoDatabase(server, passwords)
  const secrets = new Map(Object.entries(passwords).map(([name, text]) => [name, { text, version: '1' }] as const))
  const superuser: Fixture['superuser'] = (work, database = demoDatabase.database) =>
    asSuperuser(server, database, work)
  return {
    server,
    authority: authority.certificate,
    otherAuthority: (await openCertificateAuthority(join(folder, 'other'))).certificate,
    secrets,
    superuser,
    roles: async name => {
      const query = 'SELECT FROM pg_roles WHERE rolname = $1'
      return (await superuser(client => client.query(query, [name]))).rowCount ?? 0
    },
    log: () => readFile(server.logFile, 'utf8'),
    halt: () => running.stop(),
    resume: async () => {
      running = await startPostgresql({ ...options, port: server.port })
    },
    stop: async () => {
      await running.stop()
      await rm(dirname(server.dataDir), { recursive: true })
      await rm(folder, { recursive: true })
    },
  }
}

/** A minter on the fixture's server; `settings` replaces single settings. */
export function openMinter(
  fixture: Fixture,
  settings: Record<string, unknown> = {},
  now: () => number = Date.now,
): Minter<PostgresqlScope> {
  const readSecret: ReadSecret = async ({ secret: name }) => {
    const { text = '', version = '1' } = fixture.secrets.get(name) ?? {}
    return { secret: new Secret(text), version }
  }
  const provider = postgresql({ readSecret, now })
  return provider.open(provider.settings.parse({ ...targetSettings(fixture), ...settings }))
}

export function targetSettings({ server, authority }: Fixture): Record<string, unknown> {
  return {
    host: server.host,
    port: server.port,
    database: demoDatabase.database,
    admin: { user: demoDatabase.minter, password: { vault: 'corp', secret: 'minter' } },
    revoker: { user: demoDatabase.revoker, password: { vault: 'corp', secret: 'revoker' } },
    tls: { ca: authority },
  }
}

export function anAccount(overrides: Partial<Account<PostgresqlScope>> = {}): Account<PostgresqlScope> {
  return {
    name: `cw_test_${randomBytes(10).toString('hex')}`,
    scopes: [{ role: demoDatabase.scopes.read }],
    expiresAt: Date.now() + 900_000,
    mintUntil: Date.now() + 10_000,
    ...overrides,
  }
}

/** Logs in with nothing but the credential's fields, runs `work`, and logs out. */
export async function login<T>(credential: Credential, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await openSession(credential)
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

export async function openSession({ fields }: Credential): Promise<Client> {
  const client = new Client({
    host: String(fields['host']),
    port: Number(fields['port']),
    database: String(fields['database']),
    user: String(fields['username']),
    password: text(fields['password']),
    ssl: { ca: String(fields['caCertificate']) },
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

export function text(field: unknown): string {
  if (!(field instanceof Secret)) throw new TypeError('expected a secret')
  return field.reveal()
}

export function password(): string {
  return randomBytes(24).toString('base64url')
}

/** Asks again until it is so; the test's own time-out ends it otherwise. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(20)
}
