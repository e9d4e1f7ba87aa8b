import dns from 'node:dns'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { SecretClient } from '@azure/keyvault-secrets'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Certificate, openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { type KeyVaultOptions, type LocalKeyVault, startKeyVault } from '../../../infra/local/key-vault/key-vault.ts'

const authority = 'https://localhost:1/2b7e8f3c-9f55-4b7e-9a53-1f0c3f1a7b11'

let certificate: Certificate
let dir: string
let vault: LocalKeyVault

beforeAll(async () => {
  const authorityDir = await mkdtemp(join(tmpdir(), 'vault-ca-'))
  const certificates = await openCertificateAuthority(authorityDir)
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificates.certificate])
  certificate = await certificates.issue()
  await rm(authorityDir, { recursive: true })
})

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'vault-'))
  vault = await start()
})

afterEach(async () => {
  await vault.stop()
  await rm(dir, { recursive: true })
})

/** A token is `token-` and the identity's name. Everybody but `stranger` may read; `seeder` may write. */
function start(options: Partial<KeyVaultOptions> = {}): Promise<LocalKeyVault> {
  return startKeyVault({
    certificate,
    dir,
    authority,
    authenticate: async token => /^token-(\w+)$/.exec(token)?.[1],
    authorize: (identity, action) => (action === 'get' ? identity !== 'stranger' : identity === 'seeder'),
    ...options,
  })
}

const asked: string[] = []

function credential(identity: string) {
  return {
    getToken: async (scopes: string | string[]) => {
      asked.push(String(scopes))
      return { token: `token-${identity}`, expiresOnTimestamp: Date.now() + 3_600_000 }
    },
  }
}

