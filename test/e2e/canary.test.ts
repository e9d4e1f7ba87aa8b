import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/ports.ts'
import { type Fixture, startFixture, targetSettings } from '../credentials/mysql-fixture.ts'
import { missingServer } from '../credentials/mysql-server.ts'
import { type Answer, type Document, encodings, post, type RunningStack, runStack, send } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

// A canary is a text that was never anywhere else. What a token's holder may see is in the answer of /token alone.

let stack: RunningStack
let manage: AskManage
/** What was answered to anybody, but for the credentials that were issued. */
const answers: string[] = []
const past = new Date(0).toISOString()

beforeAll(async () => {
  stack = await runStack({ telemetry: true })
  manage = await askingOf(stack)
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
    const id = `canary-${container}-${action}-${randomBytes(4).toString('hex')}`
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

describe('no answer of /manage tells a secret, and no timer prints one', () => {
  const ask = (path: string, method = 'GET', body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
    told(manage(path, { method, headers, ...(body !== undefined && { body }) }))
  const between = () => {
    const [from, to] = [-3_600_000, 3_600_000].map(offset => new Date(Date.now() + offset).toISOString())
    return `from=${from}&to=${to}`
  }

  /** Expects an answer of success, and the text of it. */
  async function shown(...asked: Parameters<typeof ask>): Promise<string> {
    const { status, text } = await ask(...asked)
    expect({ asked, status }).toEqual({ asked, status: expect.toSatisfy((found: number) => found < 300) })
    return text
  }

  test('of decisions and leases', async () => {
    const text = canary()
    await addSecret('canary-managed', text)
    expect((await stack.issue({ audience: 'canary-managed' })).access_token).toBe(text)
    const { decision_id, lease_id } = await stack.issue({ audience: 'orders-db', scope: 'read' })
    expect(await shown(`decisions/${decision_id}`)).toContain(decision_id)
    expect(await shown(`decisions?${between()}&limit=500`)).toContain(decision_id)
    for (const kind of ['registrations', 'checkpoints', 'exchange', 'count', 'admin']) {
      await shown(`decisions?${between()}&order=stream&format=jsonl&kind=${kind}`)
    }
    expect(await shown('leases?target=orders-db')).toContain(String(lease_id))
    expect(await shown(`leases/${encodeURIComponent(String(lease_id))}`)).toContain('orders-db')
    await shown('leases/revoke?dryRun=true', 'POST', { filter: { target: 'orders-db' } })
    await expectNoLeak()
  })

  test('of what would be decided, and of documents with their versions and changes', async () => {
    const issuer = stack.description.clusters[0]?.id
    const who = { issuer, namespace: 'payments', serviceAccount: 'api' }
    await shown('evaluate', 'POST', { facts: { ...who, target: 'orders-db', scopes: ['read'] } })
    await shown('impact', 'POST', { remove: { target: 'orders-db', id: 'payments-api-orders' }, max: 100 })
    await shown('access?target=orders-db')
    for (const plural of ['issuers', 'targets', 'guardrails', 'calendars', 'lockdowns', 'changes']) await shown(plural)
    const calendar = { schema: 1, id: `canary-${Date.now()}`, days: ['2026-12-25'] }
    await shown(`calendars/${calendar.id}`, 'PUT', calendar, { 'if-none-match': '*' })
    const { body } = await ask(`calendars/${calendar.id}/versions`)
    const [version] = body['versions'] as { id: string }[]
    expect(await shown(`calendars/${calendar.id}/versions/${version?.id}`)).toContain('2026-12-25')
    await expectNoLeak()
  })

  test('of a check of a target, and of what is reconciled', async () => {
    stack.vault.set('canary-revoker', canary())
    const password = { vault: 'corp', secret: 'canary-revoker' }
    await addDatabase('canary-checked', { revoker: { user: 'causeway_revoker', password } })
    await stack.issue({ audience: 'orders-db', scope: 'write' })
    for (const id of ['canary-checked', 'orders-db']) {
      const { body } = await ask(`targets/${id}/check`, 'POST')
      await stack.gateway.runTimer('answer-checks')
      expect(await shown(String(body['at']).replace('/manage/', ''))).toContain('steps')
    }
    await stack.gateway.runTimer('reconcile')
    await stack.gateway.runTimer('checkpoint')
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
    // One that nobody has asked for before, so that a credential is minted.
    await stack.addTarget({ id: 'canary-traced', like: 'orders-db', scopes: ['read'] })
    await closeStream()
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: 'canary-traced' }
    const type = 'urn:ietf:params:oauth:token-type:jwt'
    const asking = new URLSearchParams({ ...form, subject_token: await stack.podToken(), subject_token_type: type })
    const { body } = await post(`${stack.gateway.url}/token`, asking, { traceparent })
    expect(await stack.recordsOf(String(body['decision_id']))).toEqual([expect.objectContaining({ traceId })])
    await stack.gateway.runTimer('revoke-expired')
    await stack.gateway.runTimer('checkpoint')
    await expect
      .poll(async () => collected(await stack.telemetry(), traceId), { timeout: 20_000, interval: 500 })
      .toEqual({
        spans: expect.arrayContaining([...spanNames]),
        timers: expect.arrayContaining(['causeway.checkpoint']),
        numbers: expect.arrayContaining([...numberNames]),
      })
  })
})

/** Puts a record where the gateway's next one belongs, whoever writes that: its stream is closed. */
async function closeStream(): Promise<void> {
  const { body } = await exchange({ audience: 'orders-db' })
  const [record] = await stack.recordsOf(String(body['decision_id']))
  const stream = record?.['stream']
  for (;;) {
    const inStream = (await stack.records()).filter(one => one['stream'] === stream).map(({ id }) => Number(id))
    const id = String(Math.max(...inStream) + 1).padStart(12, '0')
    const taken = stack.documents.container('decisions').items.create({ id, stream, kind: 'made-up' })
    // A count of what was refused before may have come to that place meanwhile: then to the next.
    if (await taken.then(() => true, unlessConflict)) break
  }
  await exchange({ audience: 'orders-db' })
}

function unlessConflict(error: { readonly code?: unknown }): false {
  if (error.code === 409) return false
  throw error
}

const spanNames = [
  'causeway.exchange',
  ...['verify', 'target', 'decide', 'lease', 'record', 'mint'].map(step => `causeway.exchange.${step}`),
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
  'causeway.record.streams.closed',
  'causeway.refusals',
  'causeway.revocations',
  'causeway.revocations.overdue',
  'causeway.revocations.stuck',
]

function collected(lines: readonly string[], traceId: string) {
  const told = lines.map(line => JSON.parse(line) as { span?: string; metric?: string; context?: { traceId: string } })
  return {
    timers: told.flatMap(({ span, context }) => (span && context?.traceId !== traceId ? [span] : [])),
    spans: told.flatMap(({ span, context }) => (span && context?.traceId === traceId ? [span] : [])),
    numbers: told.flatMap(({ metric }) => (metric ? [metric] : [])),
  }
}
