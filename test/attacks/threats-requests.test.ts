import { request as httpRequest } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { audience, operator, stranger } from '../../infra/local/world.ts'
import { type Answer, type Document, post, type RunningStack, runStack, send } from '../running-stack.ts'
import {
  encode,
  grantType,
  jwtType,
  type Key,
  newKey,
  notAllowed,
  orders,
  outboundOf,
  partsOf,
  register,
  seconds,
  unproven,
} from './hostile.ts'
import { expectRefused } from './refusal.ts'

// Numbers are those of the project's list of threats: threats-tokens.test.ts says where the others are.

const apiManagement = { issuer: 'tenant', subject: operator.objectId }
const legacyUrl = 'https://apim.corp.example/'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

let stack: RunningStack
/** The certificate with which API Management signs the names of legacy integrations. */
let key: Key

beforeAll(async () => {
  stack = await runStack({ settings: { CAUSEWAY_FORWARDERS: JSON.stringify([apiManagement]) } })
  key = newKey('apim-1')
  await register(stack, {
    id: 'tenant',
    issuerUrl: stack.tenant.issuerUrl,
    kind: 'entra',
    labels: { environment: 'prod' },
    network: 'private',
    maxTokenAge: 'PT24H',
  })
  await register(stack, {
    id: 'legacy',
    issuerUrl: legacyUrl,
    kind: 'oidc',
    labels: { environment: 'prod' },
    keys: { jwks: { keys: [key.published] } },
    actors: [apiManagement],
  })
  await stack.addTarget({ id: 'orders-erp', like: 'orders-db', namespace: 'nobody', scopes: ['read'] })
  await stack.documents.container('rules').items.create({
    schema: 1,
    id: 'allow-erp',
    target: 'orders-erp',
    effect: 'allow',
    workloads: [{ issuer: 'legacy', subject: 'erp' }],
    scopes: ['read'],
  })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const erp = { audience: 'orders-erp', scope: 'read' }

function legacyToken(changes: Document = {}, signer = key): string {
  const [iat, exp] = [seconds(), seconds() + 60]
  return signer.sign({ iss: legacyUrl, sub: 'erp', aud: audience, iat, nbf: iat, exp, ...changes })
}

/** A token of the tenant for the gateway: that of API Management's managed identity unless said. */
async function actorToken(application = operator, changes: Document = {}): Promise<string> {
  const { clientId: azp, objectId: oid } = application
  const token = await stack.tenant.sign({ aud: audience, azp, oid, ...changes })
  stack.note(token)
  return token
}

const acting = (actor_token: string) => ({ actor_token, actor_token_type: accessTokenType })

/** A complete form, sent with headers of one's own. */
async function postTo(url: string, form: Document, headers: Record<string, string> = {}): Promise<Answer> {
  const complete = { grant_type: grantType, subject_token_type: jwtType, ...form } as Record<string, string>
  const answer = await post(url, new URLSearchParams(complete), headers)
  for (const secret of [answer.body['access_token'], complete['subject_token']]) {
    if (typeof secret === 'string') stack.note(secret)
  }
  return answer
}

async function recordOf(answer: Answer): Promise<Document> {
  const [record] = await stack.recordsOf(String(answer.body['decision_id']))
  if (!record) throw new Error('there is no record')
  return record
}

describe('21, 61: a legacy integration, through API Management', () => {
  test('gets its credential, and the record holds both: the row that shows that the others could have passed', async () => {
    const form = { ...erp, subject_token: legacyToken(), ...acting(await actorToken()) }
    const answer = await postTo(`${stack.gateway.url}/token`, form, { 'x-causeway-client-ip': '198.51.100.9' })
    expect(answer.status).toBe(200)
    expect(await recordOf(answer)).toMatchObject({
      outcome: 'allowed',
      workload: { subject: 'erp', issuer: { id: 'legacy' } },
      actor: { subject: operator.objectId, issuer: { id: 'tenant' } },
      client: { address: '198.51.100.9', provenance: 'forwarded' },
    })
  })

  const rows: readonly {
    readonly name: string
    readonly form: () => Promise<Record<string, string>>
    readonly reason: string
    readonly counted?: string
    readonly told?: RegExp
  }[] = [
    {
      name: '61: without the actor, by a thief of its token',
      form: async () => ({ subject_token: legacyToken() }),
      reason: 'actor_missing',
      told: /only with an actor_token/,
    },
    {
      name: '61: with an act claim in place of the actor',
      form: async () => ({
        subject_token: legacyToken({ act: { sub: operator.objectId, iss: stack.tenant.issuerUrl } }),
      }),
      reason: 'actor_missing',
    },
    {
      name: '61: with an empty actor',
      form: async () => ({ subject_token: legacyToken(), actor_token: '', actor_token_type: '' }),
      reason: 'actor_missing',
    },
    {
      name: '21: with another application of the tenant as its actor',
      form: async () => ({ subject_token: legacyToken(), ...acting(await actorToken(stranger)) }),
      reason: 'actor_not_allowed',
    },
    {
      name: '21: with a pod as its actor',
      form: async () => ({ subject_token: legacyToken(), ...acting(await stack.podToken()) }),
      reason: 'actor_not_allowed',
    },
    {
      name: '21: with itself as its actor',
      form: async () => ({ subject_token: legacyToken(), ...acting(legacyToken()) }),
      reason: 'actor_not_allowed',
    },
    {
      name: "21: with an actor's token for another audience",
      form: async () => ({
        subject_token: legacyToken(),
        ...acting(await actorToken(operator, { aud: 'https://vault.azure.net' })),
      }),
      reason: 'token_audience',
      counted: 'tenant',
    },
    {
      name: "21: with an actor's token that expired",
      form: async () => ({
        subject_token: legacyToken(),
        ...acting(await actorToken(operator, { iat: seconds() - 7_200, nbf: seconds() - 7_200, exp: seconds() - 60 })),
      }),
      reason: 'token_expired',
      counted: 'tenant',
    },
    {
      name: "21: with an actor's token whose signature is another's",
      form: async () => {
        const [mine, other] = [await actorToken(stranger), await actorToken()]
        const forged = `${partsOf(other).header}.${partsOf(other).payload}.${partsOf(mine).signature}`
        return { subject_token: legacyToken(), ...acting(forged) }
      },
      reason: 'token_signature',
      counted: 'tenant',
    },
    {
      name: '21: named by somebody who has another key',
      form: async () => ({ subject_token: legacyToken({}, newKey('apim-1')), ...acting(await actorToken()) }),
      reason: 'token_signature',
    },
    {
      name: '21: API Management that names a pod of the cluster with its own key',
      form: async () => ({
        subject_token: legacyToken({ ...partsOf(await stack.podToken()).claims }),
        ...acting(await actorToken()),
      }),
      reason: 'token_key_unknown',
      counted: 'aks-local',
    },
    {
      name: '21: an actor that counts only with an actor of its own',
      form: async () => ({ subject_token: await stack.podToken(), ...acting(legacyToken()) }),
      reason: 'actor_missing',
    },
  ]
  test.each(rows)('$name', async ({ form, reason, counted, told }) => {
    const given = await form()
    const answer = await stack.exchange({ ...erp, ...given })
    await expectRefused(stack, answer, { ...unproven, reason, ...(told && { told }) })
    const { count } = await stack.countOf(String(answer.body['decision_id']))
    const demanding = reason === 'actor_missing' || reason === 'actor_not_allowed'
    if (!demanding) expect(count['issuer']).toBe(counted ?? 'legacy')
  })

  test("21: API Management's own token gets nothing by itself", async () => {
    const answer = await stack.exchange({ ...erp, subject_token: await actorToken() })
    await expectRefused(stack, answer, notAllowed)
    expect(await recordOf(answer)).toMatchObject({ workload: { subject: operator.objectId } })
  })

  test('21: an integration that no rule names gets nothing, whoever vouches for it', async () => {
    const form = { ...erp, subject_token: legacyToken({ sub: 'crm' }), ...acting(await actorToken()) }
    await expectRefused(stack, await stack.exchange(form), notAllowed)
  })

  test('61: of nested act claims the record has the top level, and it gives nothing', async () => {
    const act = { sub: 'gateway', act: { sub: 'erp', iss: legacyUrl } }
    const { claims } = partsOf(await stack.podToken())
    const subject_token = await stack.cluster.sign({ ...claims, act })
    const answer = await stack.exchange({ ...erp, subject_token })
    await expectRefused(stack, answer, notAllowed)
    const { workload } = await recordOf(answer)
    expect((workload as Document)['act']).toEqual({ subject: 'gateway' })
  })
})

describe('22, 23: headers that anybody can write', () => {
  const forged = {
    'x-causeway-client-ip': '203.0.113.1',
    'x-forwarded-for': '203.0.113.2',
    'x-real-ip': '203.0.113.3',
    'client-ip': '203.0.113.4',
    'x-azure-clientip': '203.0.113.5',
    forwarded: 'for=203.0.113.6',
    'x-ms-client-principal': Buffer.from('{"claims":[{"typ":"roles","val":"Rules.Write"}]}').toString('base64'),
    'x-ms-client-principal-id': operator.objectId,
    'x-arr-clientcert': 'MIIB',
    'x-causeway-issuer': 'legacy',
    'x-causeway-subject': 'erp',
    'x-http-method-override': 'GET',
  }
  const direct = { address: '127.0.0.1', provenance: 'direct' }

  test('22: a direct call with all of them is who its token says, from where the front end saw it', async () => {
    const form = { ...orders, subject_token: await stack.podToken() }
    const answer = await postTo(`${stack.gateway.url}/token`, form, forged)
    expect(answer.status).toBe(200)
    const record = await recordOf(answer)
    expect(record).toMatchObject({ workload: { namespace: 'payments' }, client: direct })
    expect(record).not.toHaveProperty('actor')
    expect(JSON.stringify(record)).not.toContain('203.0.113')
  })

  test('22: nor do they open what a token is missing for', async () => {
    const answer = await postTo(`${stack.gateway.url}/token`, orders, forged)
    await expectRefused(stack, answer, { ...unproven, reason: 'malformed_request', told: /subject_token/ })
  })

  test('22: an actor that may not forward says nothing about the address', async () => {
    const form = { ...orders, subject_token: await stack.podToken(), ...acting(await actorToken(stranger)) }
    const answer = await postTo(`${stack.gateway.url}/token`, form, forged)
    expect(await recordOf(answer)).toMatchObject({ actor: { subject: stranger.objectId }, client: direct })
  })

  test.each(['203.0.113.1, 203.0.113.2', 'localhost', '', '203.0.113.1\u00a0'])(
    '23: a forwarded address that is %j is no address, and not the proxy either',
    async address => {
      const form = { ...erp, subject_token: legacyToken(), ...acting(await actorToken()) }
      const answer = await postTo(`${stack.gateway.url}/token`, form, { 'x-causeway-client-ip': address })
      expect(answer.status).toBe(200)
      expect(await recordOf(answer)).toMatchObject({ client: { provenance: 'unknown' } })
    },
  )

  test('57: the Host and the forwarded host of a request are in nothing that the gateway says of itself', async () => {
    const { port } = new URL(stack.gateway.url)
    const text = await new Promise<string>((resolve, reject) => {
      const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'gopher' }
      const path = '/.well-known/oauth-authorization-server'
      const sent = httpRequest({ host: '127.0.0.1', port, path, headers }, response => {
        let body = ''
        response.on('data', chunk => {
          body += String(chunk)
        })
        response.on('end', () => resolve(body))
      })
      sent.on('error', reject)
      sent.end()
    })
    expect(JSON.parse(text)).toMatchObject({ issuer: stack.gateway.url, token_endpoint: `${stack.gateway.url}/token` })
    expect(text).not.toMatch(/evil|gopher/)
  })
})

describe('24, 25, 27: the form', () => {
  test('24: what the query says counts for nothing, beside a form and instead of one', async () => {
    const url = `${stack.gateway.url}/token`
    const query = new URLSearchParams({ audience: 'mainframe-ftp', scope: 'login', actor_token: 'x' })
    const answer = await postTo(`${url}?${query}`, { ...orders, subject_token: await stack.podToken() })
    expect(answer.status).toBe(200)
    expect(await recordOf(answer)).toMatchObject({ asked: { target: 'orders-db', scopes: ['read'] } })
    const complete = { grant_type: grantType, subject_token_type: jwtType, ...orders }
    const whole = new URLSearchParams({ ...complete, subject_token: await stack.podToken() })
    const empty = await post(`${url}?${whole}`, new URLSearchParams())
    await expectRefused(stack, empty, { ...unproven, reason: 'malformed_request' })
  })

  test('25: a token of 16,385 characters, truly signed, is refused before anything is asked', async () => {
    const before = outboundOf(stack)
    const { claims } = partsOf(await stack.podToken())
    const padding = 'x'.repeat(16_384)
    const subject_token = await stack.cluster.sign({ ...claims, padding })
    const answer = await stack.exchange({ ...orders, subject_token })
    await expectRefused(stack, answer, { ...unproven, reason: 'token_malformed' })
    expect(outboundOf(stack)).toEqual(before)
  })

  test('25: a header of 64 KiB never reaches the gateway', async () => {
    const answer = await send(`${stack.gateway.url}/token`, {
      method: 'POST',
      headers: { 'x-large': 'x'.repeat(64 * 1024) },
      body: new URLSearchParams(orders),
    })
    expect([400, 431]).toContain(answer.status)
    expect(answer.text).not.toContain('access_token')
  })

  test('27: parameters that are called like members of every object are parameters that nobody knows', async () => {
    const form = { ...orders, subject_token: await stack.podToken(), toString: 'x', hasOwnProperty: 'x' }
    const body = `${new URLSearchParams({ grant_type: grantType, subject_token_type: jwtType, ...form })}&__proto__=x&__proto__=y&constructor=x&prototype=x`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await post(`${stack.gateway.url}/token`, body, headers)
    stack.note(String(answer.body['access_token']))
    expect(answer.status).toBe(200)
  })
})

describe('49: a lease is given back by whom it was given to', () => {
  const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const revoke = (token: string, client_assertion: string) =>
    post(
      `${stack.gateway.url}/revoke`,
      new URLSearchParams({ token, client_assertion_type: assertionType, client_assertion }),
    )
  const stateOf = async (id: string | undefined) => (await stack.leases()).find(lease => lease['id'] === id)?.['state']

  test.each<[string, () => Promise<string>]>([
    ['another pod', () => stack.podToken('payments/api 2')],
    ['another workload', () => stack.podToken('billing/batch')],
    ['an application of the tenant', () => actorToken()],
  ])('%s is answered 200, as for a token that nobody knows, and ends nothing', async (_, asserted) => {
    const { lease_id = '', access_token } = await stack.issue(orders)
    const client_assertion = await asserted()
    const nobody = await revoke('no-such-token', client_assertion)
    for (const token of [lease_id, access_token]) {
      const answer = await revoke(token, client_assertion)
      expect(answer.status).toBe(200)
      expect(Object.keys(answer.body)).toEqual(Object.keys(nobody.body))
      expect(await stack.recordsOf(String(answer.body['decision_id']))).toEqual([])
    }
    expect(await stateOf(lease_id)).toBe('active')
  })

  test.each<[string, () => Promise<string>, string]>([
    ['nobody', async () => 'x', 'token_malformed'],
    ['a forger', async () => newKey('mine').sign(partsOf(await stack.podToken()).claims), 'token_key_unknown'],
    ['a legacy integration without its actor', async () => legacyToken(), 'actor_missing'],
    [
      'an unsigned token',
      async () => `${encode({ alg: 'none', kid: 'x' })}.${partsOf(await stack.podToken()).payload}.AAAA`,
      'token_algorithm',
    ],
  ])('%s is refused and counted, and ends nothing', async (_, asserted, reason) => {
    const { lease_id = '' } = await stack.issue(orders)
    const answer = await revoke(lease_id, await asserted())
    await expectRefused(stack, answer, { ...unproven, error: 'invalid_client', reason })
    expect(await stateOf(lease_id)).toBe('active')
  })

  test('a body that is no form is refused and counted', async () => {
    const answer = await post(`${stack.gateway.url}/revoke`, '{}', { 'content-type': 'application/json' })
    await expectRefused(stack, answer, { ...unproven, reason: 'malformed_request' })
  })
})

describe('41: nothing that the gateway answers may be kept', () => {
  test.each([
    ['GET', '/token', 405],
    ['HEAD', '/token', 405],
    ['OPTIONS', '/token', 405],
    ['PUT', '/revoke', 405],
    ['GET', '/revoke', 405],
    ['POST', '/revoke', 400],
  ])('%s %s', async (method, path, status) => {
    const answer = await fetch(`${stack.gateway.url}${path}`, { method })
    await answer.text()
    expect(answer.status).toBe(status)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('pragma')).toBe('no-cache')
    if (status === 405) expect(answer.headers.get('allow')).toBe('POST')
  })
})
