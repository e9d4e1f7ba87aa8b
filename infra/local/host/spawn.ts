import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type Command, reply } from './control.ts'

export interface HostOptions {
  /** The folder of the function app: package.json with its `main`, host.json. */
  readonly app: string
  /** Any free port by default. */
  readonly port?: number
  /** The whole environment of the app, but for `PATH` and `HOME`. */
  readonly env: Readonly<Record<string, string>>
  /** Takes every line that the app prints. */
  readonly onOutput?: (line: string) => void
}

/** A function app that runs in a process of its own. */
export interface Host {
  readonly url: string
  readonly pid: number
  /** The exit code, null where a signal ended it. */
  readonly exited: Promise<number | null>
  /** Runs a timer function now; resolves when it has ended, rejects with its message when it threw. */
  runTimer(name: string): Promise<void>
  /** Lets what runs end, runs the app's terminate hooks; kills it after ten seconds. */
  stop(): Promise<void>
  kill(signal: NodeJS.Signals): void
}

const main = fileURLToPath(new URL('main.ts', import.meta.url))
const killAfter = 10_000
const keptLines = 100

/** Starts a host and resolves when it listens. Rejects with what the app printed if it exits before. */
export async function startHost(options: HostOptions): Promise<Host> {
  const { app, port = 0, env } = options
  const child = fork(main, ['--app', app, '--port', String(port)], {
    env: { ...basics(), ...env },
    execArgv: workerArguments(env),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const url = await readUrl(child, options)
  return { url, pid: child.pid ?? 0, exited, ...controls(child, exited) }
}

/**
 * What an app setting makes the Functions host start Node with; the parent's own options (a test runner's, say) are not
 * the app's. https://learn.microsoft.com/azure/azure-functions/functions-reference-node#languageworkers__node__arguments
 */
function workerArguments({ languageWorkers__node__arguments: given = '' }: HostOptions['env']): string[] {
  return given.split(' ').filter(argument => argument !== '')
}

function basics(): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH, HOME }
}

const listening = z.object({ listening: z.string() })

/** The URL on the line that says so; every other line is the app's. */
function readUrl(child: ChildProcess, { onOutput }: HostOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const printed: string[] = []
    let ready = false
    const take = (line: string) => {
      const url = ready ? undefined : parseListening(line)
      if (url) {
        ready = true
        return resolve(url)
      }
      if (!ready) printed.splice(0, printed.push(line) - keptLines)
      onOutput?.(line)
    }
    readLines(child.stdout, take)
    readLines(child.stderr, take)
    child.once('error', reject)
    // "close" comes after the last line, "exit" may come before it.
    child.once('close', code =>
      reject(new Error(printed.join('\n') || `the host exited with ${code} before it listened`)),
    )
  })
}

function parseListening(line: string): string | undefined {
  if (!line.startsWith('{"listening":')) return undefined
  return listening.safeParse(JSON.parse(line)).data?.listening
}

function readLines(stream: Readable | null, take: (line: string) => void): void {
  if (stream) createInterface({ input: stream }).on('line', take)
}

type Controls = Pick<Host, 'runTimer' | 'stop' | 'kill'>

function controls(child: ChildProcess, exited: Promise<number | null>): Controls {
  const runs = new Map<number, PromiseWithResolvers<void>>()
  child.on('message', message => settle(runs, message))
  child.once('exit', () => {
    for (const run of runs.values()) run.reject(new Error('the host has stopped'))
  })
  let lastId = 0
  return {
    kill: signal => void child.kill(signal),
    async runTimer(name) {
      const run = Promise.withResolvers<void>()
      const id = ++lastId
      runs.set(id, run)
      send(child, { do: 'run-timer', id, name }, run.reject)
      await run.promise
    },
    async stop() {
      // A host that cannot be told any more has stopped, or is about to.
      send(child, { do: 'stop' }, () => {})
      const timer = setTimeout(() => child.kill('SIGKILL'), killAfter)
      await exited.finally(() => clearTimeout(timer))
    },
  }
}

function settle(runs: Map<number, PromiseWithResolvers<void>>, message: unknown): void {
  const { id, error } = reply.parse(message)
  const run = runs.get(id)
  runs.delete(id)
  if (error === undefined) run?.resolve()
  else run?.reject(new Error(error))
}

function send(child: ChildProcess, command: Command, onFailure: (error: Error) => void): void {
  child.send(command, error => error && onFailure(error))
}
