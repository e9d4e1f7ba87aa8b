import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { identities } from '../../infra/local/access.ts'
import { type IdentityEndpoint, startIdentityEndpoint } from '../../infra/local/identity.ts'
import { audience } from '../../infra/local/world.ts'
import { expectRefused } from '../attacks/refusal.ts'
import { type Answer, type Document, post, type RunningStack, runStack } from '../running-stack.ts'
import { type PolicyRequest, readPolicy, runPolicy } from './api-management-policy.ts'
import { until } from './until.ts'

let stack: RunningStack
let policy: string
let signing: KeyObject
/** Where API Management, in its own network, asks for its managed identity's tokens. */
let managedIdentities: IdentityEndpoint

/** API Management's managed identity, and another of the same tenant. */
const apiManagement = {
  name: 'apim',
  clientId: 'dddddddd-0000-4000-8000-000000000001',
  objectId: 'dddddddd-0000-4000-8000-0000000000ff',
}
const stranger = {
  ...apiManagement,
  name: 'stranger',
  clientId: identities.manage.clientId,
  objectId: identities.manage.objectId,
}

const named = {
  'causeway-audience': audience,
  'causeway-target': 'erp-ftp',
  'causeway-subject-issuer': 'https://apim.corp.example/legacy',
  'causeway-signing-thumbprint': '5F2C9A0B7D3E1F4A6B8C',
  'causeway-signing-kid': 'apim-2026',
  'erp-thumbprint': '0123456789ABCDEF',
}
const unverified = { status: 400, error: 'invalid_request', recorded: 'unverified' } as const

