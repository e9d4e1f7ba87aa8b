import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { audience } from '../../infra/local/world.ts'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
import {
  clusterKey,
  encode,
  type IssuerServer,
  type Key,
  newKey,
  notAllowed,
  orders,
  partsOf,
  presentedWithoutIo,
  reissued,
  seconds,
  startIssuer,
  unproven,
} from './hostile.ts'
import { expectRefused } from './refusal.ts'

/*
 * Numbers are those of the project's list of threats. Where the others are:
 *   6, 7, 10, 11, 18, 51        threats-issuers.test.ts; 17 test/e2e/token-review.test.ts
 *   21-25, 41, 44, 49, 57, 61   threats-requests.test.ts and bad-input.test.ts
 *   8, 53, 55               floods.test.ts; the bounds of single structures beside them in test/workload/
 *   9, 14                   test/workload/issuer-keys.test.ts, by a clock of its own
 *   28-30                   test/rules/; 31 test/conformance/cosmos/, test/targets/; 32-34 test/credentials/postgresql.test.ts
 *   36-38, 45-47, 54, 62    outages.test.ts, cosmos-down.test.ts, postgresql-down.test.ts, test/exchange.test.ts
 *   39                      after each test here and elsewhere: no token or secret in a record or a printed line
 *   43                      test/workload/cosmos-issuers.test.ts, test/e2e/manage-rules.test.ts
 *   48                      test/leases/revoke-due.test.ts; 50 test/e2e/manage-rules.test.ts
 *   56                      test/workload/https-json.test.ts, test/e2e/exchange.test.ts
 *   20                      no code: a projected token is presented many times by design, and is bound and short-lived
 *   35, 42, 52, 58-60       no code in this step of the gateway
 */

let stack: RunningStack
let attacker: IssuerServer
let key: Key

beforeAll(async () => {
  stack = await runStack()
  key = newKey('attacker-1')
  attacker = await startIssuer(stack, [key])
  // From here on the gateway has the issuer's document and its keys, and needs nobody to refuse a token.
  await stack.issue(orders)
})
afterEach(async () => {
  stack.cosmos.faults.clear()
  expect(attacker.asked).toEqual([])
  expect(await stack.leaks()).toEqual([])
})
afterAll(async () => {
  await attacker?.stop()
  await stack?.stop()
})

const podClaims = async () => partsOf(await stack.podToken()).claims
const kubernetesOf = (claims: Document) => claims['kubernetes.io'] as Document
const year = 31_536_000

/** The header and payload of a pod's token under another header, and whatever for a signature. */
async function withHeader(header: Document, signature = 'AAAA'): Promise<string> {
  const { head, payload } = partsOf(await stack.podToken())
  return `${encode({ ...head, ...header })}.${payload}.${signature}`
}

/** A pod's claims, truly signed by the attacker's key. */
async function signedByAttacker(header: Document = {}, changes: Document = {}): Promise<string> {
  return key.sign({ ...(await podClaims()), ...changes }, header)
}

/** CVE-2015-9256 and its kin: the public key, which everybody has, as the secret of an HMAC. */
async function withPublicKeyAsSecret(alg: 'HS256' | 'HS512', secretOf: (jwk: JsonWebKey) => string | Buffer) {
  const jwk = await clusterKey(stack)
  const signed = `${encode({ alg, kid: jwk['kid'] })}.${encode(await podClaims())}`
  const hmac = createHmac(alg === 'HS256' ? 'sha256' : 'sha512', secretOf(jwk as JsonWebKey))
  return `${signed}.${hmac.update(signed).digest('base64url')}`
}

const spki = (jwk: JsonWebKey) => createPublicKey({ key: jwk, format: 'jwk' })

/** JSON that a program would not write by itself: own members called `__proto__`. */
const own = (text: string): Document => JSON.parse(text)

const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)

interface Row {
  readonly name: string
  readonly token: () => string | Promise<string>
  readonly reason: string
  /** Under which issuer it is counted: the cluster where it was told apart by it. */
  readonly counted?: 'unknown'
  readonly told?: RegExp
}

const known = 'aks-local'

