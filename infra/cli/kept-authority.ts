import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The path of a file that holds a certificate, for what takes authorities from files alone: of one certificate always the
 * same, in the user's own cache; where that cannot be written, in a new folder that nobody else can have made before.
 */
export function keptAuthority(certificate: string): string {
  const name = `ca-${createHash('sha256').update(certificate).digest('hex').slice(0, 32)}.pem`
  try {
    return keepIn(cacheFolder(), name, certificate)
  } catch {
    return keepIn(mkdtempSync(join(tmpdir(), 'causeway-')), name, certificate)
  }
}

function cacheFolder(): string {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'causeway')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** Renamed into its place, so that whoever reads meanwhile sees all of it or nothing. */
function keepIn(folder: string, name: string, certificate: string): string {
  const path = join(folder, name)
  if (contentOf(path) === certificate) return path
  const making = join(folder, `${name}.${randomUUID()}`)
  writeFileSync(making, certificate, { mode: 0o600, flag: 'wx' })
  renameSync(making, path)
  return path
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
