import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { audience } from '../../infra/local/world.ts'
import { type Answer, type Document, post, type RunningStack, runStack, send } from '../running-stack.ts'
import { expectRefused, type Refusal } from './refusal.ts'

let stack: RunningStack
let url: string

beforeAll(async () => {
  stack = await runStack()
  url = `${stack.gateway.url}/token`
})
afterEach(async () => {
  stack.cosmos.faults.clear()
  expect(await stack.leaks()).toEqual([])
})
afterAll(() => stack?.stop())

const orders = { audience: 'orders-db', scope: 'read' }
const malformed: Refusal = {
  status: 400,
  error: 'invalid_request',
  reason: 'malformed_request',
  recorded: 'unverified',
}
const invalidTarget: Refusal = { ...malformed, error: 'invalid_target' }

/** The parameters of an exchange that would be answered 200. */
async function complete(): Promise<Record<string, string>> {
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: await stack.podToken(),
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    ...orders,
  }
}

test('the exchange that these tests spoil is answered 200 unspoilt', async () => {
  expect((await stack.exchange(orders)).status).toBe(200)
  expect((await post(url, new URLSearchParams(await complete()))).status).toBe(200)
})

describe('what is no form', () => {
  const form = 'application/x-www-form-urlencoded'

  test.each<[string, (parameters: Record<string, string>) => { body: string; headers: Record<string, string> }]>([
    ['JSON', given => ({ body: JSON.stringify(given), headers: { 'content-type': 'application/json' } })],
    [
      'text that could be a form',
      given => ({ body: String(new URLSearchParams(given)), headers: { 'content-type': 'text/plain' } }),
    ],
    [
      'a form of several types',
      given => ({
        body: String(new URLSearchParams(given)),
        headers: { 'content-type': `${form}, application/json` },
      }),
    ],
    [
      'a form of more than 64 KiB',
      given => ({
        body: `${new URLSearchParams(given)}&padding=${'x'.repeat(64 * 1024)}`,
        headers: { 'content-type': form },
      }),
    ],
    [
      'a form of more than 32 parameters',
      given => ({
        body: `${new URLSearchParams(given)}${'&more=1'.repeat(32)}`,
        headers: { 'content-type': form },
      }),
    ],
    ['an empty body', () => ({ body: '', headers: { 'content-type': form } })],
  ])('%s gets invalid_request', async (_, spoil) => {
    const { body, headers } = spoil(await complete())
    await expectRefused(stack, await post(url, body, headers), malformed)
  })

  test('a body beyond what the host takes gets an empty 413, and nothing else happens', async () => {
    const records = (await stack.records()).length
    const answer = await post(url, `${new URLSearchParams(await complete())}&padding=${'x'.repeat(512 * 1024)}`, {
      'content-type': form,
    })
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 413, text: '' })
    expect(await stack.records()).toHaveLength(records)
  })

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s gets 405 and is told POST', async method => {
    const records = (await stack.records()).length
    const query = new URLSearchParams(await complete())
    const answer = await send(`${url}?${query}`, { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('POST')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.body).toEqual({
      error: 'invalid_request',
      error_description: 'expected POST',
      decision_id: expect.any(String),
    })
    expect(await stack.records()).toHaveLength(records)
  })

  test('parameters in the query are not those of the form', async () => {
    const { subject_token = '', ...others } = await complete()
    const answer = await post(`${url}?${new URLSearchParams({ subject_token })}`, new URLSearchParams(others))
    await expectRefused(stack, answer, malformed)
  })
})

