import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/ports.ts'
import { type Fixture, startFixture, targetSettings } from '../credentials/mysql-fixture.ts'
import { missingServer } from '../credentials/mysql-server.ts'
import { type Answer, type Document, encodings, post, type RunningStack, runStack, send } from '../running-stack.ts'

// A canary is a text that was never anywhere else. What a token's holder may see is in the answer of /token alone.

let stack: RunningStack
/** What was answered to anybody, but for the credentials that were issued. */
const answers: string[] = []
const past = new Date(0).toISOString()

beforeAll(async () => {
  stack = await runStack({ telemetry: true })
})
afterAll(() => stack?.stop())

/** A new canary: with what has to be escaped in JSON, in a form and in a URL. */
function canary(): string {
  const text = `${randomBytes(18).toString('base64url')}"\\ %+&=ä${randomBytes(6).toString('base64url')}`
  stack.note(text)
  return text
}

async function told(asking: Promise<Answer>): Promise<Answer> {
  const answer = await asking
  const headers = JSON.stringify([...answer.headers])
  answers.push(headers)
  if (answer.status !== 200 || !('access_token' in answer.body)) answers.push(answer.text)
  return answer
}

const exchange = (form: Readonly<Record<string, string | undefined>>) => told(stack.exchange(form))

async function addSecret(id: string, text: string, format: 'text' | 'json' = 'text', keep = true): Promise<void> {
  if (keep) stack.vault.set(id, text)
  const login = { secret: { vault: 'corp', secret: id }, format }
  await stack.addTarget({ id, like: 'mainframe-ftp', changes: { scopes: { login } }, scopes: ['login'] })
}

async function addDatabase(id: string, changes: Document): Promise<void> {
  const { resource } = await stack.documents.container('targets').item('orders-db', 'orders-db').read<Document>()
  const settings = { ...(resource?.['settings'] as Document), ...changes }
  await stack.addTarget({ id, like: 'orders-db', changes: { settings }, scopes: ['read'] })
}

/** Nothing of any canary anywhere, though it was looked for where it is. */
async function expectNoLeak(): Promise<void> {
  expect(await stack.leaks(answers)).toEqual([])
}

