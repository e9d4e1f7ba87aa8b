import { createHmac } from 'node:crypto'
import { exportSPKI } from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import type { IssuerKey } from '../../shared/workload/issuer-keys.ts'
import { tokenVerifier, type VerifyToken } from '../../shared/workload/verify-token.ts'
import { boundClaims, failureOf, forged, issuerOf, issuerUrl, newSigner, type Signer, second } from './tokens.ts'

let rsa: Signer
let elliptic: Signer
let now: number
let issuer: ReturnType<typeof issuerOf>
let version: string
let keys: Map<string, IssuerKey>
let verify: VerifyToken

beforeAll(async () => {
  rsa = await newSigner('rsa-1')
  elliptic = await newSigner('ec-1', 'ES256')
})

beforeEach(() => {
  now = second * 1000
  issuer = issuerOf()
  version = '"1"'
  keys = new Map([rsa, elliptic].map(signer => [signer.id, signer.known]))
  verify = tokenVerifier({
    issuers: {
      async find(asked) {
        if (asked !== issuerUrl) throw new ExchangeError('invalid_request', 'issuer_unknown')
        return { issuer, version }
      },
    },
    keys: { find: async (_, id) => keys.get(id) },
    now: () => now,
  })
})

const refusal = (token: string) => failureOf(verify(token))

describe('a token that is in order', () => {
  test.each(['RS256', 'ES256'])('signed by %s tells the workload and nothing that is not of it', async algorithm => {
    const signer = algorithm === 'RS256' ? rsa : elliptic
    expect(await verify(await signer.sign({ secretClaim: 'x' }))).toEqual({
      issuer: { id: 'aks-prod-weu', kind: 'aks', labels: { environment: 'prod' } },
      subject: 'system:serviceaccount:payments:api',
      namespace: 'payments',
      serviceAccount: { name: 'api', uid: 'uid-of-api' },
      pod: { name: 'api-0', uid: 'uid-of-pod' },
      node: { name: 'node-1', uid: 'uid-of-node' },
      claims: {},
      token: { id: 'token-1', keyId: signer.id, issuedAt: second, expiresAt: second + 3600 },
    })
  })

  test('tells the claims that the issuer keeps, within bounds, whatever they are called', async () => {
    issuer = issuerOf({ keepClaims: ['team', 'long', '__proto__', 'absent'] })
    const token = JSON.parse(`{"team":["a","b"],"long":"${'x'.repeat(257)}","__proto__":{},"__proto__":"own"}`)
    const { claims } = await verify(await rsa.sign(token))
    expect(Object.entries(claims)).toEqual([
      ['team', ['a', 'b']],
      ['__proto__', 'own'],
    ])
  })
})

