import { createHash, createPublicKey } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Certificate, openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { type Cluster, startCluster } from '../../../infra/local/cluster/cluster.ts'

const uid = {
  account: '6f1c7f3e-30a5-4b6d-8f0e-0b8f5a3a1c01',
  pod: '6f1c7f3e-30a5-4b6d-8f0e-0b8f5a3a1c02',
  node: '6f1c7f3e-30a5-4b6d-8f0e-0b8f5a3a1c03',
}
const account = { namespace: 'payments', name: 'payments-api', uid: uid.account }
const pod = {
  namespace: 'payments',
  name: 'payments-api-0',
  uid: uid.pod,
  serviceAccount: 'payments-api',
  node: { name: 'node-1', uid: uid.node },
}
const audience = 'https://causeway.example'
/** The token of whoever may review tokens. */
const reviewer = 'the-token-of-a-system-auth-delegator'
const jwks = z.object({ keys: z.array(z.object({ kty: z.string(), kid: z.string(), n: z.string(), e: z.string() })) })
const answered = z.object({
  spec: z.object({ boundObjectRef: z.record(z.string(), z.string()).nullable() }),
  status: z.object({ token: z.string(), expirationTimestamp: z.iso.datetime() }),
})

let certificate: Certificate
/** A cluster's folder, made once: RSA keys take their time. */
let made: string
let dir: string
let cluster: Cluster

beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'cluster-made-'))
  const authority = await openCertificateAuthority(join(made, 'authority'))
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), authority.certificate])
  certificate = await authority.issue()
  await (await start(made)).stop()
})

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cluster-'))
  await cp(made, dir, { recursive: true })
  cluster = await start(dir)
})

afterAll(() => rm(made, { recursive: true }))

afterEach(async () => {
  await cluster.stop()
  await rm(dir, { recursive: true })
})

function start(dir: string, port = 0): Promise<Cluster> {
  const other = { namespace: 'payments', name: 'other', uid: 'uid-other' }
  const inventory = { serviceAccounts: [account, other], pods: [pod] }
  return startCluster({ id: 'aks-prod', port, certificate, dir, ...inventory, reviewer })
}

async function publishedKeys() {
  const response = await fetch(cluster.jwksUri)
  return jwks.parse(await response.json()).keys
}

async function post(body: unknown, serviceAccount = 'payments-api', template = cluster.tokenRequest) {
  const url = template.replace('{namespace}', 'payments').replace('{name}', serviceAccount)
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: text })
  return { status: response.status, body: await response.json() }
}

/** What a request that succeeds is answered. */
async function issued(body: unknown) {
  const answer = await post(body)
  expect(answer.status).toBe(201)
  return answered.parse(answer.body)
}

function tokenRequest(spec: Record<string, unknown>) {
  return { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [audience], ...spec } }
}

function boundTo(reference: Record<string, unknown>) {
  return tokenRequest({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod.name, ...reference } })
}

const verified = (token: string) =>
  jwtVerify(token, createRemoteJWKSet(new URL(cluster.jwksUri)), { issuer: cluster.issuerUrl, audience })

test('the issuer publishes discovery and two keys as AKS does', async () => {
  expect(cluster.issuerUrl).toMatch(/^https:\/\/localhost:\d+\/[0-9a-f-]{36}\/[0-9a-f-]{36}\/$/)
  const discovery = await fetch(`${cluster.issuerUrl}.well-known/openid-configuration`)
  expect(await discovery.json()).toMatchObject({ issuer: cluster.issuerUrl, jwks_uri: cluster.jwksUri })
  const response = await fetch(cluster.jwksUri)
  expect(response.headers.get('cache-control')).toContain('max-age=3600')
  expect(await publishedKeys()).toHaveLength(2)
})

test('a key id is the hash of its public key', async () => {
  for (const key of await publishedKeys()) {
    const der = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'der' })
    expect(key.kid).toBe(createHash('sha256').update(der).digest('base64url'))
  }
})

test('a token request for a pod is answered with the claims of a bound token of Kubernetes 1.32', async () => {
  const { status } = await issued(boundTo({ uid: uid.pod }))
  const { payload, protectedHeader } = await verified(status.token)
  expect(Object.keys(protectedHeader).sort()).toEqual(['alg', 'kid'])
  expect(payload).toEqual({
    aud: [audience],
    exp: Number(payload.iat) + 3600,
    iat: expect.any(Number),
    nbf: payload.iat,
    iss: cluster.issuerUrl,
    jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    sub: 'system:serviceaccount:payments:payments-api',
    'kubernetes.io': {
      namespace: 'payments',
      node: { name: 'node-1', uid: uid.node },
      pod: { name: pod.name, uid: uid.pod },
      serviceaccount: { name: 'payments-api', uid: uid.account },
    },
  })
  expect(Date.parse(status.expirationTimestamp) / 1000).toBe(payload.exp)
})

