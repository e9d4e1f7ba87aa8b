import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type IssuerKeys, issuerKeys } from '../../shared/workload/issuer-keys.ts'
import { failureOf, issuerOf, issuerUrl, newSigner, type Signer } from './tokens.ts'

const discoveryUrl = `${issuerUrl}.well-known/openid-configuration`
const jwksUrl = 'https://oidc.example/tenant/cluster/openid/v1/jwks'
const [minute, hour] = [60_000, 3_600_000]

let first: Signer
let second: Signer
let elliptic: Signer
beforeAll(async () => {
  ;[first, second, elliptic] = await Promise.all([newSigner('key-1'), newSigner('key-2'), newSigner('ec-1', 'ES256')])
})

let clock: number
let published: unknown[]
let documents: Record<string, unknown>
let down: boolean
/** What each answer waits for. */
let gate: Promise<void>
let asked: string[]
let keys: IssuerKeys

beforeEach(() => {
  clock = 1_000_000
  published = [first.published]
  documents = { [discoveryUrl]: { issuer: issuerUrl, jwks_uri: jwksUrl } }
  down = false
  gate = Promise.resolve()
  asked = []
  keys = issuerKeys({
    monotonic: () => clock,
    async fetchJson(url, network) {
      asked.push(`${network} ${url.href}`)
      await gate
      if (down) throw new Error('connect ECONNREFUSED 10.0.0.7')
      return url.pathname.endsWith('/jwks') ? { keys: published } : documents[url.href]
    },
  })
})

const find = (id: string, issuer = issuerOf()) => keys.find(issuer, id)

async function unavailable(id = 'key-1', issuer = issuerOf()): Promise<void> {
  const { code, reason, description } = await failureOf(find(id, issuer))
  expect({ code, reason, description }).toEqual({
    code: 'temporarily_unavailable',
    reason: 'issuer_keys_unavailable',
    description: undefined,
  })
}

describe('the keys of an issuer', () => {
  test('are found by its discovery document, and kept', async () => {
    expect(await find('key-1')).toMatchObject({ algorithm: 'RS256' })
    expect(await find('key-1')).toBe(await find('key-1'))
    expect(asked).toEqual([`public ${discoveryUrl}`, `public ${jwksUrl}`])
  })

  test('are asked for once, however many wait for them', async () => {
    await Promise.all(Array.from({ length: 20 }, () => find('key-1')))
    expect(asked.length).toBe(2)
  })

  test('are fetched from private addresses only where the issuer says so', async () => {
    await find('key-1', issuerOf({ network: 'private' }))
    expect(asked[0]).toBe(`private ${discoveryUrl}`)
  })

  test('are never those of another issuer, nor of the same one before its document changed', async () => {
    await find('key-1')
    await find('key-1', issuerOf({ id: 'other' }))
    await find('key-1', issuerOf({ network: 'private' }))
    expect(asked.length).toBe(6)
  })
})

