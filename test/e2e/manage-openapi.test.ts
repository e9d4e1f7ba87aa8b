import { randomUUID } from 'node:crypto'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { audience } from '../../infra/local/world.ts'
import { type Answer, type Document, type RunningStack, runStack, send } from '../running-stack.ts'

let stack: RunningStack
let token: string
let ajv: Ajv2020
let description: { readonly paths: Readonly<Record<string, Readonly<Record<string, Document>>>> }
const seen = new Set<string>()

beforeAll(async () => {
  stack = await runStack()
  token = await stack.operatorToken()
  const { body } = await send(`${stack.gateway.url}/openapi.json`, {})
  description = body as unknown as typeof description
  ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(body, 'openapi.json')
})
afterAll(() => stack?.stop())

interface Asked {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly bearer?: string | undefined
}

/** Asks, and holds the answer against what the description says of that path, method and status. */
async function described(method: string, template: string, url: string, asked: Asked = {}): Promise<Answer> {
  const bearer = 'bearer' in asked ? asked.bearer : token
  const answer = await send(`${stack.gateway.url}${url}`, {
    method,
    headers: { ...asked.headers, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) },
    ...(asked.body !== undefined && {
      body:
        asked.body instanceof URLSearchParams || typeof asked.body === 'string'
          ? asked.body
          : JSON.stringify(asked.body),
    }),
  })
  const type = answer.headers.get('content-type') ?? ''
  const where = ['paths', template, method.toLowerCase(), 'responses', String(answer.status), 'content', type, 'schema']
  const pointer = where.map(part => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
  const isValid = ajv.compile({ $ref: `openapi.json#/${pointer}` })
  const told = /[/+]json$/.test(type) ? answer.body : answer.text
  const problems = isValid(told) ? [] : isValid.errors
  expect({ asked: `${method} ${url}: ${answer.status}`, body: answer.body, problems }).toMatchObject({ problems: [] })
  const own = [...answer.headers.keys()].filter(name => name.startsWith('x-causeway-'))
  expect(Object.keys(headersOf(template, method, answer.status))).toEqual(expect.arrayContaining(own))
  seen.add(`${method} ${template} ${answer.status}`)
  return answer
}

function headersOf(template: string, method: string, status: number): Document {
  const responses = description.paths[template]?.[method.toLowerCase()]?.['responses'] as Record<string, Document>
  return (responses[status]?.['headers'] ?? {}) as Document
}

const create = { 'if-none-match': '*' }
const replace = ({ body }: Answer) => ({ 'if-match': String(body['etag']) })

test('/token and /revoke answer as described', async () => {
  const form = async (audience: string) =>
    new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: await stack.podToken(),
      audience,
    })
  const post = { bearer: undefined }
  const issued = await described('POST', '/token', '/token', { ...post, body: await form('orders-db') })
  expect(issued.status).toBe(200)
  await described('POST', '/token', '/token', { ...post, body: await form('nothing') })
  const back = { token: String(issued.body['lease_id']), client_assertion: await stack.podToken() }
  const kind = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }
  const body = new URLSearchParams({ ...back, ...kind })
  expect((await described('POST', '/revoke', '/revoke', { ...post, body })).status).toBe(200)
  await described('POST', '/revoke', '/revoke', { ...post, body: new URLSearchParams({ token: 'x' }) })
})

const metadata = ['oauth-authorization-server', 'openid-configuration'].map(name => `/.well-known/${name}`)

test('what anybody may read is as described', async () => {
  for (const path of ['/health/live', '/health/ready', '/openapi.json', ...metadata]) {
    expect((await described('GET', path, path, { bearer: undefined })).status).toBe(200)
  }
})

