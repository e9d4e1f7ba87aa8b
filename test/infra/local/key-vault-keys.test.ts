import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { send } from '../../../infra/local/callers.ts'
import { type Certificate, openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { type LocalKeyVault, startKeyVault } from '../../../infra/local/key-vault/key-vault.ts'

let certificate: Certificate
let dir: string
let vault: LocalKeyVault
let now: number

beforeAll(async () => {
  const authorityDir = await mkdtemp(join(tmpdir(), 'vault-ca-'))
  const certificates = await openCertificateAuthority(authorityDir)
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificates.certificate])
  certificate = await certificates.issue()
  await rm(authorityDir, { recursive: true })
})

beforeEach(async () => {
  now = Date.parse('2026-06-01T12:00:00Z')
  dir = await mkdtemp(join(tmpdir(), 'vault-'))
  vault = await start()
})

afterEach(async () => {
  await vault.stop()
  await rm(dir, { recursive: true })
})

const roles: Readonly<Record<string, readonly string[]>> = {
  admin: ['create', 'get', 'verify'],
  signer: ['get', 'sign', 'verify'],
  reader: ['get'],
}

/** A token is `token-` and the identity's name. */
function start(): Promise<LocalKeyVault> {
  return startKeyVault({
    certificate,
    dir,
    authority: 'https://localhost:1/2b7e8f3c-9f55-4b7e-9a53-1f0c3f1a7b11',
    authenticate: async token => /^token-(\w+)$/.exec(token)?.[1],
    authorize: () => false,
    authorizeKey: (identity, action) => roles[identity]?.includes(action) ?? false,
    now: () => now,
  })
}

const options = { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } }

function credential(identity: string) {
  return { getToken: async () => ({ token: `token-${identity}`, expiresOnTimestamp: Date.now() + 3_600_000 }) }
}

const keysOf = (identity: string) => new KeyClient(vault.url, credential(identity), options)
const cryptoOf = (identity: string, id = '') => new CryptographyClient(id, credential(identity), options)

async function sign(name: string, algorithm = 'ES256', identity = 'signer') {
  const { id } = await keysOf('reader').getKey(name)
  return cryptoOf(identity, id).sign(algorithm, digest)
}

const refused = z.object({
  error: z.object({ code: z.string(), innererror: z.object({ code: z.string() }).nullish() }),
})

const message = randomBytes(100)
const digest = createHash('sha256').update(message).digest()

async function publicKey(name: string, version?: string) {
  const { key } = await keysOf('reader').getKey(name, version === undefined ? {} : { version })
  const { kty = '', crv, x, y, n, e } = key ?? {}
  const text = (part?: Uint8Array) => Buffer.from(part ?? []).toString('base64url')
  return createPublicKey({
    key: { kty, ...(kty === 'EC' ? { crv: String(crv), x: text(x), y: text(y) } : { n: text(n), e: text(e) }) },
    format: 'jwk',
  })
}

describe('with the unmodified clients', () => {
  test('ES256 over a digest is r and s, and Node.js verifies it over the message', async () => {
    await keysOf('admin').createEcKey('log', { curve: 'P-256', tags: { of: 'log' }, keyOps: ['sign', 'verify'] })
    const key = { key: await publicKey('log'), dsaEncoding: 'ieee-p1363' } as const
    for (let round = 0; round < 20; round++) {
      const { result, keyID } = await sign('log')
      expect(result.length).toBe(64)
      expect(keyID).toBe((await keysOf('reader').getKey('log')).id)
      expect(verify('sha256', message, key, result)).toBe(true)
      expect(verify('sha256', randomBytes(100), key, result)).toBe(false)
    }
  })

  test('RS256 over a digest is what Node.js verifies over the message', async () => {
    await keysOf('admin').createRsaKey('jwt', { keySize: 2048 })
    const { result } = await sign('jwt', 'RS256')
    expect(verify('sha256', message, await publicKey('jwt'), result)).toBe(true)
  })

  test.each(['ES256', 'RS256'])('the vault verifies its own %s signatures, and no others', async algorithm => {
    vault.createKey('log', { kty: algorithm === 'ES256' ? 'EC' : 'RSA' })
    const { result } = await sign('log', algorithm)
    // The client would verify by itself if it knew the key.
    const asks = async (signature: Uint8Array, of = digest) => {
      const { id = '' } = await keysOf('reader').getKey('log')
      const path = `${id}/verify?api-version=7.6`
      const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
      const body = JSON.stringify({ alg: algorithm, digest: base64url(of), value: base64url(signature) })
      const answer = await send(path, { method: 'POST', headers: { authorization: 'Bearer token-admin' }, body })
      return answer.body
    }
    expect(await asks(result)).toEqual({ value: true })
    expect(await asks(result, createHash('sha256').update('another').digest())).toEqual({ value: false })
    const changed = Uint8Array.from(result, (byte, index) => (index === 40 ? byte ^ 1 : byte))
    expect(await asks(changed)).toEqual({ value: false })
    expect(await asks(result.subarray(1))).toEqual({ value: false })
  })

  test('the newest version signs; an older one does where it is named, and a restart keeps both', async () => {
    const first = vault.createKey('log').version
    const second = vault.createKey('log').version
    await vault.stop()
    vault = await start()
    expect((await sign('log')).keyID).toMatch(new RegExp(`/keys/log/${second}$`))
    const old = await cryptoOf('signer', `${vault.url}/keys/log/${first}`).sign('ES256', digest)
    const signed = (key: Awaited<ReturnType<typeof publicKey>>) =>
      verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, old.result)
    expect([signed(await publicKey('log', first)), signed(await publicKey('log', second))]).toEqual([true, false])
    const listed: (string | undefined)[] = []
    for await (const { version } of keysOf('reader').listPropertiesOfKeyVersions('log')) listed.push(version)
    expect(listed).toEqual([first, second])
  })
})