test('a token request that names a pod without its uid is filled in', async () => {
  const { spec } = await issued(boundTo({}))
  expect(spec.boundObjectRef).toEqual({ kind: 'Pod', apiVersion: 'v1', name: pod.name, uid: uid.pod })
})

test('a token request without a pod is answered with a token without one', async () => {
  const { status } = await issued(tokenRequest({}))
  const claim = decodeJwt(status.token)['kubernetes.io']
  expect(claim).toEqual({ namespace: 'payments', serviceaccount: { name: 'payments-api', uid: uid.account } })
})

test('a token request without audiences is for the cluster itself', async () => {
  const { status } = await issued({ spec: {} })
  expect(decodeJwt(status.token).aud).toEqual([cluster.issuerUrl])
})

test('a longer life than a day is cut to a day', async () => {
  const { status } = await issued(tokenRequest({ expirationSeconds: 200_000 }))
  const { exp, iat } = decodeJwt(status.token)
  expect(Number(exp) - Number(iat)).toBe(86_400)
})

test('token requests are answered over https too', async () => {
  const path = new URL(cluster.tokenRequest).pathname
  const https = `${new URL(cluster.issuerUrl).origin}${decodeURIComponent(path)}`
  expect(await post(boundTo({}), 'payments-api', https)).toMatchObject({ status: 201 })
})

test.each([
  ['an unknown service account', tokenRequest({}), 'nobody', 404, 'NotFound'],
  ['an unknown pod', boundTo({ name: 'gone' }), 'payments-api', 404, 'NotFound'],
  ['a pod of another uid', boundTo({ uid: 'uid-before' }), 'payments-api', 409, 'Conflict'],
  ['a pod of another service account', boundTo({}), 'other', 400, 'BadRequest'],
  ['a bound object that is no pod', boundTo({ kind: 'Secret' }), 'payments-api', 400, 'BadRequest'],
  ['a life under ten minutes', tokenRequest({ expirationSeconds: 599 }), 'payments-api', 422, 'Invalid'],
  ['text that is not JSON', 'nonsense', 'payments-api', 400, 'BadRequest'],
  ['another object', { kind: 'Pod', spec: {} }, 'payments-api', 400, 'BadRequest'],
])('%s is refused with a Status', async (_, body, serviceAccount, code, reason) => {
  const refused = await post(body, serviceAccount)
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason }
  expect(refused).toMatchObject({ status: code, body: status })
})

test('a pod tells its uid, its node and its service account', async () => {
  const { origin } = new URL(cluster.tokenRequest)
  const response = await fetch(`${origin}/api/v1/namespaces/payments/pods/${pod.name}`)
  expect(await response.json()).toMatchObject({
    kind: 'Pod',
    metadata: { name: pod.name, namespace: 'payments', uid: uid.pod },
    spec: { serviceAccountName: 'payments-api', nodeName: 'node-1' },
  })
})

test('pods come and go', async () => {
  cluster.removePod('payments', pod.name)
  expect(await post(boundTo({}))).toMatchObject({ status: 404 })
  cluster.addPod({ ...pod, uid: 'uid-anew' })
  expect(await post(boundTo({ uid: uid.pod }))).toMatchObject({ status: 409 })
  const token = await cluster.token({ ...account, serviceAccount: account.name, pod: pod.name, audiences: [audience] })
  expect(decodeJwt(token)['kubernetes.io']).toMatchObject({ pod: { uid: 'uid-anew' } })
})

const podUrl = () => `${new URL(cluster.tokenRequest).origin}/api/v1/namespaces/payments/pods/${pod.name}`

test('a pod that is deleted is told once more, and then it is gone with its name', async () => {
  const deleted = await fetch(podUrl(), { method: 'DELETE' })
  expect({ status: deleted.status, body: await deleted.json() }).toMatchObject({
    status: 200,
    body: { kind: 'Pod', metadata: { uid: uid.pod } },
  })
  for (const method of ['GET', 'DELETE']) {
    const answer = await fetch(podUrl(), { method })
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ kind: 'Status', reason: 'NotFound', details: { kind: 'pods' } })
  }
  expect(await post(boundTo({}))).toMatchObject({ status: 404 })
})