test.each<[string, (id: string) => Document]>([
  ['targets', id => ({ schema: 1, id, provider: 'key-vault-secret', settings: {}, scopes: scopes() })],
  [
    'issuers',
    id => ({ schema: 1, id, issuerUrl: `https://${id}.example/`, kind: 'kubernetes', audiences: [audience] }),
  ],
  ['calendars', id => ({ schema: 1, id, days: ['2026-12-25'] })],
  ['guardrails', id => ({ schema: 1, id, target: '*', effect: 'deny', workloads: [{ issuer: '*' }], state: 'draft' })],
  ['lockdowns', id => ({ schema: 1, id, blocks: { namespace: 'nobody' }, reason: 'an exercise' })],
  ['rules', id => ({ ...allow, id })],
])('%s answer as described, whatever comes of it', async (kind, documentOf) => {
  const id = `made-${randomUUID()}`
  const isRule = kind === 'rules'
  const [one, at] = isRule ? ['{target}/{id}', `mainframe-ftp/${id}`] : ['{id}', id]
  const [template, url] = [`/manage/${kind}/${one}`, `/manage/${kind}/${at}`]
  const body = documentOf(id)
  const tried = await described('PUT', template, `${url}?dryRun=true`, { body, headers: create })
  expect(tried.status).toBe(200)
  const created = await described('PUT', template, url, { body, headers: create })
  expect({ status: created.status, body: created.body }).toMatchObject({ status: 201 })
  expect((await described('GET', `/manage/${kind}`, `/manage/${kind}`)).status).toBe(200)
  expect((await described('GET', template, url)).status).toBe(200)
  const statuses = [
    await described('PUT', template, url, { body: { ...body, surprise: 1 }, headers: replace(created) }),
    await described('PUT', template, url, { body, headers: create }),
    await described('PUT', template, url, { body }),
    await described('PUT', template, `${url}?dryRun=perhaps`, { body, headers: create }),
    await described('GET', template, url, { bearer: 'nonsense' }),
    await described('GET', template, url, { bearer: await stack.operatorToken({ application: 'stranger' }) }),
    await described('GET', template, url.replace(id, 'not-there')),
    await described('PUT', template, url, { body, headers: replace(created) }),
  ].map(({ status }) => status)
  expect(statuses).toEqual([422, 412, 428, 400, 401, 403, 404, 200])
  const versions = await described('GET', `${template}/versions`, `${url}/versions`)
  const [{ id: version }] = versions.body['versions'] as [Document]
  await described('GET', `${template}/versions/{version}`, `${url}/versions/${version}`)
  const now = await described('GET', template, url)
  const restored = { headers: replace(now) }
  const again = await described(
    'POST',
    `${template}/versions/{version}/restore`,
    `${url}/versions/${version}/restore`,
    restored,
  )
  const query = isRule ? '?leases=keep' : ''
  expect((await described('DELETE', template, `${url}${query}`, { headers: replace(again) })).status).toBe(200)
})

test('a lockdown that is given its id answers as described', async () => {
  const body = { schema: 1, blocks: { namespace: 'nobody' }, reason: 'an exercise' }
  const path = '/manage/lockdowns'
  expect((await described('POST', path, `${path}?dryRun=true`, { body })).status).toBe(200)
  expect((await described('POST', path, path, { body })).status).toBe(201)
  expect((await described('POST', path, path, { body: { ...body, surprise: 1 } })).status).toBe(422)
})

test('checks and searches answer as described', async () => {
  const asked = await described('POST', '/manage/targets/{id}/check', '/manage/targets/orders-db/check')
  const check = `/manage/checks/${asked.body['check']}`
  await described('GET', '/manage/checks/{id}', check)
  await stack.gateway.runTimer('answer-checks')
  expect((await described('GET', '/manage/checks/{id}', check)).body['state']).toBe('done')
  const issuer = ['/manage/issuers/{id}/check', '/manage/issuers/aks-local/check'] as const
  await described('POST', ...issuer)
  await described('POST', ...issuer, { body: { token: await stack.podToken() } })
  await described('POST', ...issuer, { body: { token: 'nonsense' } })
  const [from, to] = [new Date(Date.now() - 3_600_000).toISOString(), new Date().toISOString()]
  await described('GET', '/manage/decisions', `/manage/decisions?from=${from}&to=${to}`)
  await described('GET', '/manage/leases', '/manage/leases')
  await described('GET', '/manage/changes', '/manage/changes')
  await described('GET', '/manage/access', '/manage/access?target=orders-db')
  await described('GET', '/manage/decisions', '/manage/decisions')
})

