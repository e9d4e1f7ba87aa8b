import { createHmac } from 'node:crypto'
import { exportSPKI } from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import type { IssuerKey } from '../../shared/workload/issuer-key.ts'
import type { ReviewToken } from '../../shared/workload/token-review.ts'
import { tokenVerifier, type VerifyToken } from '../../shared/workload/verify-token.ts'
import { boundClaims, failureOf, forged, issuerOf, issuerUrl, newSigner, type Signer, second } from './tokens.ts'

let rsa: Signer
let elliptic: Signer
let now: number
let issuer: ReturnType<typeof issuerOf>
let version: string
let keys: Map<string, IssuerKey>
let verify: VerifyToken
let review: ReviewToken

beforeAll(async () => {
  rsa = await newSigner('rsa-1')
  elliptic = await newSigner('ec-1', 'ES256')
})

beforeEach(() => {
  now = second * 1000
  issuer = issuerOf()
  version = '"1"'
  review = async () => {}
  keys = new Map([rsa, elliptic].map(signer => [signer.id, signer.known]))
  verify = tokenVerifier({
    issuers: {
      async find(asked) {
        if (asked !== issuerUrl) throw new ExchangeError('invalid_request', 'issuer_unknown')
        return { issuer, version }
      },
    },
    keys: { find: async (_, id) => keys.get(id) },
    review: async (token, workload, reviewing) => review(token, workload, reviewing),
    now: () => now,
  })
})

const workloadOf = async (token: string) => (await verify(token)).workload

const refusal = (token: string) => failureOf(verify(token))