const noToken = (name: string, token: () => string | Promise<string>): Row => ({
  name,
  token,
  reason: 'token_malformed',
  counted: 'unknown',
})
const keyBearing = (name: string, header: () => Document): Row => ({
  name,
  token: () => signedByAttacker(header()),
  reason: 'token_header',
  counted: 'unknown',
})
const unknownIssuer = (name: string, iss: (url: string) => string, told?: RegExp): Row => ({
  name,
  token: () => reissued(stack, { iss: iss(stack.cluster.issuerUrl) }),
  reason: 'issuer_unknown',
  counted: 'unknown',
  ...(told && { told }),
})
const claims = (name: string, changes: () => Document, reason: string, told?: RegExp): Row => ({
  name,
  token: () => reissued(stack, changes()),
  reason,
  ...(told && { told }),
})
const shapeless = (name: string, changes: () => Document, reason = 'token_claims'): Row => ({
  ...claims(name, changes, reason),
  counted: 'unknown',
})

const rows: readonly Row[] = [
  ...['none', 'None', 'NONE', 'nOnE'].map(alg => ({
    name: `1: alg ${alg}, under a key id that would have to be looked up`,
    token: () => withHeader({ alg, kid: 'look-me-up' }),
    reason: 'token_algorithm',
    told: /expected an algorithm of RS256, ES256/,
  })),
  noToken('1: alg none without a signature', () => withHeader({ alg: 'none' }, '')),
  { name: '1: no alg', token: () => withHeader({ alg: undefined }), reason: 'token_header', counted: 'unknown' },

  ...(['pem', 'der'] as const).map(format => ({
    name: `2: an HMAC with the public key as its secret (${format})`,
    token: () =>
      withPublicKeyAsSecret('HS256', jwk =>
        format === 'pem' ? spki(jwk).export({ type: 'spki', format }) : spki(jwk).export({ type: 'spki', format }),
      ),
    reason: 'token_algorithm',
  })),
  {
    name: '2: an HMAC with the modulus as its secret',
    token: () => withPublicKeyAsSecret('HS512', ({ n = '' }) => Buffer.from(n, 'base64url')),
    reason: 'token_algorithm',
  },
  ...['ES256', 'PS256', 'RS512', 'EdDSA', 'rs256'].map(alg => ({
    name: `2: ${alg} over a key that is for RS256`,
    token: () => reissued(stack, {}, { alg }),
    reason: 'token_algorithm',
  })),

  noToken('3: a JWE', () => withHeader({}, 'AAAA.AAAA.AAAA')),
  noToken('3: two parts', () => withHeader({}).then(token => token.split('.').slice(0, 2).join('.'))),
  noToken('3: flattened JSON', async () => {
    const { header, payload, signature } = partsOf(await stack.podToken())
    return JSON.stringify({ protected: header, payload, signature })
  }),
  noToken('3: general JSON', async () => {
    const { header, payload, signature } = partsOf(await stack.podToken())
    return JSON.stringify({ payload, signatures: [{ protected: header, signature }] })
  }),
  noToken('3: padding', async () => `${await stack.podToken()}==`),
  noToken('3: a space in front', async () => ` ${await stack.podToken()}`),
  noToken('3: a line feed at the end', async () => `${await stack.podToken()}\n`),
  noToken('3: the word Bearer in front', async () => `Bearer ${await stack.podToken()}`),
  noToken('3: the alphabet of plain base64', async () => (await stack.podToken()).replaceAll(/[-_]/g, '+')),
  noToken('3: a valid token in another spelling of its last character', async () => {
    const token = await stack.podToken()
    // 256 bytes leave four bits of the last character unused.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1]
  }),

  {
    name: '4: crit, truly signed',
    token: () => reissued(stack, {}, { crit: ['exp'], exp: 1 }),
    reason: 'token_header',
    counted: 'unknown',
  },
  {
    name: '4: b64 false, truly signed',
    token: () => reissued(stack, {}, { crit: ['b64'], b64: false }),
    reason: 'token_header',
    counted: 'unknown',
  },
  keyBearing('4: jwk, signed with that key', () => ({ jwk: key.published })),
  keyBearing('4: jku, whose keys verify it', () => ({ jku: attacker.jwksUri })),
  keyBearing('4: x5u', () => ({ x5u: `${attacker.url}/cert.pem` })),
  keyBearing('4: x5c', () => ({ x5c: ['MIIB'] })),
  keyBearing('4: zip', () => ({ zip: 'DEF' })),
  keyBearing('4: a jku that is null', () => ({ jku: null })),

  {
    name: "5: the attacker's own issuer, whose discovery and keys would verify it",
    token: () => signedByAttacker({}, { iss: attacker.issuerUrl }),
    reason: 'issuer_unknown',
    counted: 'unknown',
    told: /issuer is not registered$/,
  },
  unknownIssuer('5: the issuer without its slash', url => url.slice(0, -1), /differs by the trailing slash/),
  unknownIssuer('5: the issuer in capitals', url => url.replace('localhost', 'LOCALHOST'), /the case of its letters/),
  unknownIssuer('5: the issuer with a user', url => url.replace('https://', 'https://localhost@')),
  unknownIssuer('5: the issuer at another port', url => url.replace(/:\d+/, ':443')),
  unknownIssuer('5: the issuer with a Cyrillic o', url => url.replace('o', 'о')),
  unknownIssuer('5: the issuer with a query', url => `${url}?`),
  unknownIssuer('5: the issuer with a path that leads back', url => `${url}x/../`),
  unknownIssuer('5: the issuer with a zero byte', url => `${url}\0`),
  unknownIssuer(
    '5: the default issuer of every cluster',
    () => 'https://kubernetes.default.svc',
    /service-account-issuer/,
  ),

  claims(
    '12: for the API server',
    () => ({ aud: ['https://kubernetes.default.svc'] }),
    'token_audience',
    /API server's/,
  ),
  claims('12: for Azure', () => ({ aud: 'api://AzureADTokenExchange' }), 'token_audience', /Azure Workload Identity/),
  claims(
    '12: for us and the API server',
    () => ({ aud: [audience, 'https://kubernetes.default.svc'] }),
    'token_audience',
  ),
  claims('12: for us twice', () => ({ aud: [audience, audience] }), 'token_audience', /several audiences/),
  claims('12: an audience that begins like ours', () => ({ aud: `${audience}-2` }), 'token_audience'),
  claims('12: ours in capitals', () => ({ aud: audience.toUpperCase() }), 'token_audience'),
  shapeless('12: no audience', () => ({ aud: undefined })),
  shapeless('12: nine audiences', () => ({ aud: Array.from({ length: 9 }, () => audience) })),
  shapeless('12: ours within a list within a list', () => ({ aud: [[audience]] })),

  claims('13: expired', () => ({ exp: seconds() - 60, iat: seconds() - 600, nbf: 0 }), 'token_expired', /expired at 2/),
  claims('13: not valid yet', () => ({ nbf: seconds() + 120 }), 'token_not_yet_valid'),
  claims(
    '13: issued in the far future',
    () => ({ iat: seconds() + year, exp: seconds() + year + 60 }),
    'token_not_yet_valid',
  ),
  claims('13: a life of a day', () => ({ exp: seconds() + 86_400 }), 'token_too_old', /3600 seconds/),
  claims('13: a life to the end of time', () => ({ exp: Number.MAX_SAFE_INTEGER }), 'token_too_old'),
  claims('13: issued long ago, and never ending', () => ({ iat: 0, nbf: 0 }), 'token_too_old'),
  shapeless('13: no exp', () => ({ exp: undefined })),
  shapeless('13: exp in words', () => ({ exp: 'never' })),
  shapeless('13: exp as text', () => ({ exp: String(seconds() + 60) })),
  shapeless('13: exp beyond numbers', () => ({ exp: 1e300 })),
  shapeless('13: no iat', () => ({ iat: undefined })),
  shapeless('13: nbf that is null', () => ({ nbf: null })),

  {
    name: '15: a token from a Secret',
    token: () =>
      stack.cluster.sign({
        iss: 'kubernetes/serviceaccount',
        sub: 'system:serviceaccount:payments:api',
        'kubernetes.io/serviceaccount/namespace': 'payments',
        'kubernetes.io/serviceaccount/secret.name': 'api-token-x2x7k',
        'kubernetes.io/serviceaccount/service-account.name': 'api',
      }),
    reason: 'token_unbound',
    counted: 'unknown',
    told: /legacy one from a Secret: project a bound one/,
  },
  {
    name: '15: a token that was extended to a year',
    token: async () => {
      const pod = kubernetesOf(await podClaims())
      return reissued(stack, { exp: seconds() + year, 'kubernetes.io': { ...pod, warnafter: seconds() + 3_607 } })
    },
    reason: 'token_too_old',
    told: /extended to a year \(warnafter\)/,
  },
  {
    name: '15: a token that is bound to a Secret',
    token: async () => {
      const { pod: _, ...others } = kubernetesOf(await podClaims())
      return reissued(stack, { 'kubernetes.io': { ...others, secret: { name: 'api-token', uid: 'x' } } })
    },
    reason: 'token_unbound',
    told: /not bound to a pod/,
  },

  {
    name: '16: a token that a person asked the API server for',
    token: () => stack.cluster.token({ namespace: 'payments', serviceAccount: 'api', audiences: [audience] }),
    reason: 'token_unbound',
    told: /not bound to a pod/,
  },
  {
    name: '16: a pod without a name',
    token: async () => reissued(stack, { 'kubernetes.io': { ...kubernetesOf(await podClaims()), pod: {} } }),
    reason: 'token_unbound',
  },

  claims(
    "19: another's sub over its own claims",
    () => ({ sub: 'system:serviceaccount:billing:batch' }),
    'token_claims',
    /disagrees/,
  ),
  claims('19: a sub that goes on', () => ({ sub: 'system:serviceaccount:payments:api:x' }), 'token_claims'),
  claims('19: a sub in capitals', () => ({ sub: 'SYSTEM:serviceaccount:payments:api' }), 'token_claims'),
  ...['pay:ments', 'payments*', '*', 'Payments', 'payments\n', '../payments', 'p'.repeat(64), ''].map(namespace => ({
    name: `19: the namespace ${JSON.stringify(namespace)}`,
    token: async () =>
      reissued(stack, {
        sub: `system:serviceaccount:${namespace}:api`,
        'kubernetes.io': { ...kubernetesOf(await podClaims()), namespace },
      }),
    reason: 'token_unbound',
  })),

  shapeless('26: three thousand levels for an audience', () => ({ aud: nested(3_000) })),
  {
    name: '26: three thousand levels for the claims of Kubernetes',
    token: () => reissued(stack, { 'kubernetes.io': nested(3_000) }),
    reason: 'token_unbound',
  },
  {
    name: '26: two thousand levels for a header',
    token: () => withHeader({ kid: nested(2_000) }),
    reason: 'token_header',
    counted: 'unknown',
  },

  {
    name: '27: the claims of Kubernetes by way of __proto__',
    token: async () => {
      const { 'kubernetes.io': kubernetes, ...others } = await podClaims()
      const polluted = own(`{"__proto__":${JSON.stringify({ 'kubernetes.io': kubernetes })}}`)
      return stack.cluster.sign({ ...others, ...polluted })
    },
    reason: 'token_unbound',
  },
  {
    name: '27: exp by way of __proto__',
    token: async () => {
      const { exp, ...others } = await podClaims()
      return stack.cluster.sign({ ...others, ...own(`{"__proto__":{"exp":${String(exp)}}}`) })
    },
    reason: 'token_claims',
    counted: 'unknown',
  },
  {
    name: '27: no jku but that of __proto__ and no key id but that of constructor',
    token: () => withHeader({ kid: undefined, ...own('{"__proto__":{"kid":"x"},"constructor":{"kid":"x"}}') }),
    reason: 'token_header',
    counted: 'unknown',
  },
]