/** Lets keys arrive that were asked for in the background. */
async function arrived(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

describe('a rotation', () => {
  test('is seen after ten minutes: a key that was withdrawn stops counting as soon as the new ones are there', async () => {
    await find('key-1')
    published = [second.published]
    clock += 10 * minute - 1
    expect(await find('key-1')).toBeDefined()
    await arrived()
    expect(asked.length).toBe(2)
    clock += 1
    expect(await find('key-1')).toBeDefined()
    await arrived()
    expect(asked.length).toBe(4)
    expect(await find('key-1')).toBe(undefined)
    expect(await find('key-2')).toBeDefined()
  })

  test('is waited for by requests that come eleven minutes after, and no withdrawn key counts for them', async () => {
    await find('key-1')
    published = [second.published]
    clock += 11 * minute
    expect(await Promise.all([find('key-1'), find('key-2')])).toEqual([undefined, expect.anything()])
    expect(asked.length).toBe(4)
  })

  test('lets old keys serve for a minute while a slow issuer is asked once, and then requests wait for it', async () => {
    await find('key-1')
    published = [second.published]
    let answer = () => {}
    gate = new Promise(resolve => {
      answer = resolve
    })
    clock += 10 * minute
    for (let request = 0; request < 10; request++) expect(await find('key-1')).toBeDefined()
    clock += minute - 1
    expect(await find('key-1')).toBeDefined()
    clock += 1
    const waiting = Promise.all([find('key-1'), find('key-1')])
    let answered = false
    void waiting.then(() => {
      answered = true
    })
    await arrived()
    expect(answered).toBe(false)
    expect(asked.length).toBe(3)
    answer()
    expect(await waiting).toEqual([undefined, undefined])
    expect(asked.length).toBe(4)
  })

  test('leaves an unchanged key the same object, so that what it verified still counts', async () => {
    const before = await find('key-1')
    published = [second.published, first.published]
    clock += 11 * minute
    expect(await find('key-1')).toBe(before)
    expect(await find('key-2')).toBeDefined()
  })

  test('to another key under the same id makes it another key', async () => {
    const before = await find('key-1')
    published = [{ ...second.published, kid: 'key-1' }]
    clock += 11 * minute
    const after = await find('key-1')
    expect(after).toBeDefined()
    expect(after).not.toBe(before)
  })

  test('is seen at once by an unknown key id, which asks at most once in 30 seconds', async () => {
    await find('key-1')
    published = [first.published, second.published]
    clock += 30_000
    expect(await find('key-2')).toBeDefined()
    asked.length = 0
    for (let guess = 0; guess < 50; guess++) expect(await find(`guess-${guess}`)).toBe(undefined)
    expect(asked).toEqual([])
    clock += 29_999
    await find('guess')
    expect(asked).toEqual([])
    clock += 1
    await Promise.all([find('guess'), find('another guess')])
    expect(asked.length).toBe(2)
  })
})

describe('an issuer that is down', () => {
  test('is served by its last known keys for a day, and then by none', async () => {
    await find('key-1')
    down = true
    clock += 10 * minute
    expect(await find('key-1')).toBeDefined()
    clock += 24 * hour - 10 * minute - 1
    expect(await find('key-1')).toBeDefined()
    clock += 1
    await unavailable()
    clock += 15_000
    await unavailable()
  })

  test('serves its last known keys at once, and is asked again every 30 seconds in the background', async () => {
    await find('key-1')
    down = true
    clock += hour
    await find('key-1')
    asked.length = 0
    gate = new Promise(() => {})
    for (let second = 0; second < 30; second++) {
      expect(asked.length).toBe(0)
      clock += 1_000
      expect(await find('key-1')).toBeDefined()
    }
    expect(asked.length).toBe(1)
  })

  test('that was never reached has no keys, is asked once in two seconds, and tells when to come back', async () => {
    down = true
    await unavailable()
    clock += 500
    expect((await failureOf(find('key-1'))).retryAfter).toBe(1.5)
    clock += 1_499
    await unavailable()
    expect(asked.length).toBe(1)
    clock += 1
    await unavailable()
    expect(asked.length).toBe(2)
    down = false
    clock += 2_000
    expect(await find('key-1')).toBeDefined()
  })

  test('and comes back is asked again, and its withdrawn key counts no more', async () => {
    await find('key-1')
    down = true
    clock += hour
    await find('key-1')
    down = false
    published = [second.published]
    clock += 30_000
    expect(await find('key-1')).toBeDefined()
    await arrived()
    expect(await find('key-1')).toBe(undefined)
    expect(await find('key-2')).toBeDefined()
  })

  test('does not lose its known keys to a guess of a key id', async () => {
    await find('key-1')
    down = true
    clock += minute
    expect(await find('guess')).toBe(undefined)
    expect(await find('key-1')).toBeDefined()
  })
})

describe('a key set is refused whole', () => {
  test.each<[string, () => void]>([
    ['where two keys have one id', () => (published = [first.published, { ...second.published, kid: 'key-1' }])],
    [
      'where it has 51 keys',
      () => (published = Array.from({ length: 51 }, (_, i) => ({ ...first.published, kid: `${i}` }))),
    ],
    ['where a key is none', () => (published = ['key'])],
    [
      'where the document names another issuer',
      () => (documents = { [discoveryUrl]: { issuer: issuerUrl.slice(0, -1), jwks_uri: jwksUrl } }),
    ],
    [
      'where the keys are on another host',
      () => (documents = { [discoveryUrl]: { issuer: issuerUrl, jwks_uri: 'https://evil.example/jwks' } }),
    ],
    [
      'where the keys are on another port',
      () => (documents = { [discoveryUrl]: { issuer: issuerUrl, jwks_uri: 'https://oidc.example:444/jwks' } }),
    ],
    ['where there is no document', () => (documents = {})],
  ])('%s', async (_, spoil) => {
    spoil()
    await unavailable()
  })

  test('but not for fifty keys', async () => {
    published = Array.from({ length: 50 }, (_, index) => ({ ...first.published, kid: `key-${index}` }))
    expect(await find('key-49')).toBeDefined()
  })
})

describe('a key is passed over', () => {
  test.each<[string, () => object]>([
    ['of an algorithm that the issuer may not use', () => ({ ...first.published, alg: 'RS512' })],
    ['of an algorithm that nobody knows', () => ({ ...first.published, alg: 'XX99' })],
    ['for encryption', () => ({ ...first.published, use: 'enc' })],
    ['without an id', () => ({ ...first.published, kid: undefined })],
    ['that is symmetric', () => ({ kty: 'oct', k: 'c2VjcmV0', kid: 'key-1' })],
    ['that is symmetric and calls itself HS256', () => ({ kty: 'oct', k: 'c2VjcmV0', kid: 'key-1', alg: 'HS256' })],
    ['of a curve that nobody knows', () => ({ ...elliptic.published, kid: 'key-1', alg: undefined, crv: 'P-111' })],
  ])('%s, and the others count', async (_, key) => {
    published = [key(), elliptic.published]
    expect(await find('key-1')).toBe(undefined)
    expect(await find('ec-1')).toMatchObject({ algorithm: 'ES256' })
  })

  test('not where it names no algorithm: the usual one of its type counts', async () => {
    published = [
      { ...first.published, alg: undefined, use: undefined },
      { ...elliptic.published, alg: undefined },
    ]
    expect(await find('key-1')).toMatchObject({ algorithm: 'RS256' })
    expect(await find('ec-1')).toMatchObject({ algorithm: 'ES256' })
  })
})

describe('an issuer whose document says where its keys are', () => {
  const elsewhere = 'https://keys.example/jwks'
  const issuer = () => issuerOf({ keys: { jwksUri: elsewhere } })

  test('is asked there, on whatever host, and nothing is discovered', async () => {
    expect(await find('key-1', issuer())).toBeDefined()
    expect(asked).toEqual([`public ${elsewhere}`])
  })

  test('has the same bounds: two keys of one id are refused', async () => {
    published = [first.published, { ...second.published, kid: 'key-1' }]
    await unavailable('key-1', issuer())
  })
})

describe('an issuer whose document holds its keys', () => {
  const issuer = (...inline: readonly unknown[]) => issuerOf({ keys: { jwks: { keys: inline } } })

  test('is asked for nothing, not even an unknown key id', async () => {
    const document = issuer(first.published, elliptic.published)
    expect(await find('key-1', document)).toMatchObject({ algorithm: 'RS256' })
    expect(await find('ec-1', document)).toMatchObject({ algorithm: 'ES256' })
    clock += 25 * hour
    expect(await find('key-2', document)).toBe(undefined)
    expect(await find('key-1', document)).toBeDefined()
    expect(asked).toEqual([])
  })

  test('has other keys once its document changed', async () => {
    await find('key-1', issuer(first.published))
    expect(await find('key-1', issuer(second.published))).toBe(undefined)
    expect(await find('key-2', issuer(second.published))).toBeDefined()
  })

  test('passes over what it may not use', async () => {
    const document = issuerOf({
      keys: { jwks: { keys: [first.published, elliptic.published] } },
      algorithms: ['ES256'],
    })
    expect(await find('key-1', document)).toBe(undefined)
    expect(await find('ec-1', document)).toBeDefined()
  })

  test.each<[string, () => readonly unknown[]]>([
    ['two keys of one id', () => [first.published, { ...second.published, kid: 'key-1' }]],
    ['a key without its numbers', () => [{ kty: 'RSA', kid: 'key-1', alg: 'RS256' }]],
  ])('is unreadable with %s: 503, and no other issuer is', async (_, inline) => {
    expect(await failureOf(find('key-1', issuer(...inline())))).toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'issuer_unreadable',
      detail: { issuer: 'aks-prod-weu' },
    })
    expect(await find('key-1')).toBeDefined()
  })
})
