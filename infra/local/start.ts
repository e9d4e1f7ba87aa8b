import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { showCommands } from './commands.ts'
import { showDemo } from './demo.ts'
import { lockFolder } from './lock.ts'
import { type Stack, startStack } from './stack.ts'

interface Flags {
  readonly port: number
  readonly dir: string | undefined
  readonly once: boolean
}

/** Where Functions Core Tools listen too. */
const defaultPort = 7071

const usage = `npm start -- [--port N] [--dir D] [--once]
  --port N  where the gateway listens (default ${defaultPort}; 0: any free port)
  --dir D   where everything is kept, and stack.json (default .local)
  --once    shows the demo, then ends; without --dir, in a temporary folder and on a free port`

try {
  const flags = readFlags(process.argv.slice(2))
  await run(flags)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

function readFlags(args: readonly string[]): Flags {
  const options = {
    port: { type: 'string' },
    dir: { type: 'string' },
    once: { type: 'boolean', default: false },
  } as const
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true })
    const port = Number(values.port ?? (values.once ? 0 : defaultPort))
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('--port: expected a number up to 65535')
    return { port, dir: values.dir, once: values.once }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${usage}`)
  }
}

async function run({ port, dir: named, once }: Flags): Promise<void> {
  const temporary = once && named === undefined
  const dir = temporary ? await mkdtemp(join(tmpdir(), 'causeway-')) : resolve(named ?? '.local')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(dir)
  const log = createWriteStream(join(dir, 'gateway.log'), { flags: 'a', mode: 0o600 })
  const output: string[] = []
  const keep = (line: string) => {
    log.write(`${line}\n`)
    if (output.push(line) > 100) output.shift()
  }
  const interrupted = interruption()
  try {
    const stack = await startStack({ dir, port, onOutput: keep })
    try {
      await Promise.race([showDemo(stack, output), interrupted])
      if (!once) await stayUp(stack, dir, interrupted)
    } finally {
      await stack.stop()
    }
  } finally {
    log.end()
    unlock()
    if (temporary) await rm(dir, { recursive: true, force: true })
  }
}

/** Resolves at the first Ctrl-C, or whatever else asks this process to end. */
function interruption(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
}

async function stayUp(stack: Stack, dir: string, interrupted: Promise<void>): Promise<void> {
  showCommands(stack, dir)
  const ended = stack.gateway.exited.then(code => {
    throw new Error(`the gateway ended by itself (${code}): see ${join(dir, 'gateway.log')}`)
  })
  await Promise.race([interrupted, ended])
  console.log('\nStopping.')
  // What ends from here on is meant to.
  ended.catch(() => undefined)
}
