import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Keeps a second stack out of a folder. Returns what lets the next one in. Throws where one is running in it. */
export function lockFolder(dir: string): () => void {
  const path = join(dir, 'pid')
  const owner = readOwner(path)
  if (owner !== undefined && isRunning(owner)) {
    throw new Error(`a stack is running in ${dir} (process ${owner}): stop it, or name another folder with --dir`)
  }
  writeFileSync(path, String(process.pid))
  return () => rmSync(path, { force: true })
}

function readOwner(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined
  } catch {
    return undefined
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch {
    return false
  }
}