describe('parameters', () => {
  test.each<[string, Partial<Refusal>]>([
    ['grant_type', { told: /grant_type/ }],
    ['subject_token', { told: /subject_token/ }],
    ['subject_token_type', { told: /subject_token_type/ }],
    ['audience', { ...invalidTarget, told: /audience/ }],
  ])('without %s the request is refused and told so', async (name, refusal) => {
    await expectRefused(stack, await stack.exchange({ ...orders, [name]: undefined }), { ...malformed, ...refusal })
    await expectRefused(stack, await stack.exchange({ ...orders, [name]: '' }), { ...malformed, ...refusal })
  })

  test.each<[string, string, Partial<Refusal>]>([
    ['grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange', { told: /grant_type is repeated/ }],
    ['subject_token', 'x', { told: /subject_token is repeated/ }],
    ['subject_token_type', 'urn:ietf:params:oauth:token-type:jwt', { told: /subject_token_type is repeated/ }],
    ['scope', 'read', { told: /scope is repeated/ }],
    ['requested_token_type', 'urn:ietf:params:oauth:token-type:access_token', { told: /is repeated/ }],
    ['audience', 'orders-db', { ...invalidTarget, told: /one target/ }],
    ['audience', 'mainframe-ftp', { ...invalidTarget, told: /one target/ }],
    ['resource', 'postgresql://orders.corp.example/orders', { ...invalidTarget, told: /one target/ }],
  ])('a second %s (%s) is refused, whatever it says', async (name, value, refusal) => {
    const form = new URLSearchParams(await complete())
    if (name === 'requested_token_type') form.append(name, value)
    form.append(name, value)
    await expectRefused(stack, await post(url, form), { ...malformed, ...refusal })
  })

  test.each<[string, Record<string, string>, Partial<Refusal>]>([
    [
      'another grant',
      { grant_type: 'client_credentials' },
      { error: 'unsupported_grant_type', reason: 'unsupported_grant_type', told: /token-exchange/ },
    ],
    ['a SAML assertion', { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, {}],
    ['a refresh token', { subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }, {}],
    [
      'an actor that is no token',
      { actor_token: 'x', actor_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      { reason: 'token_malformed' },
    ],
    ['a very long target', { audience: 'a'.repeat(257) }, {}],
    ['a very long scope', { scope: 'a'.repeat(1_025) }, {}],
  ])('%s is refused', async (_, form, refusal) => {
    await expectRefused(stack, await stack.exchange({ ...orders, ...form }), { ...malformed, ...refusal })
  })

  test.each(['not a uri', '/orders', 'postgresql://orders.corp.example/orders#read'])(
    'resource=%s is no target',
    async resource => {
      const refused = { ...invalidTarget, told: /absolute URI/ }
      await expectRefused(stack, await stack.exchange({ resource }), refused)
    },
  )
})

/** The parts of a JWT. */
function parts(token: string) {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const decode = (part: string): Document => JSON.parse(Buffer.from(part, 'base64url').toString())
  return { header, payload, signature, head: decode(header), claims: decode(payload) }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

/** A pod's token with other claims, truly signed by its cluster. An undefined member is left out. */
async function reissued(changes: Document, header: Document = {}): Promise<string> {
  return stack.cluster.sign({ ...parts(await stack.podToken()).claims, ...changes }, header)
}

const now = () => Math.floor(Date.now() / 1000)
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** A pod's token signed by a key that is not the cluster's. */
async function forged(header: Document): Promise<string> {
  const { head, payload } = parts(await stack.podToken())
  const signed = `${encode({ ...head, ...header })}.${payload}`
  return `${signed}.${sign('sha256', Buffer.from(signed), stranger.privateKey).toString('base64url')}`
}

/** CVE-2015-9256 and its kin: the public key, which everybody has, as the secret of an HMAC. */
async function withPublicKeyAsSecret(format: 'pem' | 'der'): Promise<string> {
  const { head, payload } = parts(await stack.podToken())
  const { keys } = (await send(stack.cluster.jwksUri, {})).body as { keys: (JsonWebKey & { kid: string })[] }
  const jwk = keys.find(({ kid }) => kid === head['kid'])
  if (!jwk) throw new Error('the cluster publishes no such key')
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const secret = format === 'pem' ? key.export({ type: 'spki', format }) : key.export({ type: 'spki', format })
  const signed = `${encode({ alg: 'HS256', kid: head['kid'] })}.${payload}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

async function tampered(change: (claims: Document) => Document): Promise<string> {
  const { header, claims, signature } = parts(await stack.podToken())
  return `${header}.${encode(change(claims))}.${signature}`
}

const kubernetes = (claims: Document) => claims['kubernetes.io'] as Document

interface TokenRow {
  readonly name: string
  readonly token: () => Promise<string>
  readonly reason: string
  readonly told?: RegExp
}

const noJwt = (name: string, text: string): TokenRow => ({
  name,
  token: async () => text,
  reason: 'token_malformed',
})

const tokens: readonly TokenRow[] = [
  noJwt('text', 'not-a-token'),
  noJwt('two parts', 'e30.e30'),
  noJwt('four parts', 'e30.e30.e30.e30'),
  noJwt('a JWE', 'e30.e30.e30.e30.e30'),
  noJwt('three parts that hold no JSON', 'bm90.anNvbg.eA'),
  noJwt('characters of plain base64', 'e30+.e30/.eA=='),
  noJwt('17 KB', `e30.${'e'.repeat(17 * 1024)}.e30`),
  { name: 'a header that is a list', token: async () => `${encode([])}.e30.eA`, reason: 'token_header' },
  {
    name: 'claims that are a list',
    token: async () => `${encode({ alg: 'RS256', kid: 'a' })}.${encode([])}.eA`,
    reason: 'token_claims',
  },
  {
    name: 'an issuer that nobody registered',
    token: () => reissued({ iss: 'https://issuer.attacker.example/' }),
    reason: 'issuer_unknown',
    told: /issuer is not registered$/,
  },
  {
    name: 'the issuer without its trailing slash',
    token: () => reissued({ iss: stack.cluster.issuerUrl.replace(/\/$/, '') }),
    reason: 'issuer_unknown',
    told: /trailing slash/,
  },
  {
    name: 'the issuer in capitals',
    token: () => reissued({ iss: stack.cluster.issuerUrl.replace('localhost', 'LOCALHOST') }),
    reason: 'issuer_unknown',
  },
  {
    name: 'another audience',
    token: () => reissued({ aud: ['https://kubernetes.default.svc'] }),
    reason: 'token_audience',
    told: /expected the audience api:\/\/causeway/,
  },
  {
    name: 'an audience that only begins like ours',
    token: () => reissued({ aud: [`${audience}/`] }),
    reason: 'token_audience',
  },
  {
    name: 'a second audience',
    token: () => reissued({ aud: [audience, 'https://kubernetes.default.svc'] }),
    reason: 'token_audience',
    told: /several audiences/,
  },
  {
    name: 'a time that is over',
    token: () => reissued({ iat: now() - 3_600, nbf: now() - 3_600, exp: now() - 60 }),
    reason: 'token_expired',
    told: /expired at 2/,
  },
  {
    name: 'a time that is to come',
    token: () => reissued({ iat: now() + 300, nbf: now() + 300, exp: now() + 600 }),
    reason: 'token_not_yet_valid',
  },
  {
    name: 'a life of a day',
    token: () => reissued({ exp: now() + 86_400 }),
    reason: 'token_too_old',
    told: /3600 seconds/,
  },
  { name: 'no exp', token: () => reissued({ exp: undefined }), reason: 'token_claims' },
  { name: 'an exp in words', token: () => reissued({ exp: 'tomorrow' }), reason: 'token_claims' },
  {
    name: 'alg none and no signature',
    token: async () => `${encode({ alg: 'none' })}.${parts(await stack.podToken()).payload}.`,
    reason: 'token_malformed',
  },
  {
    name: 'alg none and a signature',
    token: async () => {
      const { head, payload, signature } = parts(await stack.podToken())
      return `${encode({ ...head, alg: 'none' })}.${payload}.${signature}`
    },
    reason: 'token_algorithm',
  },
  { name: 'an HMAC with the public key (PEM)', token: () => withPublicKeyAsSecret('pem'), reason: 'token_algorithm' },
  { name: 'an HMAC with the public key (DER)', token: () => withPublicKeyAsSecret('der'), reason: 'token_algorithm' },
  { name: 'an algorithm of another key', token: () => forged({ alg: 'ES256' }), reason: 'token_algorithm' },
  {
    name: 'an algorithm that the issuer does not allow',
    token: () => forged({ alg: 'PS256' }),
    reason: 'token_algorithm',
  },
  {
    name: 'another namespace than was signed',
    token: () =>
      tampered(claims => ({
        ...claims,
        sub: 'system:serviceaccount:billing:batch',
        'kubernetes.io': { ...kubernetes(claims), namespace: 'billing', serviceaccount: { name: 'batch', uid: 'x' } },
      })),
    reason: 'token_signature',
  },
  {
    name: 'a later exp than was signed',
    token: () => tampered(claims => ({ ...claims, exp: Number(claims['exp']) - 1 })),
    reason: 'token_signature',
  },
  {
    name: 'half of its signature',
    token: async () => (await stack.podToken()).slice(0, -174),
    reason: 'token_signature',
  },
  { name: "another key under the cluster's key id", token: () => forged({}), reason: 'token_signature' },
  { name: 'a key that the issuer does not publish', token: () => forged({ kid: 'mine' }), reason: 'token_key_unknown' },
  { name: 'no key id', token: () => reissued({}, { kid: undefined }), reason: 'token_header' },
  {
    name: 'its own key in the header (jwk)',
    token: () => forged({ jwk: stranger.publicKey.export({ format: 'jwk' }) }),
    reason: 'token_header',
    told: /jwk/,
  },
  {
    name: 'where to fetch its key (jku)',
    token: () => forged({ jku: 'https://attacker.example/keys' }),
    reason: 'token_header',
    told: /jku/,
  },
  {
    name: 'where to fetch its certificate (x5u)',
    token: () => forged({ x5u: 'https://attacker.example/' }),
    reason: 'token_header',
  },
  { name: 'its own certificate (x5c)', token: () => forged({ x5c: ['MII'] }), reason: 'token_header' },
  {
    name: 'an extension that must be understood (crit)',
    token: () => reissued({}, { crit: ['exp'] }),
    reason: 'token_header',
  },
  { name: "an access token's type (typ)", token: () => reissued({}, { typ: 'at+jwt' }), reason: 'token_header' },
  {
    name: 'a sub that disagrees with its claims',
    token: () => reissued({ sub: 'system:serviceaccount:billing:batch' }),
    reason: 'token_claims',
    told: /disagrees/,
  },
  {
    name: 'a namespace that runs over into the name',
    token: async () => {
      const { claims } = parts(await stack.podToken())
      const serviceaccount = { name: 'b:c', uid: 'x' }
      return reissued({
        sub: 'system:serviceaccount:payments:b:c',
        'kubernetes.io': { ...kubernetes(claims), serviceaccount },
      })
    },
    reason: 'token_unbound',
  },
  {
    name: 'no pod',
    token: () => stack.cluster.token({ namespace: 'payments', serviceAccount: 'api', audiences: [audience] }),
    reason: 'token_unbound',
    told: /not bound to a pod/,
  },
  { name: 'no claims of Kubernetes', token: () => reissued({ 'kubernetes.io': undefined }), reason: 'token_unbound' },
]

describe('a subject token', () => {
  test.each(tokens)('with $name is refused and nobody is believed', async ({ token, reason, told }) => {
    const subject_token = await token()
    stack.note(subject_token)
    const answer = await stack.exchange({ ...orders, subject_token })
    await expectRefused(stack, answer, { ...malformed, reason, ...(told && { told }) })
  })

  test('of an unknown issuer costs no request to Cosmos DB nor to anybody for keys', async () => {
    await stack.issue(orders)
    const { jwksRequests } = stack.cluster
    const subject_token = await reissued({ iss: 'https://issuer.attacker.example/' })
    stack.cosmos.faults.add({ status: 503 })
    const answer = await stack.exchange({ ...orders, subject_token })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, { ...malformed, reason: 'issuer_unknown' })
    expect(stack.cluster.jwksRequests).toBe(jwksRequests)
  })

  test('is believed again neither with its signature swapped nor after it was believed once', async () => {
    const subject_token = await stack.podToken()
    expect((await stack.exchange({ ...orders, subject_token })).status).toBe(200)
    const { header, payload } = parts(subject_token)
    const other = parts(await stack.podToken('payments/api 2'))
    const swapped = `${header}.${payload}.${other.signature}`
    const answer = await stack.exchange({ ...orders, subject_token: swapped })
    await expectRefused(stack, answer, { ...malformed, reason: 'token_signature' })
  })
})

/** Everything that a caller can compare, but for what differs in every answer. */
function comparable({ status, headers, text, body }: Answer) {
  const differing = ['date']
  return {
    status,
    headers: [...headers].filter(([name]) => !differing.includes(name)),
    text: text.replace(String(body['decision_id']), ''),
  }
}

describe('a target', () => {
  const denied: Refusal = { ...malformed, error: 'invalid_target', recorded: 'denied', reason: 'no_rule' }

  test('that is unknown and one that is denied get one answer, byte for byte, whatever else is asked', async () => {
    const unknown = await stack.exchange({ audience: 'no-such-target' })
    await expectRefused(stack, unknown, { ...denied, reason: 'target_unknown' })
    const rows: readonly [Record<string, string>, string][] = [
      [{ audience: 'mainframe-ftp' }, 'no_rule'],
      [{ audience: 'mainframe-ftp', scope: 'login' }, 'no_rule'],
      [{ audience: 'mainframe-ftp', scope: 'no-such-scope' }, 'no_rule'],
      [{ audience: 'mainframe-ftp', requested_token_type: 'urn:x:y' }, 'no_rule'],
      [{ audience: 'no-such-target', scope: 'login' }, 'target_unknown'],
      [{ audience: 'NO/SUCH target' }, 'target_unknown'],
      [{ audience: '*' }, 'target_unknown'],
      [{ resource: 'https://no.such.example/' }, 'target_unknown'],
      [{ ...orders, subject_token: await stack.podToken('quarantine/api') }, 'denied_by_rule'],
      [{ ...orders, subject_token: await stack.podToken('billing/batch') }, 'no_rule'],
      [{ ...orders, scope: 'drop', subject_token: await stack.podToken('billing/batch') }, 'no_rule'],
    ]
    for (const [form, reason] of rows) {
      const answer = await stack.exchange(form)
      expect(comparable(answer), JSON.stringify(form)).toEqual(comparable(unknown))
      await expectRefused(stack, answer, { ...denied, reason })
    }
  })

  test('that a guardrail denies stays denied although an allow rule of the target names the workload', async () => {
    await stack.addTarget({ id: 'orders-tempting', like: 'orders-db', namespace: 'quarantine', scopes: ['read'] })
    const subject_token = await stack.podToken('quarantine/api')
    const answer = await stack.exchange({ audience: 'orders-tempting', scope: 'read', subject_token })
    await expectRefused(stack, answer, { ...denied, reason: 'denied_by_rule' })
    const [record] = await stack.recordsOf(String(answer.body['decision_id']))
    expect(record?.['rules']).toEqual([expect.objectContaining({ id: 'quarantine', target: '*' })])
    expect(record?.['trace']).toContainEqual(expect.objectContaining({ rule: 'allow-orders-tempting', matched: true }))
    expect((await stack.leases()).filter(({ target }) => target === 'orders-tempting')).toEqual([])
  })

  test.each<[string, Record<string, string>, Partial<Refusal>]>([
    ['that it does not define', { scope: 'drop' }, { reason: 'scope_unknown' }],
    ['beside one that it grants', { scope: 'read drop' }, { reason: 'scope_unknown' }],
    ['named like a member of every object', { scope: '__proto__' }, { reason: 'scope_unknown' }],
  ])('tells a workload that a rule selects of a scope %s', async (_, form, refusal) => {
    const answer = await stack.exchange({ audience: 'orders-db', ...form })
    await expectRefused(stack, answer, { ...denied, error: 'invalid_scope', ...refusal })
  })

  test('tells a workload that a rule selects of a scope that no rule grants, and of no scope at all', async () => {
    await stack.addTarget({ id: 'orders-narrow', like: 'orders-db', changes: { defaultScopes: [] }, scopes: ['read'] })
    const notGranted = await stack.exchange({ audience: 'orders-narrow', scope: 'read write' })
    await expectRefused(stack, notGranted, { ...denied, error: 'invalid_scope', reason: 'scope_not_granted' })
    const none = await stack.exchange({ audience: 'orders-narrow' })
    await expectRefused(stack, none, { ...denied, error: 'invalid_scope', reason: 'scope_missing' })
  })

  test.each(['a"b', 'ü', 'a\\b', `${'s '.repeat(33).trim()}`.replaceAll(/s/g, (_, at) => `s${at}`)])(
    'is not even looked for with the scope %s',
    async scope => {
      const refused = { ...malformed, error: 'invalid_scope', reason: 'scope_unknown' }
      await expectRefused(stack, await stack.exchange({ audience: 'orders-db', scope }), refused)
    },
  )

  test('whose type is not the one asked for issues nothing', async () => {
    const form = { ...orders, requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' }
    const refused = { ...denied, error: 'invalid_request', reason: 'token_type_mismatch', told: /username-password/ }
    await expectRefused(stack, await stack.exchange(form), refused)
  })

  test('that is disabled is as good as unknown', async () => {
    await stack.addTarget({ id: 'orders-off', like: 'orders-db', changes: { enabled: false }, scopes: ['read'] })
    const answer = await stack.exchange({ audience: 'orders-off' })
    await expectRefused(stack, answer, { ...denied, reason: 'target_disabled' })
    expect(comparable(answer)).toEqual(comparable(await stack.exchange({ audience: 'no-such-target' })))
  })

  test('that cannot be read is an outage to those whom its rules select, and unknown to others', async () => {
    await stack.addTarget({ id: 'orders-garbled', like: 'orders-db', changes: { settings: {} }, scopes: ['read'] })
    const selected = await stack.exchange({ audience: 'orders-garbled' })
    const outage = { ...denied, status: 503, error: 'temporarily_unavailable', reason: 'target_unreadable' }
    await expectRefused(stack, selected, { ...outage, retryAfter: true })
    const subject_token = await stack.podToken('billing/batch')
    const other = await stack.exchange({ audience: 'orders-garbled', subject_token })
    await expectRefused(stack, other, { ...denied, reason: 'target_unreadable' })
  })

  test('with a rule that cannot be read issues nothing, since the lost rule may have been a deny', async () => {
    await stack.addTarget({ id: 'orders-doubtful', like: 'orders-db', scopes: ['read'] })
    await stack.documents.container('rules').items.upsert({ id: 'lost', target: 'orders-doubtful', effect: 'dney' })
    const answer = await stack.exchange({ audience: 'orders-doubtful' })
    const outage = { ...denied, status: 503, error: 'temporarily_unavailable', reason: 'rule_unreadable' }
    await expectRefused(stack, answer, { ...outage, retryAfter: true })
  })
})