function client(identity: string): SecretClient {
  const options = { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } }
  return new SecretClient(vault.url, credential(identity), options)
}

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${vault.url}${path}?api-version=7.6`, { headers })
}

test('what one identity sets with the unmodified SecretClient another reads, with every attribute', async () => {
  const notBefore = new Date('2026-01-01T00:00:00Z')
  const expiresOn = new Date('2027-01-01T00:00:00Z')
  const options = { contentType: 'text/plain', tags: { owner: 'orders' }, notBefore, expiresOn }
  const set = await client('seeder').setSecret('orders-db-admin', 'hunter2', options)
  const read = await client('gateway').getSecret('orders-db-admin')
  expect(read.value).toBe('hunter2')
  expect(read.properties).toMatchObject({ ...options, enabled: true, version: set.properties.version })
  expect(read.properties.vaultUrl).toBe(vault.url)
  expect(asked).toContain('https://vault.azure.net/.default')
})

test('without a version the newest is served; with one, that one', async () => {
  const { version } = vault.set('api-key', 'old')
  vault.set('api-key', 'new')
  expect((await client('gateway').getSecret('api-key')).value).toBe('new')
  expect((await client('gateway').getSecret('api-key', { version })).value).toBe('old')
})

test('the versions of a secret are listed without their values', async () => {
  const versions = [vault.set('api-key', 'old').version, vault.set('api-key', 'new').version]
  const listed: (string | undefined)[] = []
  for await (const { version } of client('gateway').listPropertiesOfSecretVersions('api-key')) listed.push(version)
  expect(listed).toEqual(versions)
  const body = await (await get('/secrets/api-key/versions', { authorization: 'Bearer token-gateway' })).text()
  expect(body).not.toContain('"value":"')
})

test('secrets that have expired or are not valid yet are served', async () => {
  vault.set('expired', 'a', { expiresOn: new Date('2020-01-01') })
  vault.set('early', 'b', { notBefore: new Date('2100-01-01') })
  expect((await client('gateway').getSecret('expired')).properties.expiresOn).toEqual(new Date('2020-01-01'))
  expect((await client('gateway').getSecret('early')).properties.notBefore).toEqual(new Date('2100-01-01'))
})

test('a disabled newest version hides the older ones, and is refused as SecretDisabled', async () => {
  vault.set('api-key', 'old')
  vault.set('api-key', 'new', { enabled: false })
  await expect(client('gateway').getSecret('api-key')).rejects.toMatchObject({
    statusCode: 403,
    code: 'Forbidden',
    details: { error: { innerError: { code: 'SecretDisabled' } } },
  })
})

test('an unknown secret and an unknown version are SecretNotFound', async () => {
  vault.set('api-key', 'old')
  const notFound = { statusCode: 404, code: 'SecretNotFound' }
  await expect(client('gateway').getSecret('nothing')).rejects.toMatchObject(notFound)
  await expect(client('gateway').getSecret('api-key', { version: '0'.repeat(32) })).rejects.toMatchObject(notFound)
})

test('an identity without the role is refused by RBAC, for reading and for writing, and nothing is written', async () => {
  vault.set('api-key', 'value')
  const forbidden = { statusCode: 403, details: { error: { innerError: { code: 'ForbiddenByRbac' } } } }
  await expect(client('stranger').getSecret('api-key')).rejects.toMatchObject(forbidden)
  await expect(client('gateway').setSecret('api-key', 'mine')).rejects.toMatchObject(forbidden)
  expect((await client('gateway').getSecret('api-key')).value).toBe('value')
})

test.each([
  ['no token', {}],
  ['a token that the vault does not accept', { authorization: 'Bearer forged' }],
])('%s is answered with the challenge', async (_, headers) => {
  vault.set('api-key', 'value')
  const response = await get('/secrets/api-key', headers)
  expect(response.status).toBe(401)
  const challenge = `Bearer authorization="${authority}", resource="https://vault.azure.net"`
  expect(response.headers.get('www-authenticate')).toBe(challenge)
  expect(vault.requests.get('api-key')).toBeUndefined()
})

test('a request without an api-version is a BadParameter', async () => {
  const response = await fetch(`${vault.url}/secrets/api-key`, { headers: { authorization: 'Bearer token-gateway' } })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { code: 'BadParameter' } })
})

test('a fault is met as often as it says, by the secret that it names', async () => {
  vault.set('api-key', 'value')
  vault.set('other', 'value')
  vault.faults.inject({ name: 'api-key', status: 429, retryAfter: 7, times: 1 })
  expect((await client('gateway').getSecret('other')).value).toBe('value')
  const throttled = await get('/secrets/api-key', { authorization: 'Bearer token-gateway' })
  expect(throttled.status).toBe(429)
  expect(throttled.headers.get('retry-after')).toBe('7')
  expect(await throttled.json()).toMatchObject({ error: { code: 'Throttled' } })
  expect((await client('gateway').getSecret('api-key')).value).toBe('value')
})

test('a fault without a count lasts until it is cleared', async () => {
  vault.set('api-key', 'value')
  vault.faults.inject({ status: 503 })
  const gateway = client('gateway')
  await expect(gateway.getSecret('api-key')).rejects.toMatchObject({ statusCode: 503 })
  await expect(gateway.getSecret('api-key')).rejects.toMatchObject({ statusCode: 503 })
  vault.faults.clear()
  expect((await gateway.getSecret('api-key')).value).toBe('value')
})

test('GETs are counted by secret, the challenge apart', async () => {
  vault.set('api-key', 'value')
  const gateway = client('gateway')
  await gateway.getSecret('api-key')
  await gateway.getSecret('api-key')
  expect(vault.requests).toEqual(new Map([['api-key', 2]]))
})

test('a restart keeps every secret with its version', async () => {
  const { version } = vault.set('api-key', 'value', { tags: { owner: 'orders' } })
  await vault.stop()
  vault = await start()
  const { value, properties } = await client('gateway').getSecret('api-key')
  expect({ value, version: properties.version, tags: properties.tags }).toEqual({
    value: 'value',
    version,
    tags: { owner: 'orders' },
  })
})

test('the SecretClient takes the challenge with its verification on where the vault has a name below its resource', async () => {
  await vault.stop()
  vault = await start({ host: 'corp.vault.localhost', resource: 'https://vault.localhost' })
  vault.set('api-key', 'value')
  // Most systems do not resolve names below localhost, and the certificate names localhost alone.
  const lookup: LookupFunction = (_, options, callback) => dns.lookup('localhost', options, callback)
  const options = { agent: new Agent({ lookup, servername: 'localhost' }) }
  const read = await new SecretClient(vault.url, credential('gateway'), options).getSecret('api-key')
  expect(read.value).toBe('value')
  expect(read.properties.id).toMatch(/^https:\/\/corp\.vault\.localhost:\d+\/secrets\/api-key\//)
  expect(asked.at(-1)).toBe('https://vault.localhost/.default')
})
