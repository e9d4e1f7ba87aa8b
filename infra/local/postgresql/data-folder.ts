import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPrograms, type Programs, run, type ServerUser } from './programs.ts'

/** An initialised database cluster: `data`, and beside it the server's certificate, log and host-based access file. */
export interface DataFolder {
  readonly folder: string
  readonly data: string
  /** Of the superuser `postgres`. */
  readonly password: string
  readonly programs: Programs
}

/** What `dir` keeps of a data folder, so that a restart finds it. */
interface Note {
  readonly folder: string
  readonly password: string
}

/**
 * The data folder noted in `dir`, or a new one where there is none. It is not below `dir`, since the server's user need
 * not reach that: it is below the temporary folder, in which everybody may look.
 */
export async function openDataFolder(dir: string | undefined, user: ServerUser | undefined): Promise<DataFolder> {
  const note = dir === undefined ? undefined : join(dir, 'postgresql.json')
  if (note !== undefined && existsSync(note)) {
    const { folder, password }: Note = JSON.parse(await readFile(note, 'utf8'))
    const data = join(folder, 'data')
    if (existsSync(data)) return { folder, data, password, programs: await findPrograms(folder, user) }
  }
  const made = await makeDataFolder(user)
  // Noted once it is complete, so that a crash in the middle leaves nothing half-made to start from.
  if (note !== undefined) await writeNote(note, made)
  return made
}

async function writeNote(path: string, { folder, password }: Note): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, JSON.stringify({ folder, password }), { mode: 0o600 })
}

async function makeDataFolder(user: ServerUser | undefined): Promise<DataFolder> {
  // TMPDIR may be root's own.
  const folder = await mkdtemp(join(user === undefined ? tmpdir() : '/tmp', 'causeway-postgresql-'))
  try {
    await chmod(folder, 0o755)
    const data = join(folder, 'data')
    await mkdir(data, { mode: 0o700 })
    if (user !== undefined) await chown(data, user.uid, user.gid)
    const password = randomBytes(24).toString('base64url')
    const programs = await findPrograms(folder, user)
    await initialise({ folder, data, password, programs }, user)
    return { folder, data, password, programs }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** The builtin C.UTF-8 locale: Unicode rules that are the same wherever it runs, whatever is installed. */
async function initialise(
  { folder, data, password, programs }: DataFolder,
  user: ServerUser | undefined,
): Promise<void> {
  const passwordFile = join(folder, 'password')
  await writeOwned(passwordFile, password, user)
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = ['--auth=scram-sha-256', '--username=postgres', `--pwfile=${passwordFile}`]
  await run(programs.initdb, [`--pgdata=${data}`, ...access, ...locale, '--no-sync'], {
    ...user,
    cwd: folder,
    env: serverEnvironment(),
  })
  await rm(passwordFile)
}

/** Writes a file that only the server's user may read. */
export async function writeOwned(path: string, text: string, user: ServerUser | undefined): Promise<void> {
  await rm(path, { force: true })
  await writeFile(path, text, { mode: 0o600 })
  if (user !== undefined) await chown(path, user.uid, user.gid)
}

/** Nothing of ours that PostgreSQL would read (`PGDATA`, `PGOPTIONS`, `LC_*`), and messages in English. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot } = process.env
  return { PATH, LC_ALL: 'C', TZ: 'UTC', ...(SystemRoot && { SystemRoot }) }
}