describe('a secret is found nowhere but in the answer of /token', () => {
  test('of every provider, whose secrets were issued, given back and ended', async () => {
    const [text, json] = [canary(), JSON.stringify({ username: 'MFBATCH', password: canary() })]
    await addSecret('canary-text', text)
    await addSecret('canary-json', json, 'json')
    expect((await stack.issue({ audience: 'canary-text' })).access_token).toBe(text)
    expect((await stack.issue({ audience: 'canary-json' })).access_token).toBe(JSON.parse(json).password)
    const login = await stack.issue({ audience: 'orders-db', scope: 'read' })
    expect((await stack.issue({ audience: 'orders-db', scope: 'read' })).access_token).toBe(login.access_token)
    for (const token of [login.access_token, text]) {
      const form = { client_assertion: await stack.podToken(), token }
      const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      const returned = new URLSearchParams({ ...form, client_assertion_type: type })
      expect((await told(post(`${stack.gateway.url}/revoke`, returned))).status).toBe(200)
    }
    // Until nobody may make the account any more, its end is looked at again.
    await stack.changeLease(String(login.lease_id), { mintUntil: past, dueAt: past })
    await stack.gateway.runTimer('revoke-expired')
    await stack.gateway.runTimer('checkpoint')
    expect(await stack.accounts()).not.toContain(login.credential['username'])
    // There is something to look at: every exchange has its span.
    expect((await stack.telemetry()).join()).toContain(login.decision_id)
    await expectNoLeak()
  })

  test.skipIf(missingServer() !== undefined)('of MySQL, whose account was made and ended', async () => {
    const fixture: Fixture = await startFixture()
    try {
      for (const [name, { text }] of fixture.secrets) {
        stack.note(text)
        stack.vault.set(`mysql-${name}`, text)
      }
      const named = (user: string) => ({ user, password: { vault: 'corp', secret: `mysql-${user}` } })
      const settings = { ...targetSettings(fixture), admin: named('minter'), revoker: named('revoker') }
      const scopes = { read: { grants: [{ privileges: ['SELECT'], on: 'orders.items' }] } }
      const changes = { provider: 'mysql', settings, scopes }
      await stack.addTarget({ id: 'canary-mysql', like: 'orders-db', changes, scopes: ['read'] })
      const issued = await stack.issue({ audience: 'canary-mysql' })
      await stack.changeLease(String(issued.lease_id), { mintUntil: past, dueAt: past, state: 'revoking' })
      await stack.gateway.runTimer('revoke-expired')
      await expectNoLeak()
    } finally {
      await fixture.stop()
    }
  })

  test('that is in no answer since its vault, its database or its format failed', async () => {
    const text = canary()
    stack.vault.faults.inject({ name: 'canary-down', status: 503, message: `could not decrypt ${text}` })
    await addSecret('canary-down', text)
    await addSecret('canary-absent', text, 'text', false)
    await addSecret('canary-no-json', canary(), 'json')
    await addSecret('canary-no-password', JSON.stringify({ pass: canary() }), 'json')
    stack.vault.set('canary-minter', canary())
    const password = { vault: 'corp', secret: 'canary-minter' }
    await addDatabase('canary-shut', { admin: { user: 'causeway_minter', password } })
    await addDatabase('canary-gone', { port: await freePort() })
    for (const id of ['down', 'absent', 'no-json', 'no-password', 'shut', 'gone']) {
      expect((await exchange({ audience: `canary-${id}` })).status, id).toBe(503)
    }
    stack.vault.faults.clear()
    await expectNoLeak()
  })

  test.each([
    ['targets', 'read'],
    ['rules', 'query'],
    ['leases', 'read'],
    ['leases', 'create'],
    ['leases', 'replace'],
    ['decisions', 'create'],
  ] as const)('though Cosmos DB fails (%s, %s) and quotes the secret in its error', async (container, action) => {
    const id = `canary-${container}-${action}`
    const message = `token ${await stack.podToken()} and key ${stack.secrets['causeway-derivation-key']}`
    // Under a budget a lease is read before it is created.
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'], changes: { budgets: { liveAccounts: 9 } } })
    stack.cosmos.faults.add({ container, action, status: 503, message })
    expect((await exchange({ audience: id })).status).toBe(503)
    stack.cosmos.faults.clear()
    await expectNoLeak()
  })
})

describe('a token is found nowhere', () => {
  test('that is acceptable, or is not: altered, cut, for somebody else, as an actor, as a target or a scope', async () => {
    const token = await stack.podToken()
    const [head = '', payload = '', signature = ''] = token.split('.')
    const operator = await stack.operatorToken()
    const forged = [`${head}.${payload}.${signature.slice(0, -8)}AAAAAAAA`, `${head}.${payload}.`, signature, operator]
    for (const subject_token of forged) {
      expect((await exchange({ subject_token, audience: 'orders-db' })).status).toBe(400)
    }
    for (const form of [
      { audience: 'orders-db', actor_token: operator },
      { audience: 'mainframe-ftp' },
      { audience: 'orders-db', scope: 'everything' },
      { audience: 'orders-db', requested_token_type: canary() },
      { audience: 'orders-db', unknown_parameter: canary() },
      { audience: 'orders-db', grant_type: canary() },
      { audience: 'orders-db', subject_token_type: canary() },
    ]) {
      await exchange(form)
    }
    await expectNoLeak()
  })

  test('that came in a header, in the URL, or in a body that is no form', async () => {
    const token = await stack.podToken()
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: 'orders-db' }
    const headers = {
      authorization: `Bearer ${token}`,
      traceparent: token,
      tracestate: token,
      baggage: `token=${token}`,
      'x-causeway-client-ip': token,
      'user-agent': token,
      cookie: token,
    }
    await told(post(`${stack.gateway.url}/token`, new URLSearchParams(form), headers))
    await told(post(`${stack.gateway.url}/token?subject_token=${token}`, new URLSearchParams(form)))
    await told(post(`${stack.gateway.url}/token`, JSON.stringify({ ...form, token }), { 'content-type': 'text/plain' }))
    await told(post(`${stack.gateway.url}/revoke`, new URLSearchParams({ token, client_assertion: token })))
    await told(send(`${stack.gateway.url}/token`, { method: 'PUT', body: token }))
    await expectNoLeak()
  })

  test("that is an operator's, acceptable or not, whatever it asks of /manage", async () => {
    const rules = `${stack.gateway.url}/manage/rules`
    const [operator, stranger] = [await stack.operatorToken(), await stack.operatorToken({ application: 'stranger' })]
    for (const token of [operator, stranger, await stack.podToken(), `${operator.slice(0, -8)}AAAAAAAA`]) {
      const authorization = `Bearer ${token}`
      await told(send(rules, { headers: { authorization } }))
      await told(send(`${rules}/orders-db/payments-api-orders`, { headers: { authorization } }))
      await told(
        send(`${rules}/orders-db/a`, { method: 'PUT', headers: { authorization, 'if-match': token }, body: token }),
      )
    }
    stack.cosmos.faults.add({ container: 'rules', status: 503, message: operator })
    const down = await told(send(rules, { headers: { authorization: `Bearer ${operator}` } }))
    stack.cosmos.faults.clear()
    expect(down.status).toBe(503)
    await expectNoLeak()
  })
})

