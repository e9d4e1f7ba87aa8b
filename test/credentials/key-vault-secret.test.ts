import { inspect } from 'node:util'
import type { KeyVaultSecret } from '@azure/keyvault-secrets'
import { beforeEach, describe, expect, test } from 'vitest'
import { keyVaultReader, type SecretGetter } from '../../shared/credentials/key-vault-reader.ts'
import { keyVaultSecret } from '../../shared/credentials/key-vault-secret.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import type { ReadSecret } from '../../shared/credentials/secret-reference.ts'
import { ExchangeError } from '../../shared/errors.ts'

const noon = Date.parse('2026-06-01T12:00:00Z')
const text = 'hunter2'
const reference = { vault: 'corp', secret: 'mainframe' }
type Properties = Partial<KeyVaultSecret['properties']>

let now: number
let monotonic: number
let value: string | undefined
let properties: Properties
/** What Key Vault answers instead, where it does. */
let failure: object | undefined
/** Each request that reached Key Vault: the secret's name and version. */
let asked: string[]
let read: ReadSecret

const vault: SecretGetter = {
  async getSecret(name, options) {
    asked.push(`${name}/${options?.version ?? 'newest'}`)
    await new Promise(setImmediate)
    if (failure) throw Object.assign(new Error(`GET https://corp.vault.azure.net/${text}`), failure)
    const found = { vaultUrl: 'https://corp.vault.azure.net', name, version: options?.version ?? '7', ...properties }
    return { name, ...(value !== undefined && { value }), properties: found }
  },
}

beforeEach(() => {
  now = noon
  monotonic = 1_000_000
  value = text
  properties = {}
  failure = undefined
  asked = []
  read = keyVaultReader({ vaults: new Map([['corp', vault]]), now: () => now, monotonic: () => monotonic })
})

function pass(milliseconds: number): void {
  now += milliseconds
  monotonic += milliseconds
}

async function failureOf(work: Promise<unknown>): Promise<ExchangeError> {
  const error = await work.catch((thrown: unknown) => thrown)
  if (!(error instanceof ExchangeError)) throw new TypeError('expected an ExchangeError')
  return error
}

describe('reading a secret', () => {
  test('tells its text and version, and its end where it has one', async () => {
    const found = await read(reference)
    expect({ ...found, secret: found.secret.reveal() }).toEqual({ secret: text, version: '7' })
    properties = { expiresOn: new Date(noon + 60_000) }
    expect((await read({ ...reference, secret: 'other' })).expiresAt).toBe(noon + 60_000)
  })

  test('asks once a minute, together for everybody who waits', async () => {
    await Promise.all(Array.from({ length: 20 }, () => read(reference)))
    pass(53_999)
    await read(reference)
    expect(asked).toEqual(['mainframe/newest'])
    pass(6_001)
    value = 'rotated'
    expect((await read(reference)).secret.reveal()).toBe('rotated')
    expect(asked.length).toBe(2)
  })

  test('reads its newest version once, whether it is asked for as the newest or by its name', async () => {
    const { version } = await read(reference)
    expect((await read(reference, version)).secret.reveal()).toBe(text)
    expect(asked).toEqual(['mainframe/newest'])
  })

  test('asks for a version by its name once another is the newest, and the newest stays what it is', async () => {
    await read(reference)
    properties = { version: '8' }
    value = 'rotated'
    pass(60_000)
    expect((await read(reference)).version).toBe('8')
    properties = {}
    value = text
    expect((await read(reference, '7')).secret.reveal()).toBe(text)
    expect((await read(reference, '8')).secret.reveal()).toBe('rotated')
    expect((await read(reference)).version).toBe('8')
    expect(asked).toEqual(['mainframe/newest', 'mainframe/newest', 'mainframe/7'])
  })

  test('that failed is remembered under no version', async () => {
    failure = { statusCode: 503 }
    await failureOf(read(reference))
    failure = undefined
    expect((await read(reference, '7')).version).toBe('7')
    expect(asked).toEqual(['mainframe/newest', 'mainframe/7'])
  })

  test('keeps versions and secrets apart', async () => {
    await read(reference)
    expect((await read(reference, '3')).version).toBe('3')
    await read({ ...reference, secret: 'other' })
    expect(asked).toEqual(['mainframe/newest', 'mainframe/3', 'other/newest'])
  })
})