test('what if answers as described', async () => {
  const form = { issuer: 'aks-local', namespace: 'payments', serviceAccount: 'api' }
  const ask = (body: unknown) => described('POST', '/manage/evaluate', '/manage/evaluate', { body })
  const allowed = await ask({ facts: { ...form, target: 'orders-db', scopes: ['read'] } })
  expect(allowed).toMatchObject({ status: 200, body: { outcome: 'allowed' } })
  expect((await ask({ token: await stack.podToken(), target: 'mainframe-ftp' })).body['outcome']).toBe('denied')
  expect((await ask({ facts: { ...form, target: 'no-such' } })).body['reason']).toBe('target_unknown')
  expect((await ask({ facts: {} })).status).toBe(400)
  const tried = (body: unknown) => described('POST', '/manage/impact', '/manage/impact', { body })
  await stack.issue({ audience: 'orders-db' })
  const judged = await tried({ remove: { target: 'orders-db', id: 'payments-api-orders' } })
  expect(judged.body).toMatchObject({ newlyDenied: [{ target: 'orders-db' }] })
  expect((await tried({ rule: { ...allow, id: 'a', effect: 'perhaps' } })).status).toBe(422)
  const reach = (query: string) => described('GET', '/manage/access', `/manage/access?${query}`)
  expect((await reach('target=orders-db')).body).toMatchObject({ allows: [{ rule: 'payments-api-orders' }] })
  expect((await reach('namespace=payments&issuer=aks-local')).body['targets']).not.toEqual([])
  expect((await reach('target=no-such')).status).toBe(404)
})

test('posture answers as described', async () => {
  const names = { cluster: '{issuer}', namespace: '{issuer}/{namespace}', node: '{issuer}/{node}' }
  const named = { serviceAccount: '{issuer}/{namespace}/{name}', pod: '{issuer}/{namespace}/{name}' }
  const [observedAt, expiresAt] = [0, 3_600_000].map(later => new Date(Date.now() + later).toISOString())
  const body = { observedAt, expiresAt, value: { found: 0 } }
  for (const [kind, subject] of Object.entries({ ...names, ...named })) {
    const template = `/manage/posture/${kind}/${subject}/{signal}`
    const url = template.replaceAll(/\{(\w+)\}/g, (_, name) => (name === 'issuer' ? 'aks-local' : `a-${name}`))
    expect((await described('PUT', template, url, { body })).status).toBe(200)
    expect(
      (await described('PUT', template, url, { body: { ...body, observedAt: '2026-01-01T00:00:00Z' } })).status,
    ).toBe(409)
    expect((await described('PUT', template, url, { body: { value: 1 } })).status).toBe(422)
    expect((await described('GET', template, url)).body).toMatchObject({ signal: { value: { found: 0 } } })
    expect((await described('DELETE', template, url)).status).toBe(200)
    expect((await described('GET', template, url)).status).toBe(404)
  }
})

test('an iCalendar answers as described', async () => {
  const route = ['/manage/calendars/{id}/icalendar', '/manage/calendars/made-of-ical/icalendar'] as const
  const event = ['BEGIN:VEVENT', 'UID:1', 'DTSTAMP:20260101T000000Z', 'DTSTART;VALUE=DATE:20261225', 'END:VEVENT']
  const body = ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:test', ...event, 'END:VCALENDAR', ''].join('\r\n')
  const created = await described('POST', ...route, { body, headers: create })
  expect(created).toMatchObject({ status: 201, body: { calendar: { id: 'made-of-ical' } } })
  expect((await described('POST', ...route, { body, headers: replace(created) })).status).toBe(200)
  expect((await described('POST', `${route[0]}`, `${route[1]}?dryRun=true`, { body })).status).toBe(200)
  expect((await described('POST', ...route, { body: 'nonsense', headers: create })).status).toBe(422)
})