describe('a token is refused', () => {
  const kubernetes = boundClaims['kubernetes.io']
  const { pod: _, ...podless } = kubernetes
  test.each<[string, object, string]>([
    ['of another issuer', { iss: 'https://evil.example' }, 'issuer_unknown'],
    ['of an issuer that differs by the slash', { iss: issuerUrl.slice(0, -1) }, 'issuer_unknown'],
    ['for another audience', { aud: ['api://other'] }, 'token_audience'],
    ['for no audience', { aud: [] }, 'token_claims'],
    ['for two audiences', { aud: ['api://causeway', 'api://other'] }, 'token_audience'],
    ['that has expired', { exp: second - 30 }, 'token_expired'],
    ['without an expiry', { exp: undefined }, 'token_claims'],
    ['whose expiry is text', { exp: String(second + 60) }, 'token_claims'],
    ['whose expiry is no whole second', { exp: second + 0.5 }, 'token_claims'],
    ['issued in the future', { iat: second + 31, nbf: second }, 'token_not_yet_valid'],
    ['not valid yet', { nbf: second + 31 }, 'token_not_yet_valid'],
    ['that lives longer than its issuer allows', { exp: second + 3601 }, 'token_too_old'],
    ['without an issue time', { iat: undefined }, 'token_claims'],
    ['without a subject', { sub: undefined }, 'token_claims'],
    ['without the claims of Kubernetes', { 'kubernetes.io': undefined }, 'token_unbound'],
    ['bound to no pod', { 'kubernetes.io': podless }, 'token_unbound'],
    ['whose namespace disagrees', { 'kubernetes.io': { ...kubernetes, namespace: 'billing' } }, 'token_claims'],
    ['whose sub disagrees', { sub: 'system:serviceaccount:payments:root' }, 'token_claims'],
    ['whose sub is prefixed', { sub: 'x:system:serviceaccount:payments:api' }, 'token_claims'],
  ])('%s', async (_, claims, reason) => {
    const error = await refusal(await rsa.sign(claims))
    expect({ code: error.code, reason: error.reason }).toEqual({ code: 'invalid_request', reason })
  })

  test.each<[string, object, string]>([
    ['names its own key', { jwk: { kty: 'RSA' } }, 'token_header'],
    ['names where its key is', { jku: 'https://evil.example/keys' }, 'token_header'],
    ['names where its certificate is', { x5u: 'https://evil.example/cert' }, 'token_header'],
    ['brings its certificate', { x5c: ['AAAA'] }, 'token_header'],
    ['names no key', { kid: undefined }, 'token_header'],
    ['has a key id of 257 characters', { kid: 'k'.repeat(257) }, 'token_header'],
    ['has an extension that must be understood', { crit: ['exp'], exp: 1 }, 'token_header'],
    ['is of another type', { typ: 'at+jwt' }, 'token_header'],
    ['names a key that is not published', { kid: 'unknown' }, 'token_key_unknown'],
    ['names the key of another algorithm', { kid: 'ec-1' }, 'token_algorithm'],
    ['says alg none', { alg: 'none' }, 'token_algorithm'],
    ['says alg NONE', { alg: 'NONE' }, 'token_algorithm'],
    ['says an algorithm that the issuer does not allow', { alg: 'RS512' }, 'token_algorithm'],
  ])('whose header %s', async (_, header, reason) => {
    const error = await refusal(forged({ alg: 'RS256', kid: 'rsa-1', ...header }, boundClaims))
    expect({ code: error.code, reason: error.reason }).toEqual({ code: 'invalid_request', reason })
  })

  test('that is signed with the public key as an HMAC secret', async () => {
    const unsigned = forged({ alg: 'HS256', kid: 'rsa-1' }, boundClaims, '').slice(0, -1)
    const secret = await exportSPKI(rsa.known.key)
    const signature = createHmac('sha256', secret).update(unsigned).digest('base64url')
    expect((await refusal(`${unsigned}.${signature}`)).reason).toBe('token_algorithm')
  })

  test('whose payload or signature was changed, or whose key is another of the same id', async () => {
    const [header, payload, signature] = (await rsa.sign()).split('.')
    const admin = { ...boundClaims, 'kubernetes.io': { ...kubernetes, pod: { name: 'other', uid: 'other' } } }
    const changed = forged({}, admin).split('.')[1]
    const impostor = await newSigner('rsa-1')
    const tokens = [`${header}.${changed}.${signature}`, `${header}.${payload}.AAAA`, await impostor.sign()]
    for (const token of tokens) expect((await refusal(token)).reason).toBe('token_signature')
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['a word', 'hello'],
    ['two parts', 'a.b'],
    ['five parts, encrypted', 'a.b.c.d.e'],
    ['three parts of no JSON', 'YQ.YQ.YQ'],
    ['an unsigned token', forged({ alg: 'none' }, boundClaims, '')],
    ['characters beyond base64url', 'a+.b/.c='],
    ['a line feed at the end', `${forged({ alg: 'RS256', kid: 'rsa-1' }, boundClaims)}\n`],
    ['16,385 characters', `a.b.${'c'.repeat(16_381)}`],
  ])('that is %s', async (_, text) => {
    expect(await refusal(text)).toMatchObject({ code: 'invalid_request', reason: 'token_malformed' })
  })

  test('with words that help its owner and repeat nothing of it', async () => {
    expect((await refusal(await rsa.sign({ aud: ['api://other'] }))).description).toBe(
      'expected the audience api://causeway',
    )
    const expired = await refusal(await rsa.sign({ exp: second - 60 }))
    expect(expired.description).toBe('the token expired at 2026-06-01T11:59:00.000Z')
    expect(expired.detail).toEqual({ skewMs: 60_000 })
    expect((await refusal(forged({ alg: '<script>', kid: 'rsa-1' }, boundClaims))).description).not.toContain('script')
  })
})

describe("the issuer's clock tolerance", () => {
  test('lets a token be half a minute late or early, and no more', async () => {
    await verify(await rsa.sign({ exp: second - 29 }))
    await verify(await rsa.sign({ iat: second + 30, nbf: second + 30 }))
    issuer = issuerOf({ clockTolerance: 'PT0S' })
    expect((await refusal(await rsa.sign({ exp: second - 1 }))).reason).toBe('token_expired')
  })
})

describe('relaxations, each by name', () => {
  test('let in a token without a pod, or with several audiences, and nothing else', async () => {
    const unbound = await rsa.sign({ 'kubernetes.io': { ...boundClaims['kubernetes.io'], pod: undefined } })
    const several = await rsa.sign({ aud: ['api://other', 'api://causeway'] })
    issuer = issuerOf({ relax: ['unbound'] })
    expect((await verify(unbound)).pod).toBe(undefined)
    expect((await refusal(several)).reason).toBe('token_audience')
    issuer = issuerOf({ relax: ['severalAudiences'] })
    version = '"2"'
    expect((await verify(several)).namespace).toBe('payments')
    expect((await refusal(unbound)).reason).toBe('token_unbound')
  })
})

describe('a token that was verified before', () => {
  test('is the same workload without another look at its signature', async () => {
    const token = await rsa.sign()
    const first = await verify(token)
    expect(await verify(token)).toBe(first)
  })

  test('expires all the same', async () => {
    const token = await rsa.sign()
    await verify(token)
    now += 3_630_000
    expect((await refusal(token)).reason).toBe('token_expired')
  })

  test('counts no longer once its key is withdrawn, or replaced by another of its id', async () => {
    const token = await rsa.sign()
    await verify(token)
    keys.delete('rsa-1')
    expect((await refusal(token)).reason).toBe('token_key_unknown')
    keys.set('rsa-1', (await newSigner('rsa-1')).known)
    expect((await refusal(token)).reason).toBe('token_signature')
  })

  test('is judged anew by a changed issuer document', async () => {
    const token = await rsa.sign()
    await verify(token)
    issuer = issuerOf({ labels: { environment: 'dev' } })
    version = '"2"'
    expect((await verify(token)).issuer.labels).toEqual({ environment: 'dev' })
    issuer = issuerOf({ audiences: ['api://other'] })
    expect((await refusal(token)).reason).toBe('token_audience')
  })

  test('does not make another with its payload and another signature count', async () => {
    const token = await rsa.sign()
    await verify(token)
    expect((await refusal(`${token.slice(0, -8)}AAAAAAAA`)).reason).toBe('token_signature')
  })
})