describe('a hostile token is refused without asking anybody anything', () => {
  test.each(rows)('$name', async ({ token, reason, counted, told }) => {
    const text = await token()
    stack.note(text)
    const answer = await presentedWithoutIo(stack, text)
    await expectRefused(stack, answer, { ...unproven, reason, ...(told && { told }) })
    const { count } = await stack.countOf(String(answer.body['decision_id']))
    expect(count['issuer']).toBe(counted ?? known)
  })

  test('2, 10: signed by another key under the key id of the cluster', async () => {
    const impostor = newKey(String(partsOf(await stack.podToken()).head['kid']))
    const text = impostor.sign(await podClaims())
    stack.note(text)
    await expectRefused(stack, await presentedWithoutIo(stack, text), { ...unproven, reason: 'token_signature' })
  })

  test('3, 19: with the payload of another pod under its own signature, remembered or not', async () => {
    const [mine, other] = [await stack.podToken(), partsOf(await stack.podToken('billing/batch'))]
    expect((await stack.exchange({ ...orders, subject_token: mine })).status).toBe(200)
    const { header, payload, signature } = partsOf(mine)
    for (const text of [`${header}.${other.payload}.${signature}`, `${header}.${payload}.${other.signature}`]) {
      await expectRefused(stack, await presentedWithoutIo(stack, text), { ...unproven, reason: 'token_signature' })
    }
  })
})