/** A target that wants a second person, or a guardrail that does. */
async function made(kind: 'targets' | 'guardrails' | 'rules'): Promise<{ one: string; at: string; body: Document }> {
  const id = `guarded-${randomUUID()}`
  const secret = { schema: 1, id, provider: 'key-vault-secret', settings: {}, scopes: scopes(), requireApproval: true }
  const guardrail = { ...{ schema: 1, id, target: '*', effect: 'deny', state: 'draft' }, workloads: [{ issuer: '*' }] }
  if (kind === 'guardrails') return { one: '{id}', at: id, body: { ...guardrail, requireApproval: true } }
  if (kind === 'targets') return { one: '{id}', at: id, body: secret }
  await put(`targets/${id}`, secret)
  return { one: '{target}/{id}', at: `${id}/${id}`, body: { ...allow, id, target: id } }
}

/** Creates a document, by whatever it takes. */
async function put(at: string, body: Document): Promise<void> {
  const answer = await send(`${stack.gateway.url}/manage/${at}`, {
    method: 'PUT',
    headers: { ...create, authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })
  if (answer.status === 202) expect((await settle('approve', answer)).status).toBe(200)
  else expect(answer).toMatchObject({ status: 201 })
}

async function settle(what: 'approve' | 'withdraw', proposed: Answer): Promise<Answer> {
  const bearer = what === 'approve' ? await stack.operatorToken({ application: 'approver' }) : token
  const change = String(proposed.body['change'])
  const read = ['/manage/changes/{change}', `/manage/changes/${change}`] as const
  expect((await described('GET', ...read)).body).toMatchObject({ change: { state: 'proposed' } })
  expect((await described('GET', '/manage/changes', '/manage/changes')).body['changes']).not.toEqual([])
  return described('POST', `${read[0]}/${what}`, `${read[1]}/${what}`, { bearer })
}

test.each(['targets', 'guardrails', 'rules'] as const)(
  '%s that want a second person answer as described',
  async kind => {
    const { one, at, body } = await made(kind)
    const [template, url] = [`/manage/${kind}/${one}`, `/manage/${kind}/${at}`]
    await put(`${kind}/${at}`, body)
    const now = () => described('GET', template, url)
    const write = async () => ({
      body: { ...body, priority: 7, ...(kind === 'targets' && { priority: undefined, labels: { a: 'b' } }) },
      headers: replace(await now()),
    })
    const proposed = await described('PUT', template, url, await write())
    expect(proposed.status).toBe(202)
    expect((await settle('withdraw', proposed)).status).toBe(200)
    expect((await settle('approve', await described('PUT', template, url, await write()))).body).toHaveProperty('etag')
    const [, { id: version }] = (await described('GET', `${template}/versions`, `${url}/versions`)).body[
      'versions'
    ] as [Document, Document]
    const restore = [`${template}/versions/{version}/restore`, `${url}/versions/${version}/restore`] as const
    const restored = await described('POST', ...restore, { headers: replace(await now()) })
    expect(restored.status).toBe(202)
    await settle('approve', restored)
    const query = kind === 'rules' ? '?leases=revoke' : ''
    const removed = await described('DELETE', template, `${url}${query}`, { headers: replace(await now()) })
    expect(removed.status).toBe(202)
    expect((await settle('approve', removed)).body).toMatchObject({ removed: true })
  },
)

test('leases, and what a removed rule left behind, answer as described', async () => {
  const { lease_id: lease, decision_id: decision } = await stack.issue({ audience: 'orders-db', scope: 'read' })
  const one = ['/manage/leases/{lease}', `/manage/leases/${lease}`] as const
  expect((await described('GET', ...one)).body).toMatchObject({ lease: { state: 'active' } })
  expect((await described('GET', '/manage/leases', '/manage/leases?limit=1')).body['leases']).toHaveLength(1)
  const matching = ['/manage/leases/revoke', '/manage/leases/revoke'] as const
  const filter = { namespace: 'payments' }
  const found = await described('POST', matching[0], `${matching[1]}?dryRun=true`, { body: { filter } })
  expect(found.body).toMatchObject({ dryRun: true, more: false })
  const expected = Number(found.body['found'])
  expect((await described('POST', ...matching, { body: { filter, expected: expected + 1 } })).status).toBe(409)
  expect((await described('POST', ...matching, { body: { filter } })).status).toBe(428)
  expect((await described('POST', ...matching, { body: { filter, expected } })).body).toMatchObject({
    marked: expected,
  })
  expect((await described('POST', `${one[0]}/revoke`, `${one[1]}/revoke`)).body).toMatchObject({ marked: false })
  expect((await described('GET', '/manage/leases/{lease}', `/manage/leases/${'0'.repeat(64)}.0`)).status).toBe(404)
  const word = [`${one[0]}/gone`, `${one[1]}/gone`] as const
  const body = { reason: 'decommissioned' }
  expect((await described('POST', ...word, { body })).status).toBe(409)
  expect((await described('POST', ...word, { body: {} })).status).toBe(400)
  const past = new Date(Date.now() - 60_000).toISOString()
  const stuck = { state: 'revoking', attempts: 1, lastError: 'server_changed', mintUntil: past, expiresAt: past }
  await stack.changeLease(String(lease), stuck)
  expect((await described('POST', ...word, { body })).body).toMatchObject({ lease: { attested: body } })
  expect((await described('POST', word[0], `/manage/leases/${'0'.repeat(64)}.0/gone`, { body })).status).toBe(404)
  const rule = '/manage/rules/orders-db/payments-api-orders/revoke-leases'
  expect((await described('POST', '/manage/rules/{target}/{id}/revoke-leases', rule)).status).toBe(409)
  const gone = '/manage/rules/orders-db/never-there/revoke-leases'
  expect((await described('POST', '/manage/rules/{target}/{id}/revoke-leases', gone)).body).toHaveProperty('leases')
  const told = await described('GET', '/manage/decisions/{decision}', `/manage/decisions/${decision}`)
  expect(told.body['decisions']).not.toEqual([])
})

test('an export answers as described, with the header that says where it goes on', async () => {
  const [from, to] = [new Date(Date.now() - 3_600_000).toISOString(), new Date(Date.now() + 60_000).toISOString()]
  const query = `from=${from}&to=${to}&limit=2&format=jsonl`
  const { headers, text } = await described('GET', '/manage/decisions', `/manage/decisions?${query}`)
  expect(headers.get('content-type')).toBe('application/jsonl')
  expect(headers.get('x-causeway-continuation')).toMatch(/./)
  expect(text.trim().split('\n')).toHaveLength(2)
})

test.each([
  '/manage',
  '/manage/',
  '/manage/rule',
  '/manage/rules/a',
  '/manage/decisions/a/b',
  '/manage/targets/a/checks',
])('%s is no route, and a problem document says so', async path => {
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const { status, headers, body } = await send(`${stack.gateway.url}${path}`, { method })
    expect({ path, status, type: headers.get('content-type') }).toEqual({
      ...{ path, status: 404 },
      type: 'application/problem+json',
    })
    expect(body).toMatchObject({ status: 404, detail: expect.stringContaining('GET /openapi.json') })
  }
})