describe('what is refused', () => {
  const refusal = (code: string) => ({ statusCode: 403, details: { error: { innerError: { code } } } })

  test('whatever a role does not allow: creating, reading, signing', async () => {
    vault.createKey('log')
    const byRole = refusal('ForbiddenByRbac')
    await expect(keysOf('signer').createEcKey('log')).rejects.toMatchObject(byRole)
    await expect(keysOf('stranger').getKey('log')).rejects.toMatchObject(byRole)
    await expect(sign('log', 'ES256', 'admin')).rejects.toMatchObject(byRole)
  })

  test('nothing of the private key is ever told', async () => {
    vault.createKey('log')
    vault.createKey('jwt', { kty: 'RSA' })
    for (const name of ['log', 'jwt']) {
      const headers = { authorization: 'Bearer token-reader' }
      const { body } = await send(`${vault.url}/keys/${name}?api-version=7.6`, { headers })
      const members = Object.keys(body['key'] ?? {})
      expect(members).toContain('kty')
      expect(['d', 'p', 'q', 'dp', 'dq', 'qi'].filter(member => members.includes(member))).toEqual([])
    }
  })

  test('a signature by a key that is disabled, not for signing, or outside its time', async () => {
    vault.createKey('disabled', { enabled: false })
    vault.createKey('other', { operations: ['verify'] })
    vault.createKey('early', { notBefore: new Date(now + 1_000) })
    vault.createKey('late', { expiresOn: new Date(now) })
    const asked = async (name: string) => {
      const { id = '' } = await keysOf('reader').getKey(name)
      const body = JSON.stringify({ alg: 'ES256', value: digest.toString('base64url') })
      const headers = { authorization: 'Bearer token-signer' }
      const answer = await send(`${id}/sign?api-version=7.6`, { method: 'POST', headers, body })
      return [answer.status, refused.parse(answer.body).error.innererror?.code]
    }
    expect(await asked('disabled')).toEqual([403, 'KeyDisabled'])
    expect(await asked('other')).toEqual([403, 'KeyOperationForbidden'])
    expect(await asked('early')).toEqual([403, 'KeyNotYetValid'])
    expect(await asked('late')).toEqual([403, 'KeyExpired'])
  })

  test.each([
    ['an algorithm of another kind of key', 'RS256', 32],
    ['an algorithm that nobody knows', 'ES255', 32],
    ['a digest of another length', 'ES256', 48],
  ])('%s', async (_, alg, length) => {
    const { version } = vault.createKey('log')
    const url = `${vault.url}/keys/log/${version}/sign?api-version=7.6`
    const body = JSON.stringify({ alg, value: randomBytes(length).toString('base64url') })
    const answer = await send(url, { method: 'POST', headers: { authorization: 'Bearer token-signer' }, body })
    expect([answer.status, refused.parse(answer.body).error.code]).toEqual([400, 'BadParameter'])
  })

  test('a key that is not there', async () => {
    await expect(keysOf('reader').getKey('nothing')).rejects.toMatchObject({ statusCode: 404, code: 'KeyNotFound' })
  })
})

test('a key meets faults as a secret does', async () => {
  vault.createKey('log')
  vault.faults.inject({ name: 'log', status: 429, times: 1 })
  await expect(keysOf('reader').getKey('log')).rejects.toMatchObject({ statusCode: 429 })
  await expect(sign('log')).resolves.toMatchObject({ algorithm: 'ES256' })
})