describe('a token that is in order', () => {
  test.each(['RS256', 'ES256'])('signed by %s tells the workload and nothing that is not of it', async algorithm => {
    const signer = algorithm === 'RS256' ? rsa : elliptic
    expect(await workloadOf(await signer.sign({ secretClaim: 'x' }))).toEqual({
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
    const { claims, claimsBeyondBounds } = await workloadOf(await rsa.sign(token))
    expect(Object.entries(claims)).toEqual([
      ['team', ['a', 'b']],
      ['__proto__', 'own'],
    ])
    expect(claimsBeyondBounds).toEqual(['long'])
  })
})

describe('what a token tells beside its identity', () => {
  test('is the region, by the issuer document or else by the URL of AKS and Arc', async () => {
    const region = async () => {
      version += '+'
      return (await workloadOf(await rsa.sign())).issuer.region
    }
    expect(await region()).toBe(undefined)
    issuer = issuerOf({ issuerUrl: 'https://westeurope.oic.prod-aks.azure.com/tenant/cluster/' })
    expect(await region()).toBe('westeurope')
    issuer = issuerOf({ issuerUrl: issuer.issuerUrl, region: 'northeurope' })
    expect(await region()).toBe('northeurope')
  })

  test('is who acts, by the top level of its act claim', async () => {
    const act = { sub: 'gateway', act: { sub: 'before' } }
    expect((await workloadOf(await rsa.sign({ act }))).act).toEqual({ subject: 'gateway' })
  })

  test('is no namespace where its issuer is no cluster', async () => {
    issuer = issuerOf({ kind: 'oidc' })
    const workload = await workloadOf(await rsa.sign())
    expect(workload).toMatchObject({ subject: 'system:serviceaccount:payments:api', issuer: { kind: 'oidc' } })
    expect(workload).not.toHaveProperty('namespace')
    expect(workload).not.toHaveProperty('pod')
  })
})

describe('the classic mistakes are explained', () => {
  const kubernetes = boundClaims['kubernetes.io']
  test.each<[string, object, string, RegExp]>([
    ['the audience of Azure', { aud: ['api://AzureADTokenExchange'] }, 'token_audience', /Azure Workload Identity/],
    [
      'a token of a year',
      { exp: second + 31_536_000, 'kubernetes.io': { ...kubernetes, warnafter: second + 3_607 } },
      'token_too_old',
      /extended to a year \(warnafter\)/,
    ],
    [
      'a token from a Secret',
      { exp: undefined, iat: undefined, aud: undefined, 'kubernetes.io/serviceaccount/namespace': 'payments' },
      'token_unbound',
      /legacy one from a Secret: project a bound one/,
    ],
  ])('%s', async (_, claims, reason, words) => {
    const error = await refusal(await rsa.sign(claims))
    expect({ code: error.code, reason: error.reason }).toEqual({ code: 'invalid_request', reason })
    expect(error.description).toMatch(words)
  })
})

describe('a review that the issuer demands', () => {
  test('sees the token and its workload after every check, and every time', async () => {
    const seen: unknown[] = []
    review = async (token, workload, reviewing) => void seen.push([token, workload.subject, reviewing.id])
    const token = await rsa.sign()
    await verify(token)
    await verify(token)
    const expected = [token, 'system:serviceaccount:payments:api', 'aks-prod-weu']
    expect(seen).toEqual([expected, expected])
    for (const bad of [await rsa.sign({ exp: second - 60 }), forged({ alg: 'RS256', kid: 'rsa-1' }, boundClaims)]) {
      await failureOf(verify(bad))
    }
    expect(seen.length).toBe(2)
  })

  test('that says no refuses the token, a remembered one too', async () => {
    const token = await rsa.sign()
    await verify(token)
    review = () => Promise.reject(new ExchangeError('invalid_request', 'token_not_live'))
    expect(await refusal(token)).toMatchObject({ reason: 'token_not_live', detail: { issuer: 'aks-prod-weu' } })
  })
})

describe('a refusal tells the count', () => {
  test('the registered issuer, and what the token said of itself, within bounds', async () => {
    const long = await refusal(await rsa.sign({ sub: `${'s'.repeat(300)}`, exp: second - 60 }))
    expect(long.detail).toMatchObject({
      issuer: 'aks-prod-weu',
      unverifiedSubject: 's'.repeat(256),
      unverifiedAudience: 'api://causeway',
      unverifiedIssuer: issuerUrl,
    })
  })

  test('"unknown" in place of an issuer that nobody registered, whatever the token calls it', async () => {
    const error = await refusal(await rsa.sign({ iss: 'https://evil.example', sub: 'a b' }))
    expect(error.detail).toMatchObject({
      issuer: 'unknown',
      unverifiedIssuer: 'https://evil.example',
      unverifiedSubject: 'a b',
    })
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

  test('that is another spelling of a valid one: its bytes are the same, and its last character is not', async () => {
    const token = await rsa.sign()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (const last of alphabet) {
      const spelling = token.slice(0, -1) + last
      if (spelling === token) continue
      expect(['token_malformed', 'token_signature']).toContain((await refusal(spelling)).reason)
    }
    await verify(token)
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
    [
      'a part whose last character holds more bits than its bytes',
      forged({ alg: 'RS256' }, boundClaims, 'AAAB'.slice(1)),
    ],
  ])('that is %s', async (_, text) => {
    expect(await refusal(text)).toMatchObject({ code: 'invalid_request', reason: 'token_malformed' })
  })

  test('with words that help its owner and repeat nothing of it', async () => {
    expect((await refusal(await rsa.sign({ aud: ['api://other'] }))).description).toBe(
      'expected the audience api://causeway',
    )
    const expired = await refusal(await rsa.sign({ exp: second - 60 }))
    expect(expired.description).toBe('the token expired at 2026-06-01T11:59:00.000Z')
    expect(expired.detail).toMatchObject({ skewMs: 60_000, issuer: 'aks-prod-weu' })
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
    expect((await workloadOf(unbound)).pod).toBe(undefined)
    expect((await refusal(several)).reason).toBe('token_audience')
    issuer = issuerOf({ relax: ['severalAudiences'] })
    version = '"2"'
    expect((await workloadOf(several)).namespace).toBe('payments')
    expect((await refusal(unbound)).reason).toBe('token_unbound')
  })
})

describe('a token that was verified before', () => {
  test('is the same workload without another look at its signature', async () => {
    const token = await rsa.sign()
    const first = await workloadOf(token)
    expect(await workloadOf(token)).toBe(first)
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
    expect((await workloadOf(token)).issuer.labels).toEqual({ environment: 'dev' })
    issuer = issuerOf({ audiences: ['api://other'] })
    expect((await refusal(token)).reason).toBe('token_audience')
  })

  test('does not make another with its payload and another signature count', async () => {
    const token = await rsa.sign()
    await verify(token)
    expect((await refusal(`${token.slice(0, -8)}AAAAAAAA`)).reason).toBe('token_signature')
  })
})
