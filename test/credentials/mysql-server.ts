import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createConnection } from 'mysql2/promise'
import type { Certificate, CertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { startOnFreePort } from '../../infra/local/ports.ts'

const run = promisify(execFile)

/** A running MariaDB that logs every statement; TLS over loopback, its superuser through a socket alone. */
export interface MysqlServer {
  readonly port: number
  readonly socketPath: string
  readonly logFile: string
  readonly version: string
  /** What the next connections are shown, once the server was told FLUSH SSL. */
  present(certificate: Certificate): Promise<void>
  /** Ends it, and starts it again on its port and its data. */
  halt(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
}

function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map(folder => join(folder, name)).find(existsSync)
}

/** Why there is no server to test with. Thrown, not returned, where every suite must run. */
export function missingServer(): string | undefined {
  const missing = ['mariadbd', 'mariadb-install-db'].filter(name => findProgram(name) === undefined)
  if (missing.length === 0) return undefined
  const reason = `${missing.join(' and ')} not found: install Debian's mariadb-server`
  if (process.env['REQUIRE_ALL_SUITES'] === '1') throw new Error(reason)
  return reason
}

export async function startMysqlServer(authority: CertificateAuthority): Promise<MysqlServer> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-mariadb-'))
  const owner = await serverUser()
  const at = (name: string) => join(folder, name)
  const present = async ({ key, cert }: Certificate) => {
    for (const [name, text] of Object.entries({ 'key.pem': key, 'cert.pem': cert })) {
      await writeFile(at(name), text, { mode: 0o600 })
      await owned(at(name), owner)
    }
  }
  await owned(folder, owner)
  await present(await authority.issue())
  const asUser = owner ? ['--user=mysql'] : []
  const discard = () => rm(folder, { recursive: true, force: true })
  const installing = ['--no-defaults', `--datadir=${at('data')}`, '--auth-root-authentication-method=normal']
  const install = run(findProgram('mariadb-install-db') ?? '', [
    ...installing,
    '--skip-test-db',
    ...unsynced,
    ...asUser,
  ])
  await install.catch(async error => {
    await discard()
    throw new Error(`MariaDB could not be installed: ${error.stdout}${error.stderr}`)
  })
  const start = async (port: number) => {
    const server = await launch(folder, port, asUser)
    await ready(server, at).catch(async error => {
      await stopServer(server)
      throw error
    })
    return { server, port }
  }
  const started = await startOnFreePort(undefined, start).catch(async error => {
    await discard()
    throw error
  })
  const { port } = started
  let { server } = started
  return {
    port,
    socketPath: at('s'),
    logFile: at('general.log'),
    version: (await run(findProgram('mariadbd') ?? '', ['--no-defaults', '--version'])).stdout,
    present,
    halt: () => stopServer(server),
    resume: async () => {
      server = (await start(port)).server
    },
    stop: () => stopServer(server).then(discard),
  }
}

/** Data needs to survive a restart of the server, not of the machine. */
const unsynced = ['--innodb-flush-method=nosync', '--innodb-flush-log-at-trx-commit=0', '--sync-frm=0']

/** The server will not run as root: there it runs as the user that its package has made. */
async function serverUser(): Promise<number | undefined> {
  if (process.getuid?.() !== 0) return undefined
  return Number((await run('id', ['-u', 'mysql'])).stdout)
}

async function owned(path: string, user: number | undefined): Promise<void> {
  if (user !== undefined) await chown(path, user, -1)
}

async function launch(folder: string, port: number, asUser: readonly string[]): Promise<ChildProcess> {
  const at = (name: string) => join(folder, name)
  const options = {
    datadir: at('data'),
    socket: at('s'),
    'pid-file': at('pid'),
    port,
    'bind-address': '127.0.0.1',
    'ssl-cert': at('cert.pem'),
    'ssl-key': at('key.pem'),
    'general-log': 1,
    'general-log-file': at('general.log'),
    'innodb-buffer-pool-size': '16M',
    'skip-name-resolve': 1,
    'event-scheduler': 'ON',
  }
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  const log = await open(at('error.log'), 'a')
  const server = spawn(findProgram('mariadbd') ?? '', ['--no-defaults', ...flags, ...unsynced, ...asUser], {
    stdio: ['ignore', log.fd, log.fd],
  })
  await log.close()
  // However this process ends.
  process.once('exit', () => server.kill('SIGKILL'))
  return server
}

/** The superuser may come through the socket, into a folder that is closed to others. */
async function ready(server: ChildProcess, at: (name: string) => string): Promise<void> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(await readFile(at('error.log'), 'utf8'))
    try {
      const root = await createConnection({ socketPath: at('s'), user: 'root' })
      return await root.end()
    } catch {
      await setTimeout(50)
    }
  }
}

async function stopServer(server: ChildProcess): Promise<void> {
  const exited = new Promise(resolve => server.once('exit', resolve))
  if (server.exitCode === null && server.signalCode === null && server.kill('SIGTERM')) await exited
}
