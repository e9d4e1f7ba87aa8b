import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { type CertificateAuthority, openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { startOnFreePort } from '../../infra/local/ports.ts'
import { serverEnvironment, writeOwned } from '../../infra/local/postgresql/data-folder.ts'
import { findServerUser, run, type ServerUser } from '../../infra/local/postgresql/programs.ts'

export const versions = ['12', '13', '14', '15', '16', '17', '18'] as const
export type Version = (typeof versions)[number]

const home = process.env['POSTGRESQL_VERSIONS'] ?? ''

/** Why there is no server of that version to test with. Thrown, not returned, where every suite must run. */
export function missingVersion(version: Version): string | undefined {
  if (home !== '' && existsSync(join(home, version, 'bin', 'postgres'))) return undefined
  const reason = 'POSTGRESQL_VERSIONS names no folder that has it: run .ci/postgresql-versions'
  if (process.env['REQUIRE_ALL_SUITES'] === '1') throw new Error(`PostgreSQL ${version}: ${reason}`)
  return reason
}

/** A PostgreSQL of one version, with the database `orders`; TLS and SCRAM over loopback alone. */
export interface VersionServer {
  readonly port: number
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string
  readonly passwords: { readonly minter: string; readonly revoker: string }
  superuser<T>(work: (client: Client) => Promise<T>, database?: string): Promise<T>
  stop(): Promise<void>
}

export async function startVersion(version: Version, preparation: readonly string[]): Promise<VersionServer> {
  const user = await findServerUser()
  // TMPDIR may be closed to the server's user.
  const folder = await mkdtemp(join(user === undefined ? tmpdir() : '/tmp', `causeway-postgresql-${version}-`))
  await chmod(folder, 0o755)
  const authority = await openCertificateAuthority(join(folder, 'authority'))
  const passwords = { superuser: 'of postgres', minter: 'of the minter', revoker: 'of the revoker' }
  await initialise({ version, folder, user, password: passwords.superuser, authority })
  const { server, port } = await startOnFreePort(undefined, async port => {
    const server = await launch({ version, folder, user, port })
    await ready(server, folder)
    return { server, port }
  }).catch(async error => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  const superuser: VersionServer['superuser'] = async (work, database = 'orders') => {
    const login = { host: 'localhost', port, database, user: 'postgres', password: passwords.superuser }
    const client = new Client({ ...login, ssl: { ca: authority.certificate } })
    await client.connect()
    return work(client).finally(() => client.end())
  }
  const stop = () => stopServer(server, folder)
  try {
    await superuser(client => client.query('CREATE DATABASE orders'), 'postgres')
    for (const statement of preparation) await superuser(client => client.query(statement))
  } catch (error) {
    await stop()
    throw error
  }
  return { port, authority: authority.certificate, passwords, superuser, stop }
}

interface Place {
  readonly version: Version
  readonly folder: string
  readonly user: ServerUser | undefined
}

async function initialise(place: Place & { password: string; authority: CertificateAuthority }): Promise<void> {
  const { version, folder, user, password, authority } = place
  const at = (name: string) => join(folder, name)
  await mkdir(at('data'), { mode: 0o700 })
  if (user !== undefined) await chown(at('data'), user.uid, user.gid)
  const { key, cert } = await authority.issue()
  const access = 'hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n'
  const files = { password, 'server.key': key, 'server.crt': cert, 'pg_hba.conf': access }
  for (const [name, text] of Object.entries(files)) await writeOwned(at(name), text, user)
  const flags = ['--auth=scram-sha-256', '--username=postgres', `--pwfile=${at('password')}`]
  await run(
    join(home, version, 'bin', 'initdb'),
    [`--pgdata=${at('data')}`, ...flags, '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...user, cwd: folder, env: serverEnvironment() },
  )
}

async function launch({ version, folder, user, port }: Place & { port: number }): Promise<ChildProcess> {
  const at = (name: string) => join(folder, name)
  const settings = {
    port,
    listen_addresses: 'localhost',
    unix_socket_directories: '',
    hba_file: at('pg_hba.conf'),
    ssl: 'on',
    ssl_cert_file: at('server.crt'),
    ssl_key_file: at('server.key'),
    password_encryption: 'scram-sha-256',
    fsync: 'off',
    shared_buffers: '16MB',
    max_prepared_transactions: '4',
    max_locks_per_transaction: '10',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = await open(at('server.log'), 'w')
  const server = spawn(join(home, version, 'bin', 'postgres'), ['-D', at('data'), ...flags], {
    ...user,
    cwd: folder,
    env: serverEnvironment(),
    stdio: ['ignore', log.fd, log.fd],
  })
  await log.close()
  // However this process ends.
  process.once('exit', () => server.kill('SIGQUIT'))
  return server
}

/** The eighth line of the pid file says so. */
async function ready(server: ChildProcess, folder: string): Promise<void> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(await readFile(join(folder, 'server.log'), 'utf8'))
    const lines = (await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    if (lines[0] === String(server.pid) && lines[7]?.trim() === 'ready') return
    await setTimeout(50)
  }
}

async function stopServer(server: ChildProcess, folder: string): Promise<void> {
  const exited = new Promise(resolve => server.once('exit', resolve))
  if (server.exitCode === null && server.kill('SIGINT')) await exited
  await rm(folder, { recursive: true, force: true })
}