describe('a secret that was read is judged on every use', () => {
  test('by its exp, and Key Vault is not asked for that', async () => {
    properties = { expiresOn: new Date(noon + 10_000) }
    await read(reference)
    pass(9_999)
    await read(reference)
    pass(1)
    expect((await failureOf(read(reference))).reason).toBe('secret_expired')
    expect(asked.length).toBe(1)
  })

  test('by its nbf, and Key Vault is not asked for that', async () => {
    properties = { notBefore: new Date(noon + 10_000) }
    expect((await failureOf(read(reference))).reason).toBe('secret_not_yet_valid')
    pass(9_999)
    expect((await failureOf(read(reference))).reason).toBe('secret_not_yet_valid')
    pass(1)
    await read(reference)
    expect(asked.length).toBe(1)
  })

  test.each<[string, Properties, string | undefined, string]>([
    ['is disabled', { enabled: false }, text, 'secret_disabled'],
    ['is empty', {}, '', 'secret_malformed'],
    ['has no value', {}, undefined, 'secret_malformed'],
  ])('one that %s is not served', async (_, judged, given, reason) => {
    properties = judged
    value = given
    expect(await failureOf(read(reference))).toMatchObject({ code: 'temporarily_unavailable', reason, retryAfter: 30 })
  })
})

describe('where Key Vault fails', () => {
  const after = (seconds: string) => ({ response: { headers: { get: () => seconds } } })
  // As the client hands them over: it spells the protocol's `innererror` in its own way.
  const disabled = { details: { error: { code: 'Forbidden', innerError: { code: 'SecretDisabled' } } } }
  test.each<[string, object, string, number]>([
    ['404', { statusCode: 404 }, 'secret_not_found', 30],
    ['403', { statusCode: 403 }, 'secret_forbidden', 30],
    ['403 for a disabled secret', { statusCode: 403, ...disabled }, 'secret_disabled', 30],
    ['401', { statusCode: 401 }, 'vault_unavailable', 2],
    ['429', { statusCode: 429 }, 'vault_throttled', 5],
    ['429 with a time to wait', { statusCode: 429, ...after('17') }, 'vault_throttled', 17],
    ['429 with a time that is out of bounds', { statusCode: 429, ...after('86400') }, 'vault_throttled', 120],
    ['429 with a time that is none', { statusCode: 429, ...after('Wed, 21 Oct') }, 'vault_throttled', 5],
    ['500', { statusCode: 500 }, 'vault_unavailable', 2],
    ['a lost connection', { code: 'ECONNRESET' }, 'vault_unavailable', 2],
    ['a time-out', { name: 'AbortError' }, 'vault_unavailable', 2],
  ])('%s is told by its reason, and nothing of its text', async (_, answer, reason, retryAfter) => {
    failure = answer
    const error = await failureOf(read(reference))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason, retryAfter, description: undefined })
    const { message, detail } = error
    expect(JSON.stringify({ message, detail })).not.toMatch(/hunter2|vault\.azure/)
  })

  test('it is asked again after five seconds, and answers 503 until then without being asked', async () => {
    failure = { statusCode: 500 }
    await failureOf(read(reference))
    failure = undefined
    pass(4_999)
    await failureOf(read(reference))
    expect(asked.length).toBe(1)
    pass(1)
    expect((await read(reference)).version).toBe('7')
  })

  test('it is left alone for as long as it asks, when it throttles', async () => {
    failure = { statusCode: 429, ...after('17') }
    await failureOf(read(reference))
    failure = undefined
    pass(16_999)
    expect((await failureOf(read(reference))).reason).toBe('vault_throttled')
    pass(1)
    await read(reference)
    expect(asked.length).toBe(2)
  })

  test('a vault that no setting names is never asked', async () => {
    expect((await failureOf(read({ vault: 'evil', secret: 'x' }))).reason).toBe('vault_unknown')
    expect(asked).toEqual([])
  })
})

