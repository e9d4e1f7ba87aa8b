import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startHost } from '../../../../infra/local/host/spawn.ts'
import { exchange } from './fixture/exchange.ts'
import { fixtureApp, writeApp } from './fixture/function-app.ts'

const slow = `import { app } from '@azure/functions'
  import { appendFileSync } from 'node:fs'
  import { setTimeout as delay } from 'node:timers/promises'
  const note = text => process.env.NOTES && appendFileSync(process.env.NOTES, text + '\\n')
  app.http('slow', { methods: ['GET'], handler: async () => {
    console.log('entered')
    await delay(300)
    note('answered')
    return { body: 'done' }
  } })
  app.hook.appStart(() => note('started'))
  app.hook.appTerminate(async () => { await delay(100); note('terminated') })`

function notesFile(): string {
  return join(mkdtempSync(join(tmpdir(), 'notes-')), 'notes')
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test.each(['stop', 'SIGTERM', 'SIGINT'] as const)(
  '%s lets a running request end, then awaits the appTerminate hooks and exits 0',
  async how => {
    const notes = notesFile()
    const entered = Promise.withResolvers<void>()
    const host = await startHost({ app: writeApp(slow), env: { NOTES: notes }, onOutput: () => entered.resolve() })
    const answer = exchange(`${host.url}/slow`, { headers: { connection: 'keep-alive' } })
    await entered.promise
    if (how === 'stop') await host.stop()
    else host.kill(how)
    const { headers, body } = await answer
    expect([body.toString(), headers.connection]).toEqual(['done', 'close'])
    expect(await host.exited).toBe(0)
    expect(readFileSync(notes, 'utf8')).toBe('started\nanswered\nterminated\n')
  },
)

test('stopping a host that has stopped does nothing', async () => {
  const host = await startHost({ app: fixtureApp, env: {} })
  host.kill('SIGKILL')
  expect(await host.exited).toBe(null)
  await host.stop()
  await expect(host.runTimer('any')).rejects.toThrow()
})

test('a failing appTerminate hook is printed and makes the exit code 1', async () => {
  const lines: string[] = []
  const app = writeApp(`import { app } from '@azure/functions'
    app.http('any', { handler: () => ({}) })
    app.hook.appTerminate(() => { throw new Error('not flushed') })`)
  const host = await startHost({ app, env: {}, onOutput: line => lines.push(line) })
  await host.stop()
  expect(await host.exited).toBe(1)
  expect(lines).toEqual(['an appTerminate hook failed: Error: not flushed'])
})

function startParent(app: string): ChildProcess {
  const script = fileURLToPath(new URL('fixture/parent.ts', import.meta.url))
  return spawn(process.execPath, [script, app], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** The id of the process that wrote `notes` first. */
async function readPid(notes: string): Promise<number> {
  await expect.poll(() => existsSync(notes) && readFileSync(notes, 'utf8'), { timeout: 20_000 }).toMatch(/\n/)
  return Number(readFileSync(notes, 'utf8').split('\n')[0])
}

test.each([
  [
    'has started',
    "app.timer('note', { schedule: '0 0 0 1 1 *', runOnStartup: true, handler: () => note(process.pid) })",
    /^\d+\nterminated\n$/,
  ],
  ['is starting', 'note(process.pid); setInterval(() => {}, 1000); await new Promise(() => {})', /^\d+\n$/],
])('a host that %s is gone after its parent was killed', async (_when, start, noted) => {
  const notes = notesFile()
  const parent = startParent(
    writeApp(`import { app } from '@azure/functions'
      import { appendFileSync } from 'node:fs'
      const note = text => appendFileSync(${JSON.stringify(notes)}, text + '\\n')
      app.http('any', { handler: () => ({}) })
      app.hook.appTerminate(() => note('terminated'))
      ${start}`),
  )
  const pid = await readPid(notes)
  expect(isRunning(pid)).toBe(true)
  parent.kill('SIGKILL')
  await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false)
  expect(readFileSync(notes, 'utf8')).toMatch(noted)
})

test('a body limit that is no number does not start', async () => {
  const env = { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '64k' }
  await expect(startHost({ app: fixtureApp, env })).rejects.toThrow('FUNCTIONS_REQUEST_BODY_SIZE_LIMIT')
})

const http = (name: string, rest: string) => `import { app } from '@azure/functions'\napp.http('${name}', { ${rest} })`
const handler = 'handler: () => ({})'

test.each([
  [
    'while it loads',
    "throw new Error('CAUSEWAY_ROLE: missing\\nCOSMOS: missing')",
    'CAUSEWAY_ROLE: missing\nCOSMOS: missing',
  ],
  ['without functions', 'export {}', 'the app registered no functions'],
  [
    'with a route of the host\u2019s',
    http('one', `route: 'admin/one', ${handler}`),
    'function one: The specified route conflicts',
  ],
  [
    'with a name of the host\u2019s',
    http('runtime-one', handler),
    'function runtime-one: The specified route conflicts',
  ],
  ['with one name twice', `${http('one', handler)}\napp.http('one', { ${handler} })`, 'already been registered'],
  [
    'with a trigger that is not served',
    "import { app } from '@azure/functions'\napp.storageQueue('queue', { queueName: 'q', connection: 'c', handler: () => {} })",
    'function queue: the local host runs only',
  ],
  [
    'with a bad schedule',
    "import { app } from '@azure/functions'\napp.timer('tick', { schedule: 'hourly', handler: () => {} })",
    '"hourly" is not a schedule',
  ],
  [
    'in its appStart hook',
    `${http('one', handler)}\napp.hook.appStart(() => { throw new Error('no vault') })`,
    'no vault',
  ],
])('an app that fails %s does not start, and its message says why', async (_when, source, message) => {
  await expect(startHost({ app: writeApp(source), env: {} })).rejects.toThrow(message)
})

test('a host.json that cannot be right does not start', async () => {
  const app = writeApp('export {}', { version: '1.0' })
  await expect(startHost({ app, env: {} })).rejects.toThrow('host.json')
})

test('a busy port is one clear line', async () => {
  const host = await startHost({ app: fixtureApp, env: {} })
  const port = Number(new URL(host.url).port)
  const second = startHost({ app: fixtureApp, port, env: {} })
  await expect(second).rejects.toThrow(new Error(`port ${port} is in use`))
  await host.stop()
})

test('an app sees the environment it was given and nothing else of its parent\u2019s', async () => {
  const app = writeApp(http('names', 'handler: () => ({ jsonBody: Object.keys(process.env).sort() })'), {
    version: '2.0',
  })
  const host = await startHost({ app, env: { CAUSEWAY_ROLE: 'all' } })
  const names: string[] = JSON.parse((await exchange(`${host.url}/api/names`)).body.toString())
  expect(names.filter(name => !name.startsWith('NODE_CHANNEL'))).toEqual(['CAUSEWAY_ROLE', 'HOME', 'PATH'])
  await host.stop()
})

test('the .funcignore names everything at the top that is not deployed', () => {
  const root = fileURLToPath(new URL('../../../../', import.meta.url))
  const patterns = readFileSync(join(root, '.funcignore'), 'utf8')
    .split('\n')
    .filter(line => line && !line.startsWith('#'))
  const ignored = patterns.map(pattern => pattern.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll('*', '.*'))
  const isIgnored = new RegExp(`^(?:${ignored.join('|')})$`)
  const kept = readdirSync(root).filter(name => !isIgnored.test(name))
  expect(existsSync(join(root, 'host.json'))).toBe(true)
  expect(kept.filter(name => name !== 'dist').sort()).toEqual(['host.json', 'package.json'])
})

test("Node is started with what the app's settings say, and with nothing of whoever starts the host", async () => {
  const source = `import { app } from '@azure/functions'
    app.http('started', { methods: ['GET'], handler: () => ({ jsonBody: process.execArgv }) })`
  const app = writeApp(source, { version: '2.0', extensions: { http: { routePrefix: '' } } })
  const argument = '--max-semi-space-size=32'
  for (const [env, expected] of [
    [{}, []],
    [{ languageWorkers__node__arguments: `${argument} ` }, [argument]],
  ] as const) {
    const host = await startHost({ app, env })
    expect(JSON.parse((await exchange(`${host.url}/started`)).body.toString())).toEqual(expected)
    await host.stop()
  }
})
