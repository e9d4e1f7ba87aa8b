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
      body: asked.body instanceof URLSearchParams ? asked.body : JSON.stringify(asked.body),
    }),
  })
  const type = answer.headers.get('content-type') ?? ''
  const where = ['paths', template, method.toLowerCase(), 'responses', String(answer.status), 'content', type, 'schema']
  const pointer = where.map(part => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
  const isValid = ajv.compile({ $ref: `openapi.json#/${pointer}` })
  const problems = isValid(answer.body) ? [] : isValid.errors
  expect({ asked: `${method} ${url}: ${answer.status}`, body: answer.body, problems }).toMatchObject({ problems: [] })
  seen.add(`${method} ${template} ${answer.status}`)
  return answer
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

test('what anybody may read is as described', async () => {
  for (const path of ['/health/live', '/health/ready', '/.well-known/oauth-authorization-server', '/openapi.json']) {
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

test('the description says where it is, and that a save can be tried', () => {
  const parameters = description.paths['/manage/rules/{target}/{id}']?.['put']?.['parameters'] as Document[]
  expect(parameters.map(({ name }) => name)).toEqual(['target', 'id', 'dryRun', 'if-match', 'if-none-match'])
  expect(seen.size).toBeGreaterThan(60)
})

const scopes = () => ({ login: { secret: { vault: 'corp', secret: 'some-secret' } } })
const allow = {
  ...{ schema: 1, target: 'mainframe-ftp', effect: 'allow', state: 'draft', scopes: ['login'] },
  workloads: [{ issuer: 'aks-local', namespace: 'billing' }],
}