describe('a credential from a secret', () => {
  const issue = (granted: object, settings: object = {}, more: readonly object[] = []) => {
    const provider = keyVaultSecret(read)
    const scopes = [granted, ...more].map(one => provider.scope.parse({ secret: reference, ...one }))
    return provider.open(provider.settings.parse(settings)).read({ scopes })
  }

  test('is the text as it stands, beside what the target says', async () => {
    const credential = await issue({}, { fields: { host: 'mainframe.corp.example', port: 21 } })
    expect(credential.secret.reveal()).toBe(text)
    expect(credential.fields).toEqual({ host: 'mainframe.corp.example', port: 21, value: expect.any(Secret) })
    expect(credential.reference).toEqual({ vault: 'corp', secret: 'mainframe', version: '7' })
    expect(inspect(credential, { depth: 9 }) + JSON.stringify(credential)).not.toContain(text)
  })

  test('is every member of a JSON secret, and every text in it stays secret', async () => {
    value = JSON.stringify({ username: 'MFBATCH', password: text, port: 21, host: 'from-the-secret' })
    const credential = await issue({ format: 'json' }, { fields: { host: 'from-the-target' } })
    expect(credential.secret.reveal()).toBe(text)
    expect(credential.fields).toMatchObject({ username: expect.any(Secret), host: expect.any(Secret), port: 21 })
    expect(inspect(credential, { depth: 9 }) + JSON.stringify(credential)).not.toMatch(/hunter2|MFBATCH/)
  })

  test('has another member as its token, where the scope says so', async () => {
    value = JSON.stringify({ apiKey: 'key-1' })
    expect((await issue({ format: 'json', token: 'apiKey' })).secret.reveal()).toBe('key-1')
  })

  test('ends when the secret does', async () => {
    properties = { expiresOn: new Date(noon + 60_000) }
    expect((await issue({})).expiresAt).toBe(noon + 60_000)
  })

  test.each<[string, string, object]>([
    ['is no JSON', `{"password": "${text}"`, {}],
    ['is a list', '["hunter2"]', {}],
    ['has members of members', '{"password":"hunter2","a":{"b":"c"}}', {}],
    ['lacks the token', '{"apiKey":"hunter2"}', {}],
    ['has a token that is no text', '{"password":7}', {}],
    ['has no member of an inherited name', '{"password":"hunter2"}', { token: 'constructor' }],
  ])('is not made of a JSON secret that %s, and the error quotes nothing of it', async (_, given, granted) => {
    value = given
    const error = await failureOf(issue({ format: 'json', ...granted }))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'secret_malformed' })
    expect(inspect(error, { depth: 9 })).not.toContain(text)
  })

  test('is of one scope: each is a secret of its own', async () => {
    const error = await failureOf(issue({}, {}, [{ secret: { ...reference, secret: 'other' } }]))
    expect(error).toMatchObject({ code: 'invalid_scope', reason: 'scopes_not_combinable' })
    expect(asked).toEqual([])
  })

  test.each<[string, unknown]>([
    ['a vault by its URL', { secret: { vault: 'https://evil.vault.azure.net', secret: 'x' } }],
    ['a secret by a path', { secret: { vault: 'corp', secret: '../keys/x' } }],
    ['a version', { secret: { ...reference, version: '7' } }],
    ['a secret in the document itself', { value: text }],
  ])('cannot be had by a scope that names %s', (_, scope) => {
    expect(keyVaultSecret(read).scope.safeParse(scope).success).toBe(false)
  })
})