test('the description says where it is, and that a save can be tried', () => {
  const parameters = description.paths['/manage/rules/{target}/{id}']?.['put']?.['parameters'] as Document[]
  expect(parameters.map(({ name }) => name)).toEqual(['target', 'id', 'dryRun', 'if-match', 'if-none-match'])
})

// Last: it is about what the tests before it asked.
test('every answer that is well was asked for, of every path and method', () => {
  const all = Object.entries(description.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) => {
      const well = Object.keys(responses as Document).filter(status => status.startsWith('2'))
      return well.map(status => `${method.toUpperCase()} ${path} ${status}`)
    }),
  )
  expect(all.length).toBeGreaterThan(90)
  expect(all.filter(answer => !seen.has(answer) && !neverProposed.test(answer))).toEqual([])
})

/** What only its secrets put under a second person's eyes, or nothing does. */
const neverProposed = /^\w+ \/manage\/(issuers|calendars|lockdowns)\/.* 202$/

const scopes = () => ({ login: { secret: { vault: 'corp', secret: 'some-secret' } } })
const allow = {
  ...{ schema: 1, target: 'mainframe-ftp', effect: 'allow', state: 'draft', scopes: ['login'] },
  workloads: [{ issuer: 'aks-local', namespace: 'billing' }],
}
