import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { audience } from '../../infra/local/world.ts'
import { expectRefused } from '../attacks/refusal.ts'
import { type Answer, type Document, type RunningStack, runStack } from '../running-stack.ts'
import { boundClaims, newSigner, type Signer } from '../workload/tokens.ts'
import { until } from './until.ts'

let stack: RunningStack
let signers: Readonly<Record<'own' | 'other', Signer>>

/** What every cluster calls itself until it is told otherwise. */
const unconfigured = 'https://kubernetes.default.svc.cluster.local'
const unverified = { status: 400, error: 'invalid_request', recorded: 'unverified' } as const

beforeAll(async () => {
  const [own, other] = await Promise.all([newSigner('edge-key-1'), newSigner('edge-key-2')])
  signers = { own, other }
  stack = await runStack()
  // The cluster's keys are fetched now: the last test waits until they may be fetched again.
  await stack.issue({ audience: 'orders-db', scope: 'read' })
  await stack.addTarget({ id: 'edge-ftp', like: 'mainframe-ftp', scopes: ['login'] })
  await stack.documents.container('rules').items.create({
    schema: 1,
    id: 'edge',
    target: 'edge-ftp',
    effect: 'allow',
    workloads: [{ issuer: 'edge-*', namespace: 'payments' }],
    scopes: ['login'],
  })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const put = (document: Document) => stack.documents.container('issuers').items.upsert(document)
const remove = (id: string) => put({ id, deleted: true, ttl: 3_600 })

/** A cluster that cannot be reached: its keys are in its document. */
const inline = (id: string, keys: readonly unknown[], more: Document = {}): Document => ({
  schema: 1,
  id,
  issuerUrl: unconfigured,
  kind: 'kubernetes',
  labels: { environment: 'prod' },
  audiences: [audience],
  keys: { jwks: { keys } },
  ...more,
})

/** The claims of a pod of `payments/api`, as of now. */
function claimsNow(iss: string): Readonly<Record<string, unknown>> {
  const now = Math.floor(Date.now() / 1000)
  return { ...boundClaims, iss, aud: [audience], iat: now, nbf: now, exp: now + 3_000 }
}

const tokenOf = (signer: Signer) => signer.sign(claimsNow(unconfigured))
const exchange = (subject_token: string): Promise<Answer> => stack.exchange({ audience: 'edge-ftp', subject_token })
const isIssued = ({ status }: Answer) => status === 200
const isRefused = ({ status }: Answer) => status !== 200

/** The issuer that a token was taken for. */
async function issuerOf(token: string): Promise<unknown> {
  const answer = await until(() => exchange(token), isIssued)
  const [record] = await stack.recordsOf(String(answer.body['decision_id']))
  return (record?.['workload'] as { issuer: Document } | undefined)?.issuer['id']
}

describe('a token that was let in, and is remembered, counts no longer once its issuer', () => {
  let token: string

  beforeEach(async () => {
    await put(inline('edge-1', [signers.own.published]))
    token = await tokenOf(signers.own)
    await until(() => exchange(token), isIssued)
    expect((await exchange(token)).status).toBe(200)
  })

  test.each<[string, () => Document, string, RegExp]>([
    ['is removed', () => ({ id: 'edge-1', deleted: true, ttl: 3_600 }), 'issuer_unknown', /set service-account-issuer/],
    ['is disabled', () => edge({ enabled: false }), 'issuer_disabled', /not acceptable/],
    ['is for another audience', () => edge({ audiences: ['api://other'] }), 'token_audience', /audience api:\/\/other/],
    ['has another URL', () => edge({ issuerUrl: `${unconfigured}/` }), 'issuer_unknown', /trailing slash/],
    ['has other keys', () => inline('edge-1', [signers.other.published]), 'token_key_unknown', /does not publish/],
    ['allows another algorithm', () => edge({ algorithms: ['ES256'] }), 'token_algorithm', /ES256/],
    ['allows a shorter life', () => edge({ maxTokenAge: 'PT10M' }), 'token_too_old', /600 seconds/],
    ['demands an actor', () => edge({ actors: [{ issuer: 'a', subject: 'b' }] }), 'actor_missing', /actor_token/],
  ])('%s; and counts again when that is taken back', async (_, changed, reason, told) => {
    await put(changed())
    await expectRefused(stack, await until(() => exchange(token), isRefused), { ...unverified, reason, told })
    await put(inline('edge-1', [signers.own.published]))
    expect(await issuerOf(token)).toBe('edge-1')
  })

  test('cannot be read: that is 503, since nobody can tell whom it allowed', async () => {
    await put(edge({ kind: 'fridge' }))
    const answer = await until(() => exchange(token), isRefused)
    const refusal = {
      status: 503,
      error: 'temporarily_unavailable',
      reason: 'issuer_unreadable',
      retryAfter: true,
    } as const
    await expectRefused(stack, answer, { ...unverified, ...refusal })
  })

  const edge = (more: Document) => inline('edge-1', [signers.own.published], more)
})

describe('two issuers of one URL', () => {
  beforeEach(async () => {
    await put(inline('edge-1', [signers.own.published]))
    await put(inline('edge-2', [signers.other.published]))
    // In force once each token is taken for its own: neither counts while the two cannot be told apart.
    await until(
      async () => issuerOf(await tokenOf(signers.other)),
      id => id === 'edge-2',
    )
  })
  afterAll(async () => {
    await remove('edge-2')
    await until(async () => exchange(await tokenOf(signers.other)), isRefused)
  })

  test('are told apart by the keys that they bring', async () => {
    expect(await issuerOf(await tokenOf(signers.own))).toBe('edge-1')
    expect(await issuerOf(await tokenOf(signers.other))).toBe('edge-2')
  })

  test("do not lend each other their keys: one's key id on the other's signature is refused", async () => {
    const token = await signers.own.sign(claimsNow(unconfigured), { kid: signers.other.id })
    await expectRefused(stack, await exchange(token), { ...unverified, reason: 'token_signature' })
  })

  test.each<[string, () => Document]>([
    ['have a key in common', () => inline('edge-2', [{ ...signers.own.published, kid: 'renamed' }])],
    ['have a key id in common', () => inline('edge-2', [{ ...signers.other.published, kid: signers.own.id }])],
    ['do not both bring their keys', () => inline('edge-2', [], { keys: { discovery: true } })],
  ])('count for nothing, neither of them, where they %s', async (_, changed) => {
    const token = await tokenOf(signers.own)
    expect((await exchange(token)).status).toBe(200)
    await put(changed())
    await expectRefused(stack, await until(() => exchange(token), isRefused), {
      ...unverified,
      reason: 'issuer_ambiguous',
      told: /the issuer of the token is not acceptable/,
    })
  })

  test('are one again when the other is disabled', async () => {
    await put(inline('edge-2', [signers.own.published], { enabled: false }))
    await until(async () => exchange(await tokenOf(signers.other)), isRefused)
    expect(await issuerOf(await tokenOf(signers.own))).toBe('edge-1')
  })
})

describe('keys at a URL of their own', () => {
  const issuerUrl = 'https://edge.example/oidc'
  const document = (more: Document = {}) => ({
    ...inline('edge-uri', [], { issuerUrl, network: 'private', keys: { jwksUri: stack.cluster.jwksUri } }),
    ...more,
  })
  const unavailable = {
    ...unverified,
    status: 503,
    error: 'temporarily_unavailable',
    reason: 'issuer_keys_unavailable',
    retryAfter: true,
  } as const

  test('are fetched from there, and nothing from where the token says that it is from', async () => {
    await put(document())
    expect(await issuerOf(await stack.cluster.sign(claimsNow(issuerUrl)))).toBe('edge-uri')
  })

  test.each<[string, () => Document]>([
    ['that does not answer', () => document({ keys: { jwksUri: 'https://localhost:1/keys' } })],
    ['that has no keys', () => document({ keys: { jwksUri: `${stack.tenant.issuerUrl}/nothing` } })],
    ['at a private address that the document does not allow', () => document({ network: 'public' })],
  ])('%s are 503', async (_, changed) => {
    await put(document())
    const token = await stack.cluster.sign(claimsNow(issuerUrl))
    await until(() => exchange(token), isIssued)
    await put(changed())
    await expectRefused(stack, await until(() => exchange(token), isRefused), unavailable)
  })
})

// The last: from then on the pods' tokens are signed with another key.
test('over a rotation of its keys a cluster is let in by the old and the new, and by none that it has withdrawn', async () => {
  const read = (subject_token: string) => stack.exchange({ audience: 'orders-db', scope: 'read', subject_token })
  const withdrawn = await stack.podToken()
  expect((await read(withdrawn)).status).toBe(200)
  await stack.cluster.rotateKeys()
  // Its key is still published, and the gateway has not looked again.
  expect((await read(withdrawn)).status).toBe(200)
  const overlapping = await stack.podToken()
  await stack.cluster.rotateKeys()
  const current = await stack.podToken()

  // An unknown key id has the keys fetched again, once in 30 seconds at most.
  const before = stack.cluster.jwksRequests
  const unknown = await read(current)
  if (unknown.status !== 200) await expectRefused(stack, unknown, { ...unverified, reason: 'token_key_unknown' })
  await until(() => read(current), isIssued)
  expect(stack.cluster.jwksRequests).toBe(before + 1)
  expect((await read(overlapping)).status).toBe(200)
  await expectRefused(stack, await read(withdrawn), { ...unverified, reason: 'token_key_unknown' })
  expect(stack.cluster.jwksRequests).toBe(before + 1)
})
