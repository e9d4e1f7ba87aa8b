import type { RequestListener } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { audience, operator, stranger } from '../../infra/local/world.ts'
import { type Answer, type Document, type RunningStack, runStack } from '../running-stack.ts'
import {
  clusterKey,
  type IssuerServer,
  type Key,
  newKey,
  notAllowed,
  orders,
  partsOf,
  register,
  seconds,
  startIssuer,
  unproven,
} from './hostile.ts'
import { expectRefused, type Refusal } from './refusal.ts'

// Numbers are those of the project's list of threats: threats-tokens.test.ts says where the others are.

let stack: RunningStack
let key: Key
const servers: IssuerServer[] = []

beforeAll(async () => {
  stack = await runStack()
  key = newKey('key-1')
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(async () => {
  for (const server of servers) await server.stop()
  await stack?.stop()
})

async function startServer(keys: readonly Key[] = [key]): Promise<IssuerServer> {
  const server = await startIssuer(stack, keys)
  servers.push(server)
  return server
}

/** A pod's claims as another issuer would sign them. */
async function claimsOf(issuerUrl: string, changes: Document = {}): Promise<Document> {
  return { ...partsOf(await stack.podToken()).claims, iss: issuerUrl, ...changes }
}

async function presented(signer: Key, issuerUrl: string, changes: Document = {}): Promise<Answer> {
  return stack.exchange({ ...orders, subject_token: signer.sign(await claimsOf(issuerUrl, changes)) })
}

/** Longer than any change takes to be seen. */
const patience = { timeout: 30_000 }

/** The keys of that issuer cannot be had: 503 for it alone, counted under it. */
const keysUnavailable: Refusal = {
  status: 503,
  error: 'temporarily_unavailable',
  reason: 'issuer_keys_unavailable',
  recorded: 'unverified',
  retryAfter: true,
}

async function expectKeysRefused(id: string, issuerUrl: string): Promise<void> {
  const answer = await presented(key, issuerUrl)
  await expectRefused(stack, answer, keysUnavailable)
  const { count } = await stack.countOf(String(answer.body['decision_id']))
  expect(count['issuer']).toBe(id)
  expect((await stack.exchange(orders)).status).toBe(200)
}

const answerJson = (body: unknown): RequestListener => {
  return (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** What a registered issuer that was taken over might answer where its discovery document should be. */
const discoveryPath = '/.well-known/openid-configuration'

describe('1, 2, 12, 13: what a token says of itself is refused before its issuer is asked for keys', () => {
  test('an algorithm, an audience or a time that is not acceptable makes nobody fetch anything', async () => {
    const server = await startServer()
    await register(stack, { id: 'quiet', issuerUrl: server.issuerUrl, kind: 'kubernetes', network: 'private' })
    const rows: readonly [Document, Document, string][] = [
      [{ alg: 'none' }, {}, 'token_algorithm'],
      [{ alg: 'HS256' }, {}, 'token_algorithm'],
      [{ jku: server.jwksUri }, {}, 'token_header'],
      [{}, { aud: 'https://kubernetes.default.svc' }, 'token_audience'],
      [{}, { exp: seconds() - 120, iat: seconds() - 600, nbf: 0 }, 'token_expired'],
      [{}, { nbf: seconds() + 600 }, 'token_not_yet_valid'],
      [{}, { exp: seconds() + 86_400 }, 'token_too_old'],
    ]
    for (const [header, changes, reason] of rows) {
      const subject_token = key.sign(await claimsOf(server.issuerUrl, changes), header)
      await expectRefused(stack, await stack.exchange({ ...orders, subject_token }), { ...unproven, reason })
    }
    expect(server.asked).toEqual([])
    await expectRefused(stack, await presented(key, server.issuerUrl), notAllowed)
    expect(server.asked).toEqual([discoveryPath, '/jwks'])
  })
})

describe('6: a registered issuer cannot make the gateway ask anybody else', () => {
  let id = 0

  test.each<[string, (server: IssuerServer, elsewhere: IssuerServer) => void]>([
    [
      'by keys on another host',
      (server, elsewhere) =>
        server.answer(discoveryPath, answerJson({ issuer: server.issuerUrl, jwks_uri: elsewhere.jwksUri })),
    ],
    [
      'by keys at an address of the host itself',
      ({ answer, issuerUrl, port }) =>
        answer(discoveryPath, answerJson({ issuer: issuerUrl, jwks_uri: `https://127.0.0.1:${port}/jwks` })),
    ],
    [
      'by keys over http',
      ({ answer, issuerUrl, port }) =>
        answer(discoveryPath, answerJson({ issuer: issuerUrl, jwks_uri: `http://localhost:${port}/jwks` })),
    ],
    [
      'by keys of the metadata service',
      ({ answer, issuerUrl }) =>
        answer(discoveryPath, answerJson({ issuer: issuerUrl, jwks_uri: 'https://169.254.169.254/metadata/identity' })),
    ],
    [
      'by a redirect of its discovery document',
      ({ answer }, elsewhere) =>
        answer(discoveryPath, (_, response) =>
          response.writeHead(302, { location: `${elsewhere.url}${discoveryPath}` }).end(),
        ),
    ],
    [
      'by a redirect of its keys',
      ({ answer }, elsewhere) =>
        answer('/jwks', (_, response) => response.writeHead(307, { location: elsewhere.jwksUri }).end()),
    ],
    [
      'by a discovery document of another issuer',
      ({ answer, jwksUri }, elsewhere) =>
        answer(discoveryPath, answerJson({ issuer: elsewhere.issuerUrl, jwks_uri: jwksUri })),
    ],
  ])('%s', async (_, spoil) => {
    const [server, elsewhere] = [await startServer(), await startServer()]
    spoil(server, elsewhere)
    const name = `spoilt-${id++}`
    await register(stack, { id: name, issuerUrl: server.issuerUrl, kind: 'kubernetes', network: 'private' })
    await expectKeysRefused(name, server.issuerUrl)
    expect(server.asked[0]).toBe(discoveryPath)
    expect(elsewhere.asked).toEqual([])
  })

  test('nor itself, where it is on a private address and its document does not say so', async () => {
    const server = await startServer()
    await register(stack, { id: 'looped', issuerUrl: server.issuerUrl, kind: 'kubernetes' })
    await expectKeysRefused('looped', server.issuerUrl)
    expect(server.asked).toEqual([])
  })

  test('and is asked at its own host where all is in order: the row that shows that the others could have passed', async () => {
    const server = await startServer()
    await register(stack, { id: 'in-order', issuerUrl: server.issuerUrl, kind: 'kubernetes', network: 'private' })
    await expectRefused(stack, await presented(key, server.issuerUrl), notAllowed)
    expect(server.asked).toEqual([discoveryPath, '/jwks'])
  })
})

describe('7, 10: a key set that is a bomb leaves its issuer without keys, and no other', () => {
  let id = 0
  const many = (count: number) => ({
    keys: Array.from({ length: count }, (_, at) => ({ ...key.published, kid: `k${at}` })),
  })

  test.each<[string, RequestListener]>([
    [
      '7: of a megabyte',
      (request, response) => answerJson({ keys: [key.published], padding: 'x'.repeat(1024 * 1024) })(request, response),
    ],
    [
      '7: without an end',
      (_, response) => {
        const more = () => void (response.destroyed || response.write('x'.repeat(16_384), more))
        more()
      },
    ],
    ['7: of fifty thousand levels', (_, response) => response.end(`${'['.repeat(45_000)}${']'.repeat(45_000)}`)],
    ['7: that is HTML', (_, response) => response.end('<html>')],
    ['7: that is a list', (_, response) => response.end('[]')],
    ['7: of keys that are none', answerJson({ keys: [null, 1, 'x'] })],
    ['7: whose connection breaks', (_, response) => void response.socket?.destroy()],
    ['7: that is an error', (_, response) => response.writeHead(500).end('{"keys":[]}')],
    ['7: of 51 keys', (request, response) => answerJson(many(51))(request, response)],
    [
      '10: of two keys with one id',
      (request, response) => answerJson({ keys: [key.published, newKey(key.id).published] })(request, response),
    ],
  ])('%s', async (_, answer) => {
    const server = await startServer()
    server.answer('/jwks', answer)
    const name = `bomb-${id++}`
    await register(stack, { id: name, issuerUrl: server.issuerUrl, kind: 'kubernetes', network: 'private' })
    await expectKeysRefused(name, server.issuerUrl)
    expect(server.asked).toEqual([discoveryPath, '/jwks'])
  })
})

describe('10, 18: one issuer is never taken for another', () => {
  let server: IssuerServer
  let impostor: Key

  beforeAll(async () => {
    // A registered issuer whose key has the cluster's key id.
    impostor = newKey(String((await clusterKey(stack))['kid']))
    server = await startServer([impostor])
    await register(stack, {
      id: 'other-cluster',
      issuerUrl: server.issuerUrl,
      kind: 'kubernetes',
      network: 'private',
      labels: { environment: 'dev' },
    })
  })

  test("10: its key does not verify the cluster's tokens, nor the cluster's key its own", async () => {
    const refused = { ...unproven, reason: 'token_signature' }
    await expectRefused(stack, await presented(impostor, server.issuerUrl), notAllowed)
    await expectRefused(stack, await presented(impostor, stack.cluster.issuerUrl), refused)
    const subject_token = await stack.cluster.sign(await claimsOf(server.issuerUrl))
    await expectRefused(stack, await stack.exchange({ ...orders, subject_token }), refused)
  })

  test('18: the same subject there is another workload: no rule of the one allows the other', async () => {
    const answer = await presented(impostor, server.issuerUrl)
    await expectRefused(stack, answer, notAllowed)
    const [record] = await stack.recordsOf(String(answer.body['decision_id']))
    expect(record?.['workload']).toMatchObject({
      subject: 'system:serviceaccount:payments:api',
      issuer: { id: 'other-cluster', labels: { environment: 'dev' } },
    })
  })
})

describe('11: two clusters that both call themselves kubernetes.default.svc.cluster.local', () => {
  const issuerUrl = 'https://kubernetes.default.svc.cluster.local'
  const [first, second] = [newKey('first'), newKey('second')]
  const inline = (id: string, ...keys: readonly Document[]) => ({
    id,
    issuerUrl,
    kind: 'kubernetes',
    keys: { jwks: { keys } },
  })

  test('are told apart by their inline keys, and the record says which it was', async () => {
    await register(stack, inline('plant-a', first.published))
    await register(stack, inline('plant-b', second.published))
    // A first token of each, until both are known.
    for (const signer of [first, second]) {
      await expect.poll(async () => (await presented(signer, issuerUrl)).body['error'], patience).toBe('invalid_target')
    }
    for (const [signer, id] of [
      [first, 'plant-a'],
      [second, 'plant-b'],
    ] as const) {
      const answer = await presented(signer, issuerUrl)
      await expectRefused(stack, answer, notAllowed)
      const [record] = await stack.recordsOf(String(answer.body['decision_id']))
      expect(record?.['workload']).toMatchObject({ issuer: { id } })
    }
  })

  test('count neither, once one has a key of the other under whatever id', async () => {
    await register(stack, inline('plant-c', { ...first.published, kid: 'third' }))
    const told = /not acceptable/
    // Both are known by now; the third makes them ambiguous within a poll.
    await expect.poll(async () => (await presented(first, issuerUrl)).body['error_description'], patience).toMatch(told)
    for (const signer of [first, second]) {
      const answer = await presented(signer, issuerUrl)
      await expectRefused(stack, answer, { ...unproven, reason: 'issuer_ambiguous', told })
      const { count } = await stack.countOf(String(answer.body['decision_id']))
      expect(count['issuer']).toBe('unknown')
    }
    await stack.documents.container('issuers').items.upsert({ id: 'plant-c', deleted: true })
  })
})

describe('51: an application of the tenant gets a token for us, and nothing for it', () => {
  beforeAll(async () => {
    await register(stack, {
      id: 'tenant',
      issuerUrl: stack.tenant.issuerUrl,
      kind: 'entra',
      network: 'private',
      maxTokenAge: 'PT24H',
    })
  })

  const sign = (changes: Document = {}) =>
    stack.tenant.sign({ aud: audience, azp: stranger.clientId, oid: stranger.objectId, ...changes })

  test('whoever it is: it is verified, on the record, and no rule names it', async () => {
    const answer = await stack.exchange({ ...orders, subject_token: await sign() })
    await expectRefused(stack, answer, notAllowed)
    const [record] = await stack.recordsOf(String(answer.body['decision_id']))
    expect(record?.['workload']).toMatchObject({ entra: { objectId: stranger.objectId, principal: 'application' } })
  })

  test("nor do claims of Kubernetes make it a pod: its namespace is nobody's", async () => {
    const { 'kubernetes.io': kubernetes } = partsOf(await stack.podToken()).claims
    const sub = 'system:serviceaccount:payments:api'
    const subject_token = await sign({ 'kubernetes.io': kubernetes, sub, oid: operator.objectId })
    await expectRefused(stack, await stack.exchange({ ...orders, subject_token }), notAllowed)
  })

  test.each<[string, Document]>([
    ['a person', { idtyp: 'user', sub: 'someone', scp: 'user_impersonation' }],
    ['somebody of another tenant', { tid: '99999999-9999-4999-8999-999999999999' }],
    ['an id token', { azp: undefined }],
  ])('%s is refused before any rule', async (_, changes) => {
    const answer = await stack.exchange({ ...orders, subject_token: await sign(changes) })
    await expectRefused(stack, answer, { ...unproven, reason: 'token_claims' })
    const { count } = await stack.countOf(String(answer.body['decision_id']))
    expect(count['issuer']).toBe('tenant')
  })

  test('a token of Entra for another resource is refused', async () => {
    const subject_token = await sign({ aud: 'https://vault.azure.net', exp: seconds() + 600 })
    const answer = await stack.exchange({ ...orders, subject_token })
    await expectRefused(stack, answer, { ...unproven, reason: 'token_audience' })
  })
})