beforeAll(async () => {
  policy = await readPolicy()
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  signing = pair.privateKey
  stack = await runStack({
    settings: { CAUSEWAY_FORWARDERS: JSON.stringify([{ issuer: 'corp', subject: apiManagement.objectId }]) },
  })
  managedIdentities = await startIdentityEndpoint({ identities: [apiManagement, stranger], tenant: stack.tenant })
  const { kty, n, e } = pair.publicKey.export({ format: 'jwk' })
  const legacy = {
    schema: 1,
    id: 'legacy',
    issuerUrl: named['causeway-subject-issuer'],
    kind: 'oidc',
    labels: { environment: 'prod' },
    audiences: [audience],
    keys: { jwks: { keys: [{ kty, n, e, kid: named['causeway-signing-kid'] }] } },
    actors: [{ issuer: 'corp', subject: apiManagement.objectId }],
  }
  const corp = {
    schema: 1,
    id: 'corp',
    issuerUrl: stack.tenant.issuerUrl,
    kind: 'entra',
    labels: { environment: 'prod' },
    audiences: [audience],
    maxTokenAge: 'PT24H',
    network: 'private',
  }
  for (const issuer of [legacy, corp]) await stack.documents.container('issuers').items.upsert(issuer)
  await stack.addTarget({ id: 'erp-ftp', like: 'mainframe-ftp', scopes: ['login'] })
  await stack.documents.container('rules').items.create({
    schema: 1,
    id: 'erp',
    target: 'erp-ftp',
    effect: 'allow',
    workloads: [{ issuer: 'legacy', subject: 'erp' }],
    scopes: ['login'],
  })
  await until(
    async () => send(await request()),
    ({ status }) => status === 200,
  )
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(async () => {
  await managedIdentities?.stop()
  await stack?.stop()
})

const issuedIdentity = z.object({ access_token: z.string() })

/** A token as API Management gets it from its platform: it lives a day. */
async function tokenOf({ clientId }: typeof apiManagement, resource = audience): Promise<string> {
  const query = new URLSearchParams({ resource, client_id: clientId, 'api-version': '2019-08-01' })
  const headers = { 'x-identity-header': managedIdentities.header }
  const response = await fetch(`${managedIdentities.endpoint}?${query}`, { headers })
  const token = issuedIdentity.parse(await response.json()).access_token
  stack.note(token)
  return token
}

/** The request that the policy makes. */
async function request(changed: Readonly<Record<string, string>> = {}): Promise<PolicyRequest> {
  const made = await runPolicy(policy, {
    named: { ...named, 'causeway-url': stack.gateway.url, ...changed },
    certificates: { [named['causeway-signing-thumbprint']]: signing },
    managedIdentity: resource => tokenOf(apiManagement, resource),
    callerAddress: '198.51.100.7',
  })
  for (const token of Object.values(made.variables)) stack.note(token)
  return made
}

/** Sends it, with what a test changes of its form: undefined leaves a parameter out. */
async function send(
  { url, headers, body }: PolicyRequest,
  changed: Readonly<Record<string, string | undefined>> = {},
): Promise<Answer> {
  const form = new URLSearchParams(body)
  for (const [name, value] of Object.entries(changed)) {
    if (value === undefined) form.delete(name)
    else form.set(name, value)
  }
  const answer = await post(url, Object.keys(changed).length > 0 ? form.toString() : body, { ...headers })
  if (typeof answer.body['access_token'] === 'string') stack.note(answer.body['access_token'])
  return answer
}

async function recordOf({ body }: Answer): Promise<Document> {
  const [record, ...more] = await stack.recordsOf(String(body['decision_id']))
  if (!record || more.length > 0) throw new Error('expected one record')
  return record
}

describe('the request that the policy of API Management makes', () => {
  test('is a token exchange of a subject that names the integration, with the managed identity as actor', async () => {
    const { method, headers, body } = await request()
    expect(method).toBe('POST')
    expect(headers).toEqual({
      'Content-Type': 'application/x-www-form-urlencoded',
      'X-Causeway-Client-IP': '198.51.100.7',
    })
    const form = new URLSearchParams(body)
    expect(Object.fromEntries(form)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: expect.any(String),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      actor_token: expect.any(String),
      actor_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'erp-ftp',
    })
    const subject = decodeJwt(form.get('subject_token') ?? '')
    expect(subject).toMatchObject({ iss: named['causeway-subject-issuer'], sub: 'erp', aud: audience })
    expect(Number(subject.exp) - Number(subject.iat)).toBe(60)
    expect(decodeJwt(form.get('actor_token') ?? '')).toMatchObject({ oid: apiManagement.objectId, aud: audience })
  })

  test('gets the credential, and the record holds both identities and the address that API Management saw', async () => {
    const answer = await send(await request())
    expect(answer.status).toBe(200)
    expect(answer.body['credential']).toMatchObject({ username: 'MFBATCH' })
    expect(await recordOf(answer)).toMatchObject({
      outcome: 'allowed',
      workload: { issuer: { id: 'legacy', kind: 'oidc' }, subject: 'erp' },
      actor: {
        issuer: { id: 'corp', kind: 'entra' },
        subject: apiManagement.objectId,
        entra: {
          tenant: stack.tenant.tenantId,
          objectId: apiManagement.objectId,
          application: apiManagement.clientId,
          principal: 'application',
          managedIdentity: expect.stringMatching(/\/userAssignedIdentities\/apim$/),
        },
      },
      client: { address: '198.51.100.7', provenance: 'forwarded' },
      rules: [{ id: 'erp' }],
    })
  })

  test('is answered with a refresh_in that the policy may keep it for, and that is less than its life', async () => {
    const kept =
      /<cache-store-value [^>]*duration="@\(\(int\)JObject\.Parse\([^"]*"causewayAnswer"\]\)\["(\w+)"\]\)"/.exec(policy)
    const { body } = await send(await request())
    const duration = Number(body[kept?.[1] ?? ''])
    expect(duration).toBeGreaterThan(0)
    expect(duration).toBeLessThan(Number(body['expires_in']))
    expect(policy).not.toMatch(/caching-type="(?!internal")/)
    expect(policy.match(/<cache-\w+-value /g)).toHaveLength(policy.match(/caching-type="internal"/g)?.length ?? 0)
  })

  test("leaves nothing of API Management's own on the request to the backend", async () => {
    // Its identity's token, if it was put in this header, is replaced after it was fetched, whatever the caller sent.
    const fetched = policy.indexOf('<authentication-managed-identity')
    expect(fetched).toBeGreaterThan(0)
    expect(policy.lastIndexOf('<set-header name="Authorization" exists-action="override">')).toBeGreaterThan(fetched)
    for (const name of ['X-Causeway-Client-IP', 'X-ARR-ClientCert', 'x-ms-client-principal']) {
      const removed = policy.indexOf(`<set-header name="${name}" exists-action="delete" />`)
      expect(removed, name).toBeGreaterThan(0)
      expect(removed, name).toBeLessThan(policy.indexOf('<send-request'))
    }
    expect(policy).not.toMatch(/<trace\b|context\.Trace/)
  })

  test('for another target than its rule allows is denied, with both identities in the record', async () => {
    const answer = await send(await request({ 'causeway-target': 'orders-db' }))
    const denied = { status: 400, error: 'invalid_target', reason: 'no_rule', recorded: 'denied' } as const
    await expectRefused(stack, answer, denied)
    expect(await recordOf(answer)).toMatchObject({
      workload: { subject: 'erp' },
      actor: { subject: apiManagement.objectId },
    })
  })
})

