import { execFile } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { identities } from '../../infra/local/access.ts'
import { audience } from '../../infra/local/world.ts'
import { type RunningStack, runStack } from '../running-stack.ts'
import { causeway, folderOf } from './causeway.ts'

let stack: RunningStack
let env: Record<string, string>

beforeAll(async () => {
  stack = await runStack()
  const file = join(folderOf(stack), 'token')
  await writeFile(file, `${await stack.podToken()}\n`)
  env = { CAUSEWAY_TOKEN_FILE: file, CAUSEWAY_URL: stack.gateway.url }
})
afterAll(() => stack?.stop())

/** What a shell has after it read the exports. */
async function shellHas(exports: string, names: readonly string[]): Promise<readonly string[]> {
  const script = `${exports}\nprintf '%s\\0' ${names.map(name => `"$${name}"`).join(' ')}`
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script], { env: {} })
  return stdout.split('\0').slice(0, -1)
}

describe('exchange', () => {
  test('prints a credential that logs in, as a shell and libpq take it', async () => {
    const { code, out, err } = await causeway(['exchange', 'orders-db', '--scope', 'read', '--psql'], env)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const names = ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGPASSWORD', 'PGSSLMODE']
    const [host = '', port, database = '', user = '', password = '', mode] = await shellHas(out, names)
    expect(mode).toBe('verify-full')
    const client = new Client({
      ...{ host, port: Number(port), database, user, password },
      ssl: { ca: stack.authority.certificate },
    })
    await client.connect()
    expect((await client.query('SELECT count(*)::int AS orders FROM orders')).rows).toEqual([{ orders: 3 }])
    await client.end()
  })

  test('keeps the authority of a target in one file, which only its user may read', async () => {
    const home = join(folderOf(stack), 'home')
    const paths = []
    for (const _ of [1, 2]) {
      const { out } = await causeway(['exchange', 'orders-db', '--psql'], { ...env, HOME: home, TMPDIR: home })
      paths.push(...(await shellHas(out, ['PGSSLROOTCERT'])))
    }
    const [path = '', again] = paths
    expect(again).toBe(path)
    expect(await readFile(path, 'utf8')).toBe(stack.authority.certificate)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700)
    expect(await readdir(home)).toEqual(['.cache'])
    expect(await readdir(dirname(path))).toHaveLength(1)
    await writeFile(path, 'another')
    await causeway(['exchange', 'orders-db', '--psql'], { ...env, HOME: home })
    expect(await readFile(path, 'utf8')).toBe(stack.authority.certificate)
  })

  test('keeps the authority elsewhere where there is no home', async () => {
    const nowhere = { HOME: '/dev/null', XDG_CACHE_HOME: '/dev/null/none', TMPDIR: folderOf(stack) }
    const { out } = await causeway(['exchange', 'orders-db', '--psql'], { ...env, ...nowhere })
    const [path = ''] = await shellHas(out, ['PGSSLROOTCERT'])
    expect(await readFile(path, 'utf8')).toBe(stack.authority.certificate)
  })

  test('as the README says, ends a line of commands where there is no credential', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const [, line = ''] = /print exports, for `(login=.* && psql)`/.exec(readme) ?? []
    const main = fileURLToPath(new URL('../../infra/cli/main.ts', import.meta.url))
    const run = (target: string) => {
      const script = line.replace('npx causeway', `"${process.execPath}" "${main}"`).replace('orders-db', target)
      const shell = promisify(execFile)('/bin/sh', ['-c', script.replace(/psql$/, 'echo "as $PGUSER"')], { env })
      return shell.catch((error: { stdout: string; stderr: string }) => error)
    }
    expect((await run('orders-db')).stdout).toMatch(/^as cw_/)
    expect(await run('mainframe-ftp')).toMatchObject({ stdout: '', stderr: expect.stringContaining('invalid_target') })
  })

  test('prints exports, the credential and the whole answer of the same lease', async () => {
    const exports = await causeway(['exchange', 'orders-db', '--env'], env)
    const [user, authority] = await shellHas(exports.out, ['CAUSEWAY_USERNAME', 'CAUSEWAY_CA_CERTIFICATE'])
    expect(authority).toBe(stack.authority.certificate)
    expect(JSON.parse((await causeway(['exchange', 'orders-db'], env)).out)).toMatchObject({ username: user })
    const whole = JSON.parse((await causeway(['exchange', 'orders-db', '--json'], env)).out)
    expect(whole).toMatchObject({ token_type: 'N_A', credential: { username: user } })
  })

  test('says on standard error why there is none, and prints nothing else', async () => {
    const denied = await causeway(['exchange', 'mainframe-ftp'], env)
    expect(denied).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/400 invalid_target.*decision [0-9a-f-]+/),
    })
    const missing = await causeway(['exchange', 'orders-db'], { ...env, CAUSEWAY_TOKEN_FILE: '/no/such' })
    expect(missing).toMatchObject({ code: 1, out: '', err: expect.stringContaining('cannot read the token') })
    expect((await causeway(['exchange', 'orders-db', '--env', '--json'], env)).code).toBe(1)
  })
})

describe('doctor', () => {
  const run = (...args: readonly string[]) => causeway(['doctor', ...args, '--stack', folderOf(stack)])

  test('says of a target step by step what is well, by the timer that the gateway runs itself', async () => {
    const { code, out, err } = await run('orders-db')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^ok {4}connect: /m)
    expect(out).toMatch(/^\? {5}admin-password: expected .* found: cannot be told/m)
  })

  test('says of an issuer and a token what is wrong, with the rule for the workload', async () => {
    const well = await run('issuer', 'aks-local', '--token-file', env['CAUSEWAY_TOKEN_FILE'] ?? '')
    expect(well).toMatchObject({ code: 0, out: expect.stringContaining('"namespace": "payments"') })
    const file = join(folderOf(stack), 'other-token')
    await writeFile(file, await stack.cluster.token({ ...pod, audiences: ['api://another'] }))
    const wrong = await run('issuer', 'aks-local', '--token-file', file)
    expect(wrong).toMatchObject({
      code: 2,
      out: expect.stringMatching(/^FAIL {2}token_audience: .*found: api:\/\/another/m),
    })
    expect(await run('issuer', 'no-such')).toMatchObject({ code: 1, out: '', err: expect.stringContaining('404') })
  })

  test('signs in as DefaultAzureCredential does', async () => {
    const { endpoint, header } = stack.identity
    const answer = await causeway(['doctor', 'orders-db', '--url', stack.gateway.url, '--audience', audience], {
      ...{ IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header, AZURE_CLIENT_ID: identities.infra.clientId },
      AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential',
    })
    // It is let in, and has no role: whoever deploys is no operator.
    expect(answer).toMatchObject({ code: 1, err: expect.stringContaining('403 expected the app role Trust.Write') })
  })
})

const pod = { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-x2x7k' }