describe('the search for canaries', () => {
  test.each([
    ['plain', (text: string) => text],
    ['in JSON', (text: string) => JSON.stringify({ text })],
    ['in JSON within JSON', (text: string) => JSON.stringify({ text: JSON.stringify({ text }) })],
    ['in a URL', (text: string) => `https://host/?q=${encodeURIComponent(text)}`],
    ['in a form', (text: string) => new URLSearchParams({ text }).toString()],
    ['in hex', (text: string) => Buffer.from(`user:${text}`).toString('hex')],
    ['in base64', (text: string) => Buffer.from(text).toString('base64')],
    ['in base64 behind one byte', (text: string) => Buffer.from(`:${text}:`).toString('base64')],
    ['in base64 behind two', (text: string) => Buffer.from(`::${text}:`).toString('base64')],
    ['in base64url behind a name', (text: string) => Buffer.from(`user:${text}:1`).toString('base64url')],
  ])('finds one that is %s', async (_how, encode) => {
    const text = canary()
    expect(encodings(text).some(form => encode(text).includes(form))).toBe(true)
    expect(await stack.leaks([encode(text)])).toEqual([encode(text)])
  })

  test('had spans and numbers to look at: of each step, each cache and each timer, in the trace of its caller', async () => {
    const traceId = randomBytes(16).toString('hex')
    const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: 'orders-db' }
    const type = 'urn:ietf:params:oauth:token-type:jwt'
    const asking = new URLSearchParams({ ...form, subject_token: await stack.podToken(), subject_token_type: type })
    const { body } = await post(`${stack.gateway.url}/token`, asking, { traceparent })
    expect(await stack.recordsOf(String(body['decision_id']))).toEqual([expect.objectContaining({ traceId })])
    await stack.gateway.runTimer('revoke-expired')
    await expect
      .poll(async () => collected(await stack.telemetry(), traceId), { timeout: 20_000, interval: 500 })
      .toEqual({ spans: expect.arrayContaining([...spanNames]), numbers: expect.arrayContaining([...numberNames]) })
  })
})

const spanNames = [
  'causeway.exchange',
  ...['verify', 'target', 'decide', 'lease', 'record'].map(step => `causeway.exchange.${step}`),
]
const numberNames = [
  'causeway.cache.lookups',
  'causeway.exchange.duration',
  'causeway.exchange.step.duration',
  'causeway.exchanges',
  'causeway.issuer.keys.age',
  'causeway.leases.live',
  'causeway.leases.remembered',
  'causeway.leases.reserved',
  'causeway.record.batch.size',
  'causeway.refusals',
  'causeway.revocations',
  'causeway.revocations.stuck',
]

function collected(lines: readonly string[], traceId: string) {
  const told = lines.map(line => JSON.parse(line) as { span?: string; metric?: string; context?: { traceId: string } })
  return {
    spans: told.flatMap(({ span, context }) => (span && context?.traceId === traceId ? [span] : [])),
    numbers: told.flatMap(({ metric }) => (metric ? [metric] : [])),
  }
}