describe('a subject whose issuer demands an actor', () => {
  let made: PolicyRequest
  beforeEach(async () => {
    made = await request()
  })

  test('is refused without one', async () => {
    const answer = await send(made, { actor_token: undefined, actor_token_type: undefined })
    await expectRefused(stack, answer, { ...unverified, reason: 'actor_missing', told: /only with an actor_token/ })
  })

  test('is refused with another of the same tenant', async () => {
    const answer = await send(made, { actor_token: await tokenOf(stranger) })
    await expectRefused(stack, answer, { ...unverified, reason: 'actor_not_allowed', told: /may not act/ })
  })

  test('is refused with a pod as the actor, and with itself', async () => {
    const itself = new URLSearchParams(made.body).get('subject_token') ?? ''
    for (const actor_token of [await stack.podToken(), itself]) {
      const answer = await send(made, { actor_token })
      await expectRefused(stack, answer, { ...unverified, reason: 'actor_not_allowed' })
    }
  })

  test("is refused with the right actor's token for another service", async () => {
    const answer = await send(made, { actor_token: await tokenOf(apiManagement, 'https://vault.azure.net') })
    await expectRefused(stack, answer, { ...unverified, reason: 'token_audience' })
  })

  test("is refused with the right actor's token, changed", async () => {
    const actor_token = (await tokenOf(apiManagement)).replace(/.{8}$/, 'AAAAAAAA')
    const answer = await send(made, { actor_token })
    await expectRefused(stack, answer, { ...unverified, reason: 'token_signature' })
  })

  test("is refused where the two come in each other's place", async () => {
    const form = new URLSearchParams(made.body)
    const [subject_token, actor_token] = [form.get('actor_token') ?? '', form.get('subject_token') ?? '']
    const answer = await send(made, { subject_token, actor_token })
    // A subject that counts only with an actor is no actor by itself: there are no chains.
    await expectRefused(stack, answer, { ...unverified, reason: 'actor_missing' })
  })
})

test("the actor's token alone gets nothing: its identity is allowed to act, and has no access of its own", async () => {
  const subject_token = await tokenOf(apiManagement)
  const parameters = { subject_token, actor_token: undefined, actor_token_type: undefined }
  const answer = await send(await request(), parameters)
  await expectRefused(stack, answer, { status: 400, error: 'invalid_target', reason: 'no_rule', recorded: 'denied' })
  const record = await recordOf(answer)
  expect(record).toMatchObject({ workload: { issuer: { id: 'corp' }, subject: apiManagement.objectId } })
  expect(record).not.toHaveProperty('actor')
})

describe("a client's address", () => {
  const addressIn = async (answer: Answer) => (await recordOf(answer))['client']

  test('that a pod says of itself is not believed', async () => {
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await stack.podToken(),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'mainframe-ftp',
    }
    const said = {
      'x-causeway-client-ip': '198.51.100.7',
      'x-forwarded-for': '198.51.100.7',
      'client-ip': '198.51.100.7',
    }
    const answer = await post(`${stack.gateway.url}/token`, new URLSearchParams(form), said)
    expect(await addressIn(answer)).toEqual({ address: '127.0.0.1', provenance: 'direct' })
  })

  test("that an actor says who may not forward is not believed: it is that actor's own", async () => {
    const form = {
      subject_token: await stack.podToken(),
      audience: 'mainframe-ftp',
      actor_token: await tokenOf(stranger),
    }
    const answer = await send(await request(), form)
    expect(await addressIn(answer)).toEqual({ address: '127.0.0.1', provenance: 'direct' })
    expect(await recordOf(answer)).toMatchObject({ actor: { subject: stranger.objectId } })
  })

  test.each([
    ['is none', 'unknown'],
    ['is missing', undefined],
    ['is a list', '198.51.100.7, 203.0.113.9'],
  ])('that API Management forwards and that %s is unknown, and not that of API Management', async (_, forwarded) => {
    const made = await request()
    const { 'X-Causeway-Client-IP': _address, ...headers } = made.headers
    const answer = await send({
      ...made,
      headers: { ...headers, ...(forwarded !== undefined && { 'X-Causeway-Client-IP': forwarded }) },
    })
    expect(answer.status).toBe(200)
    expect(await addressIn(answer)).toEqual({ provenance: 'unknown' })
  })
})

test('a lockdown of the actor ends what it asks for others', async () => {
  const put = (document: Document) => stack.documents.container('lockdowns').items.upsert(document)
  await put({ schema: 1, id: 'apim', blocks: { issuer: 'corp' }, reason: 'incident 43' })
  const answer = await until(
    async () => send(await request()),
    ({ status }) => status !== 200,
  )
  const lockedDown = { status: 400, error: 'invalid_target', reason: 'locked_down', recorded: 'denied' } as const
  await expectRefused(stack, answer, lockedDown)
  await put({ id: 'apim', deleted: true })
  await until(
    async () => send(await request()),
    ({ status }) => status === 200,
  )
})