describe('a TokenReview', () => {
  const bound = () =>
    cluster.token({ namespace: 'payments', serviceAccount: account.name, pod: pod.name, audiences: [audience] })

  async function review(spec: Record<string, unknown>, bearer = reviewer, kind = 'TokenReview') {
    const url = new URL('/apis/authentication.k8s.io/v1/tokenreviews', cluster.issuerUrl)
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${bearer}` }
    const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind, spec })
    const response = await fetch(url, { method: 'POST', headers, body })
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(await response.json()) }
  }

  const statusOf = async (token: string, audiences = [audience]) => (await review({ token, audiences })).body['status']

  test('tells whose a token is, and which of the audiences are its own', async () => {
    const token = await bound()
    const audiences = ['https://elsewhere.example', audience]
    expect(await review({ token, audiences })).toEqual({
      status: 201,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences },
        status: {
          authenticated: true,
          audiences: [audience],
          user: {
            username: 'system:serviceaccount:payments:payments-api',
            uid: uid.account,
            groups: ['system:serviceaccounts', 'system:serviceaccounts:payments', 'system:authenticated'],
          },
        },
      },
    })
  })

  test('without audiences is about tokens for the API server itself', async () => {
    const ask = { namespace: 'payments', serviceAccount: account.name }
    const own = await cluster.token({ ...ask, audiences: [] })
    expect(await statusOf(own, [])).toMatchObject({ authenticated: true, audiences: [cluster.issuerUrl] })
    expect(await statusOf(await bound(), [])).toMatchObject({ authenticated: false })
  })

  test.each<[string, () => void]>([
    ['its pod was deleted', () => cluster.removePod('payments', pod.name)],
    ['its pod was made anew', () => cluster.addPod({ ...pod, uid: 'uid-anew' })],
    ['its service account was deleted', () => cluster.removeServiceAccount('payments', account.name)],
  ])('says no to a token once %s', async (_, happens) => {
    const token = await bound()
    expect(await statusOf(token)).toMatchObject({ authenticated: true })
    happens()
    expect(await statusOf(token)).toEqual({
      authenticated: false,
      user: {},
      error: expect.stringContaining('no longer exists'),
    })
  })

  test('says no to a token for another audience, of another issuer, with another signature, or that is none', async () => {
    const claims = decodeJwt(await bound())
    const past = Math.floor(Date.now() / 1000) - 60
    const tokens = [
      await cluster.sign({ ...claims, aud: ['https://elsewhere.example'] }),
      await cluster.sign({ ...claims, iss: 'https://elsewhere.example' }),
      await cluster.sign({ ...claims, exp: past }),
      (await bound()).replace(/.{8}$/, 'AAAAAAAA'),
      'nonsense',
    ]
    expect(await statusOf(await cluster.sign(claims))).toMatchObject({ authenticated: true })
    for (const token of tokens) expect(await statusOf(token)).toMatchObject({ authenticated: false })
  })

  test('is for the reviewer alone', async () => {
    const token = await bound()
    for (const bearer of ['', 'another', `${reviewer}x`, token]) {
      const answer = await review({ token, audiences: [audience] }, bearer)
      expect(answer).toMatchObject({ status: 401, body: { kind: 'Status', reason: 'Unauthorized' } })
    }
  })

  test('of another kind, or without a token, is refused with a Status', async () => {
    const token = await bound()
    const refused = { status: 400, body: { kind: 'Status', reason: 'BadRequest' } }
    expect(await review({ token }, reviewer, 'SubjectAccessReview')).toMatchObject(refused)
    expect(await review({ audiences: [audience] })).toMatchObject(refused)
  })
})

test('after a rotation a new key signs and one extra is published; after another the old key is gone', async () => {
  const ask = { namespace: 'payments', serviceAccount: 'payments-api', audiences: [audience] }
  const before = await cluster.token(ask)
  const oldKeys = await publishedKeys()
  await cluster.rotateKeys()
  const after = await cluster.token(ask)
  expect(oldKeys.map(({ kid }) => kid)).not.toContain(decodeProtectedHeader(after).kid)
  expect(await publishedKeys()).toHaveLength(3)
  await verified(before)
  await verified(after)
  await cluster.rotateKeys()
  expect(await publishedKeys()).toHaveLength(3)
  await verified(after)
  await expect(verified(before)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
})

test('fetches of the keys are counted, and only those', async () => {
  await fetch(`${cluster.issuerUrl}.well-known/openid-configuration`)
  await publishedKeys()
  await publishedKeys()
  expect(cluster.jwksRequests).toBe(2)
})

test('any claims and any header can be signed with the current key', async () => {
  const token = await cluster.sign({ iss: 'https://elsewhere.example', aud: [audience] }, { typ: 'JWT', alg: 'HS256' })
  expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'JWT', alg: 'HS256' })
  expect(decodeJwt(token).iss).toBe('https://elsewhere.example')
})

test('a restart is the same issuer, publishes the same keys and signs with the same one', async () => {
  await cluster.rotateKeys()
  const { issuerUrl } = cluster
  const keys = await publishedKeys()
  const token = await cluster.token({ namespace: 'payments', serviceAccount: 'payments-api', audiences: [audience] })
  await cluster.stop()
  cluster = await start(dir, Number(new URL(issuerUrl).port))
  expect(cluster.issuerUrl).toBe(issuerUrl)
  expect(await publishedKeys()).toEqual(keys)
  await verified(token)
})
