import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { expectRefused } from '../../attacks/refusal.ts'
import { type Answer, post, type RunningStack, runStack, send } from '../../running-stack.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const ask = (method: string, path: string) => send(stack.gateway.url + path, { method })

/** Nobody may keep an answer (RFC 6749 section 5.1), whatever it says. */
function expectNotStored({ headers }: Answer): void {
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('pragma')).toBe('no-cache')
}

const malformed = {
  status: 400,
  error: 'invalid_request',
  reason: 'malformed_request',
  recorded: 'unverified',
} as const

const writable = ['/token', '/revoke']
const readable = [
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
  '/health/live',
  '/health/ready',
]

describe.each(writable)('%s', path => {
  test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('answers %s with 405 and Allow: POST', async method => {
    const answer = await ask(method, path)
    expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({ status: 405, allow: 'POST' })
    expect(answer.body).toMatchObject({ error: 'invalid_request', decision_id: expect.any(String) })
    expect(answer.headers.get('content-type')).toBe('application/json')
    expectNotStored(answer)
  })

  test('answers HEAD with 405, Allow: POST and no body', async () => {
    const answer = await fetch(stack.gateway.url + path, { method: 'HEAD' })
    expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({ status: 405, allow: 'POST' })
    expect(await answer.text()).toBe('')
  })

  test('takes nothing from the query', async () => {
    const token = await stack.podToken()
    const parameters = new URLSearchParams({ subject_token: token, client_assertion: token, token: 'x' })
    const answer = await post(`${stack.gateway.url}${path}?${parameters}`, new URLSearchParams())
    await expectRefused(stack, answer, malformed)
    expectNotStored(answer)
  })

  test.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x'])('takes no %s', async type => {
    const answer = await post(stack.gateway.url + path, '{}', { 'content-type': type })
    await expectRefused(stack, answer, { ...malformed, told: /application\/x-www-form-urlencoded/ })
    expectNotStored(answer)
  })
})

describe.each(readable)('%s', path => {
  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('answers %s with 405 and Allow: GET, HEAD', async method => {
    const answer = await ask(method, path)
    expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({ status: 405, allow: 'GET, HEAD' })
    expect(answer.headers.get('content-type')).toBe('application/json')
    expectNotStored(answer)
  })

  test('answers GET in JSON that nobody keeps, and HEAD alike without the body', async () => {
    const answer = await ask('GET', path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expectNotStored(answer)
    const head = await fetch(stack.gateway.url + path, { method: 'HEAD' })
    expect({ status: head.status, text: await head.text() }).toEqual({ status: 200, text: '' })
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(answer.text)))
  })
})

describe('nobody keeps', () => {
  test('a credential', async () => {
    const { answer } = await stack.issue({ audience: 'orders-db', scope: 'read' })
    expectNotStored(answer)
    expect(answer.headers.get('content-type')).toBe('application/json')
  })

  test.each<[string, Readonly<Record<string, string | undefined>>, string]>([
    ['a token', { subject_token: 'a.b.c' }, 'invalid_request'],
    ['a form', { subject_token: undefined }, 'invalid_request'],
    ['a target', { audience: 'nowhere' }, 'invalid_target'],
    ['a missing target', { audience: undefined }, 'invalid_target'],
    ['a scope', { scope: 'drop' }, 'invalid_scope'],
    ['a grant type', { grant_type: 'password' }, 'unsupported_grant_type'],
  ])('a refusal of %s', async (_, changed, error) => {
    const answer = await stack.exchange({ audience: 'orders-db', ...changed })
    expect(answer).toMatchObject({ status: 400, body: { error } })
    expectNotStored(answer)
  })

  test('the answer to a revocation', async () => {
    const form = {
      token: 'nothing-of-ours',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await stack.podToken(),
    }
    const answer = await post(`${stack.gateway.url}/revoke`, new URLSearchParams(form))
    expect(answer.status).toBe(200)
    expectNotStored(answer)
  })

  test.each(['GET', 'POST'])('what /manage answers to %s', async method => {
    const authorization = `Bearer ${await stack.operatorToken()}`
    const answers = [
      await send(`${stack.gateway.url}/manage/rules`, { method, headers: { authorization } }),
      await ask(method, '/manage/rules'),
    ]
    for (const answer of answers) expectNotStored(answer)
  })
})

describe('the form', () => {
  const form = async (changed: Readonly<Record<string, string>> = {}) =>
    new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await stack.podToken(),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'orders-db',
      ...changed,
    })
  const token = (body: URLSearchParams) => post(`${stack.gateway.url}/token`, body)

  test.each(['grant_type', 'subject_token', 'subject_token_type', 'scope', 'requested_token_type'])(
    'with %s twice is refused, and with it once and empty is not',
    async name => {
      const twice = await form({ scope: 'read', requested_token_type: 'urn:ietf:params:oauth:token-type:access_token' })
      twice.append(name, twice.get(name) ?? '')
      await expectRefused(stack, await token(twice), { ...malformed, told: /is repeated/ })
      const once = await form()
      once.append(name, '')
      const answer = await token(once)
      expect(answer.status).toBe(200)
      stack.note(String(answer.body['access_token']))
    },
  )

  test.each([
    [
      ['audience', 'audience'],
      ['orders-db', 'orders-db'],
    ],
    [
      ['audience', 'resource'],
      ['orders-db', 'postgresql://orders.corp.example/orders'],
    ],
    [['resource'], ['postgresql://orders.corp.example/orders#fragment']],
    [['resource'], ['orders']],
  ])('with %j as %j names no target', async (names, values) => {
    const body = await form()
    body.delete('audience')
    names.forEach((name, index) => {
      body.append(name, values[index] ?? '')
    })
    await expectRefused(stack, await token(body), { ...malformed, error: 'invalid_target' })
  })

  test('with parameters that nobody knows is taken, and they change nothing', async () => {
    const body = await form({ client_id: 'a-pod', options: '{"userProject":"x"}', resource_owner: 'x' })
    const answer = await token(body)
    expect(answer).toMatchObject({ status: 200, body: { scope: 'read' } })
    stack.note(String(answer.body['access_token']))
  })

  test.each([
    ['an actor_token without its type', { actor_token: 'a.b.c' }],
    ['an actor_token_type without its token', { actor_token_type: 'urn:ietf:params:oauth:token-type:jwt' }],
    ['a subject_token_type that is none', { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }],
  ])('with %s is an invalid_request', async (_, changed) => {
    await expectRefused(stack, await token(await form(changed)), malformed)
  })

  test("with a requested_token_type that is not the target's is an invalid_request", async () => {
    const answer = await token(await form({ requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' }))
    await expectRefused(stack, answer, { ...malformed, reason: 'token_type_mismatch', recorded: 'denied' })
  })
})
