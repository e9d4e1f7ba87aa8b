import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunningStack } from '../running-stack.ts'

/** What a run of the command came to. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

const main = fileURLToPath(new URL('../../infra/cli/main.ts', import.meta.url))

/** Runs the command in a process of its own, with no environment but what is given. */
export function causeway(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const { PATH = '', HOME = '' } = process.env
  return new Promise(resolve => {
    execFile(process.execPath, [main, ...args], { env: { PATH, HOME, ...env } }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err })
    })
  })
}

/** The folder of a stack that runs. */
export function folderOf({ authority }: Pick<RunningStack, 'authority'>): string {
  return dirname(dirname(authority.path))
}

/** A new folder with these files; `remove` takes it away. */
export async function folderWith(files: Readonly<Record<string, unknown>>) {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const write = async (name: string, content: unknown) => {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  for (const [name, content] of Object.entries(files)) await write(name, content)
  return { folder, write, remove: () => rm(folder, { recursive: true, force: true }) }
}
