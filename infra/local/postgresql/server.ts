import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Certificate } from '../certificate-authority.ts'
import { startOnFreePort } from '../ports.ts'
import { type DataFolder, openDataFolder, serverEnvironment, writeOwned } from './data-folder.ts'
import { findServerUser, type ServerUser } from './programs.ts'

/** A running PostgreSQL. Only TLS connections over loopback, with a SCRAM-SHA-256 password. */
export interface LocalPostgresql {
  readonly host: 'localhost'
  readonly port: number
  readonly superuser: { readonly user: 'postgres'; readonly password: string }
  /** The server's own certificate, PEM. */
  readonly certificate: string
  readonly dataDir: string
  readonly logFile: string
  /** Ends every session and the server; a temporary data folder goes with it. */
  stop(): Promise<void>
}

/** `port` absent: any free one. With `dir` a restart finds its data again, without it data lasts until `stop`. */
export interface PostgresqlOptions {
  readonly port?: number
  readonly certificate: Certificate
  readonly dir?: string
  /** Server settings beside those that it needs, such as `{ log_statement: 'all' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/**
 * Starts PostgreSQL 18; it runs from any folder and as any user, root too. It ends with this process, however that
 * ends. Throws "port N is in use", or what the server logged where it does not start.
 */
export async function startPostgresql(options: PostgresqlOptions): Promise<LocalPostgresql> {
  const user = await findServerUser()
  const folder = await openDataFolder(options.dir, user)
  const discard = async () => {
    if (options.dir === undefined) await rm(folder.folder, { recursive: true, force: true })
  }
  try {
    return await startIn(folder, options, user, discard)
  } catch (error) {
    await discard()
    throw error
  }
}

async function startIn(
  folder: DataFolder,
  { port: wanted, certificate, settings, dir }: PostgresqlOptions,
  user: ServerUser | undefined,
  discard: () => Promise<void>,
): Promise<LocalPostgresql> {
  await previousServerEnded(folder)
  await writeAccess(folder, certificate, user)
  return startOnFreePort(wanted, async port => {
    const server = await launch(folder, { ...serverSettings(folder, port), ...settings }, user)
    guardServer(server, pidFile(folder), dir === undefined ? folder.folder : '')
    await ready(server, folder)
    return {
      host: 'localhost',
      port,
      superuser: { user: 'postgres', password: folder.password },
      certificate: certificate.cert,
      dataDir: folder.data,
      logFile: logFile(folder),
      stop: () => stopServer(server).then(discard),
    }
  })
}

/** After a crash of its owner the server is still shutting down; what the owner left otherwise, PostgreSQL sorts out. */
async function previousServerEnded(folder: DataFolder): Promise<void> {
  for (let look = 0; look < 100; look++) {
    const [pid] = await readPidFile(folder)
    if (pid === undefined || !isAlive(Number(pid))) return
    await setTimeout(100)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function pidFile({ data }: DataFolder): string {
  return join(data, 'postmaster.pid')
}

/** The first line is the process id, the eighth says `ready`. Empty where there is none. */
async function readPidFile(folder: DataFolder): Promise<string[]> {
  const text = await readFile(pidFile(folder), 'utf8').catch(() => '')
  return text === '' ? [] : text.split('\n').map(line => line.trim())
}

async function writeAccess(
  { folder }: DataFolder,
  { key, cert }: Certificate,
  user: ServerUser | undefined,
): Promise<void> {
  const access = ['127.0.0.1/32', '::1/128'].map(address => `hostssl all all ${address} scram-sha-256\n`)
  await writeOwned(join(folder, 'server.key'), key, user)
  await writeOwned(join(folder, 'server.crt'), cert, user)
  await writeOwned(join(folder, 'pg_hba.conf'), access.join(''), user)
}

function serverSettings({ folder }: DataFolder, port: number): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: 'localhost',
    unix_socket_directories: '',
    hba_file: join(folder, 'pg_hba.conf'),
    ssl: 'on',
    ssl_cert_file: join(folder, 'server.crt'),
    ssl_key_file: join(folder, 'server.key'),
    ssl_min_protocol_version: 'TLSv1.2',
    password_encryption: 'scram-sha-256',
    // Data needs to survive a crash of the server, not of the machine.
    fsync: 'off',
  }
}

function logFile({ folder }: DataFolder): string {
  return join(folder, 'server.log')
}

/** In a session of its own, so that Ctrl-C reaches us first and we stop it in order. */
async function launch(
  folder: DataFolder,
  settings: Record<string, string>,
  user: ServerUser | undefined,
): Promise<ChildProcess> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = await open(logFile(folder), 'w')
  const server = spawn(folder.programs.postgres, ['-D', folder.data, ...flags], {
    ...user,
    cwd: folder.folder,
    env: serverEnvironment(),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  server.unref()
  await once(server, 'spawn')
  await log.close()
  return server
}

/**
 * Waits for the end of its input, which is the end of the process that holds the other end: us, even by SIGKILL. The
 * pid file tells when the server is gone; its process may stay a zombie where nobody collects orphans (containers).
 */
const guardScript = `read -r _; kill -INT "$1"
i=0; while [ -e "$2" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
[ -z "$3" ] || rm -rf "$3"`

/** Windows has no `sh`; there a killed owner leaves its server behind. */
function guardServer(server: ChildProcess, pidFile: string, temporaryFolder: string): void {
  if (process.platform === 'win32') return
  const guard = spawn('sh', ['-c', guardScript, 'sh', String(server.pid), pidFile, temporaryFolder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.unref()
  // A server that ended by itself leaves its process id to others.
  server.once('exit', () => guard.kill('SIGKILL'))
}

async function ready(server: ChildProcess, folder: DataFolder): Promise<void> {
  for (let look = 0; look < 600 && server.exitCode === null; look++) {
    const lines = await readPidFile(folder)
    if (lines[0] === String(server.pid) && lines[7] === 'ready') return
    await setTimeout(50)
  }
  await stopServer(server)
  throw new Error(`PostgreSQL did not start: ${(await readFile(logFile(folder), 'utf8')).slice(-2000)}`)
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is written. */
async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.ref()
  const ended = once(server, 'exit')
  server.kill('SIGINT')
  await ended
}