describe('what the token says of itself', () => {
  test('14: a clock that is ten seconds off is tolerated, one of a minute is not, and the count tells by how much', async () => {
    const before = { iat: seconds() - 900, nbf: seconds() - 900 }
    const late = await reissued(stack, { ...before, exp: seconds() - 10 })
    expect((await stack.exchange({ ...orders, subject_token: late })).status).toBe(200)
    const subject_token = await reissued(stack, { ...before, exp: seconds() - 60 })
    const answer = await stack.exchange({ ...orders, subject_token })
    await expectRefused(stack, answer, { ...unproven, reason: 'token_expired' })
    const { sample } = await stack.countOf(String(answer.body['decision_id']))
    expect((sample['detail'] as Document)['skewMs']).toBeGreaterThanOrEqual(60_000)
  })

  test('39, 40: line feeds, controls and reversed text reach the log as escapes, and a forged line never', async () => {
    const forgedLine = '{"level":"info","forged":true}'
    const sub = `x\r\n${forgedLine}\n\u001b[2K\u0000\u2028\u202e${'s'.repeat(400)}`
    const answer = await stack.exchange({ ...orders, subject_token: await reissued(stack, { sub }) })
    await expectRefused(stack, answer, { ...unproven, reason: 'token_claims' })
    const { sample } = await stack.countOf(String(answer.body['decision_id']))
    expect((sample['detail'] as Document)['unverifiedSubject']).toBe(sub.slice(0, 256))
    expect(answer.text).not.toContain('forged')
    expect(stack.output.filter(line => line.startsWith(forgedLine))).toEqual([])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is printed is what this is about
    expect(stack.output.filter(line => /[\u0000-\u0008\u000b-\u001f\u2028\u202e]/.test(line))).toEqual([])
    expect(stack.output.some(line => line.includes('\\u202e'))).toBe(true)
  })

  test('26, 27: is no fact beyond its bounds: a deep claim and polluted names change nothing of an exchange', async () => {
    const deep = { ...own('{"__proto__":{"namespace":"billing"},"constructor":{"x":1}}'), deep: nested(3_000) }
    const answer = await stack.exchange({ ...orders, subject_token: await reissued(stack, deep) })
    expect(answer.status).toBe(200)
    const [record] = await stack.recordsOf(String(answer.body['decision_id']))
    expect(record?.['workload']).toMatchObject({ namespace: 'payments', claims: {} })
  })

  test('19: a namespace that only begins like an allowed one is another one', async () => {
    const kubernetes = { ...kubernetesOf(await podClaims()), namespace: 'payments-evil' }
    const sub = 'system:serviceaccount:payments-evil:api'
    const subject_token = await reissued(stack, { sub, 'kubernetes.io': kubernetes })
    await expectRefused(stack, await stack.exchange({ ...orders, subject_token }), notAllowed)
  })
})
