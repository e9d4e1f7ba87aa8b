import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { type Host, startHost } from '../../infra/local/host/spawn.ts'
import { send } from '../running-stack.ts'

const app = fileURLToPath(new URL('../..', import.meta.url))

/** Complete settings. Nobody listens there: a gateway starts without asking anybody. */
const complete: Readonly<Record<string, string>> = {
  CAUSEWAY_ROLE: 'all',
  CAUSEWAY_ISSUER: 'https://causeway.example',
  CAUSEWAY_DEPLOYMENT: 'test',
  CAUSEWAY_COSMOS_ENDPOINT: 'https://localhost:9',
  CAUSEWAY_COSMOS_DATABASE: 'causeway',
  CAUSEWAY_VAULTS: '{"corp":"https://corp-kv.vault.azure.net"}',
  CAUSEWAY_DERIVATION_KEY: 'corp/derivation-key',
  CAUSEWAY_CHECKPOINT_KEY: 'corp/checkpoints',
  CAUSEWAY_OPERATORS_ISSUER: 'https://login.example/tenant/v2.0',
  CAUSEWAY_OPERATORS_AUDIENCE: 'api://causeway',
}

let host: Host | undefined
afterEach(async () => {
  await host?.stop()
  host = undefined
})

/** The problems that a gateway with these settings names when it refuses to start. */
async function problemsOf(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const outcome = await startHost({ app, env }).then(
    started => {
      host = started
      return 'it started'
    },
    (error: Error) => error.message,
  )
  const [, problems = outcome] = /The settings are not complete:\n((?: {2}.+\n?)+)/.exec(outcome) ?? []
  return problems
    .trimEnd()
    .split('\n')
    .map(line => line.trim())
}

test('with complete settings the gateway starts, and says that it is not ready while Cosmos DB is not there', async () => {
  host = await startHost({ app, env: complete })
  expect((await send(`${host.url}/health/live`, {})).status).toBe(200)
  const ready = await send(`${host.url}/health/ready`, {})
  expect({ status: ready.status, body: ready.body }).toEqual({ status: 503, body: { status: 'not ready' } })
})

test('without any setting it does not start, and lists every one that it needs', async () => {
  const problems = await problemsOf({})
  expect(problems.map(problem => problem.split(':')[0]).toSorted()).toEqual(Object.keys(complete).toSorted())
})

test('with several that are wrong it lists all of them at once, and repeats no value', async () => {
  const wrong = {
    CAUSEWAY_ROLE: 'admin-8kd2',
    CAUSEWAY_ISSUER: 'http://causeway.example/8kd2',
    CAUSEWAY_DEPLOYMENT: 'Prod-8kd2',
    CAUSEWAY_COSMOS_ENDPOINT: 'http://cosmos.example/8kd2',
    CAUSEWAY_COSMOS_DATABASE: '',
    CAUSEWAY_VAULTS: '{"corp":"https://attacker.example/8kd2"}',
    CAUSEWAY_DERIVATION_KEY: 'https://corp.example/8kd2',
    CAUSEWAY_OPERATORS_ISSUER: 'login-8kd2',
    CAUSEWAY_OPERATORS_NETWORK: 'any-8kd2',
    CAUSEWAY_IDENTITY_EXCHANGE: 'identity-8kd2',
    CAUSEWAY_REFRESH_INTERVAL: '8kd2 seconds',
    CAUSEWAY_COSMOS_KEY: 'key-8kd2',
  }
  const problems = await problemsOf({ ...complete, ...wrong })
  const named = problems.map(problem => /^\w+/.exec(problem)?.[0])
  expect(named.toSorted()).toEqual(Object.keys(wrong).toSorted())
  expect(problems.join()).not.toMatch(/8kd2|attacker/)
  expect(problems).toContain('CAUSEWAY_COSMOS_KEY: no such setting')
})

test.each<[string, string, string]>([
  ['the derivation key in a vault that is not named', 'CAUSEWAY_DERIVATION_KEY', 'other/derivation-key'],
  ['a vault over http', 'CAUSEWAY_VAULTS', '{"corp":"http://corp-kv.vault.azure.net"}'],
  ["a vault on somebody else's host", 'CAUSEWAY_VAULTS', '{"corp":"https://corp-kv.vault.azure.net.attacker.example"}'],
  ['vaults that are no JSON', 'CAUSEWAY_VAULTS', 'corp=https://corp-kv.vault.azure.net'],
  ['an issuer with a trailing slash', 'CAUSEWAY_ISSUER', 'https://causeway.example/'],
  ['an issuer over http on another machine', 'CAUSEWAY_ISSUER', 'http://causeway.example'],
  ['an interval beyond the hard limit', 'CAUSEWAY_REFRESH_INTERVAL', 'PT20S'],
])('with %s it does not start, and names the setting without its value', async (_, name, value) => {
  const problems = await problemsOf({ ...complete, [name]: value })
  expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}\\b`))])
  expect(problems.join()).not.toContain(value)
})

test('with a database of countries it starts, and with a file that is none it does not', async () => {
  const folder = 'node_modules/@ip-location-db/geo-whois-asn-country-mmdb'
  host = await startHost({
    app,
    env: { ...complete, CAUSEWAY_GEOIP_DATABASE: join(app, folder, 'geo-whois-asn-country.mmdb') },
  })
  expect((await send(`${host.url}/health/live`, {})).status).toBe(200)
  await host.stop()
  for (const [file, problem] of [
    ['README.md', 'expected a MaxMind-format database (.mmdb, not packed)'],
    ['nowhere.mmdb', 'the file cannot be read (ENOENT)'],
  ] as const) {
    const path = join(app, folder, file)
    expect(await problemsOf({ ...complete, CAUSEWAY_GEOIP_DATABASE: path })).toEqual([
      `CAUSEWAY_GEOIP_DATABASE: ${problem}`,
    ])
  }
})

test('an app of the role exchange has no management, and one of the role manage issues nothing', async () => {
  host = await startHost({ app, env: { ...complete, CAUSEWAY_ROLE: 'exchange' } })
  expect((await send(`${host.url}/manage/rules`, {})).status).toBe(404)
  expect((await send(`${host.url}/token`, {})).status).toBe(405)
  await host.stop()
  host = await startHost({ app, env: { ...complete, CAUSEWAY_ROLE: 'manage' } })
  expect((await send(`${host.url}/token`, { method: 'POST' })).status).toBe(404)
  expect((await send(`${host.url}/manage/rules`, {})).status).toBe(401)
})
