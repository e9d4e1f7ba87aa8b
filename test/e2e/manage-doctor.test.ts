import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { audience, operator } from '../../infra/local/world.ts'
import { type Answer, type Document, type RunningStack, runStack, send } from '../running-stack.ts'

let stack: RunningStack
let token: string
let otherAuthority: string

beforeAll(async () => {
  stack = await runStack()
  token = await stack.operatorToken()
  const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  otherAuthority = (await openCertificateAuthority(folder)).certificate
  await rm(folder, { recursive: true })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

function manage(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return send(`${stack.gateway.url}/manage/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

/** A document like one of the world's but for some members. */
async function register(kind: 'targets' | 'issuers', like: string, changes: Document): Promise<string> {
  const id = `made-${randomUUID()}`
  const { body } = await manage('GET', `${kind}/${like}`)
  const { uri: _, ...model } = body[kind.slice(0, -1)] as Document
  const answer = await manage('PUT', `${kind}/${id}`, { ...model, ...changes, id }, { 'if-none-match': '*' })
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 201 })
  return id
}

const settingsOf = async (id: string) => ((await manage('GET', `targets/${id}`)).body['target'] as Document)['settings']

type Steps = Readonly<Record<string, Document>>

const byName = (steps: unknown): Steps => Object.fromEntries((steps as Document[]).map(step => [step['step'], step]))

/** A check of a target, from the question to its answer. */
async function checked(id: string): Promise<{ readonly ok: unknown; readonly steps: Steps; readonly text: string }> {
  const asked = await manage('POST', `targets/${id}/check`)
  expect({ status: asked.status, body: asked.body }).toMatchObject({ status: 202, body: { at: /^\/manage\/checks\// } })
  for (;;) {
    const { status, body, text } = await send(`${stack.gateway.url}${asked.body['at']}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(status).toBe(200)
    if (body['state'] === 'done') return { ok: body['ok'], steps: byName(body['steps']), text }
    await stack.gateway.runTimer('answer-checks')
  }
}

expect.addEqualityTesters([
  (found, expected) => (expected instanceof RegExp && typeof found === 'string' ? expected.test(found) : undefined),
])

describe('a check of a target', () => {
  test('tells connection, TLS, accounts, every scope and the end of sessions, and makes nothing there', async () => {
    const before = await stack.accounts()
    const { ok, steps } = await checked('orders-db')
    const { 'admin-password': unknown, ...told } = steps
    expect(Object.entries(told).filter(([, step]) => step['ok'] !== true)).toEqual([])
    expect(Object.keys(told)).toEqual([
      ...['password', 'connect', 'tls', 'login', 'certificate', 'version', 'accounts-connect', 'accounts-stay'],
      ...['admin', 'create-accounts', 'drop-accounts', 'end-sessions', 'grant-scope read', 'grant-scope write'],
    ])
    expect(unknown).toMatchObject({ ok: null, found: /cannot be told/ })
    expect(ok).toBe(true)
    expect(await stack.accounts()).toEqual(before)
  })

  test.each<[string, Document | (() => Document), string, Document]>([
    [
      'a port at which nothing listens',
      { port: 1 },
      'connect',
      { reason: 'target_unavailable', found: /ECONNREFUSED/ },
    ],
    [
      'another authority',
      () => ({ tls: { ca: otherAuthority } }),
      'tls',
      { reason: 'target_unavailable', found: /unknown authority|signed by itself/ },
    ],
    [
      'a login that there is not',
      { revoker: { user: 'nobody', password: { vault: 'corp', secret: 'orders-db-revoker' } } },
      'login',
      { reason: 'target_unavailable', found: /28P01/ },
    ],
    [
      'a secret that there is not',
      { revoker: { user: 'causeway_revoker', password: { vault: 'corp', secret: 'no-such-revoker' } } },
      'password',
      { reason: 'secret_not_found' },
    ],
    [
      'an admin without rights',
      { admin: { user: 'orders_owner', password: { vault: 'corp', secret: 'orders-db-minter' } } },
      'create-accounts',
      { found: 'not so' },
    ],
  ])('tells of %s at its step', async (_, given, step, found) => {
    const changes = typeof given === 'function' ? given() : given
    const settings = { ...((await settingsOf('orders-db')) as Document), ...changes }
    const { ok, steps } = await checked(await register('targets', 'orders-db', { settings }))
    expect(ok).toBe(false)
    expect(steps[step]).toMatchObject({ ok: false, ...found })
  })

  test('tells which scope the admin may not hand on', async () => {
    const scopes = { read: { role: 'orders_read' }, own: { role: 'orders_owner' }, no: { role: 'no_such_role' } }
    const { steps } = await checked(await register('targets', 'orders-db', { scopes }))
    expect(steps['grant-scope read']).toMatchObject({ ok: true })
    expect(steps['grant-scope own']).toMatchObject({ ok: false, found: 'not so' })
    expect(steps['grant-scope no']).toMatchObject({ ok: false, found: 'there is no such role' })
  })

  test('of static secrets tells which are there, and which it may not look at', async () => {
    const secret = (name: string) => ({ secret: { vault: 'corp', secret: name } })
    const scopes = { here: secret('orders-db-revoker'), gone: secret('gone-revoker'), closed: secret('mainframe-ftp') }
    const id = await register('targets', 'mainframe-ftp', { scopes, defaultScopes: [] })
    const { ok, steps, text } = await checked(id)
    expect(ok).toBe(false)
    expect(steps['secret here']).toMatchObject({ ok: true })
    expect(steps['secret gone']).toMatchObject({ ok: false, reason: 'secret_not_found' })
    expect(steps['secret closed']).toMatchObject({ ok: null, found: /cannot be told/ })
    expect(Object.values(stack.secrets).filter(value => text.includes(value))).toEqual([])
  })

  test('is asked for once while it waits, and answered although whoever took it did not come back', async () => {
    const ask = async () => (await manage('POST', 'targets/mainframe-ftp/check')).body['check']
    const state = async (check: unknown) => (await manage('GET', `checks/${check}`)).body['state']
    for (;;) {
      const [first, second] = [await ask(), await ask()]
      // The timer may have taken it in between: then once more.
      if ((await state(first)) !== 'pending') continue
      expect(second).toBe(first)
      break
    }
    const [id, long] = [randomUUID(), '2026-01-01T00:00:00.000Z']
    const lost = { schema: 1, id, target: 'mainframe-ftp', state: 'running', askedAt: long, takenAt: long }
    await stack.documents.container('checks').items.create(lost)
    await stack.gateway.runTimer('answer-checks')
    expect(await state(id)).toBe('done')
  })

  test('is on record with who asked, and is not for everybody', async () => {
    const id = await register('targets', 'mainframe-ftp', {})
    await checked(id)
    const records = (await stack.records()).filter(({ action }) => action === 'check')
    expect(records.filter(({ document }) => (document as Document)['id'] === id)).toMatchObject([
      { outcome: 'intended', operator: { subject: operator.objectId } },
      { outcome: 'done', operator: { subject: operator.objectId } },
    ])
    const bearer = { authorization: `Bearer ${await stack.operatorToken({ application: 'approver' })}` }
    const statuses = await Promise.all([
      manage('POST', 'targets/orders-db/check', undefined, bearer),
      manage('POST', 'issuers/aks-local/check', undefined, bearer),
      manage('GET', `checks/${randomUUID()}`, undefined, bearer),
      manage('POST', 'targets/no-such/check'),
      manage('POST', 'issuers/no-such/check'),
      manage('GET', `checks/${randomUUID()}`),
      manage('GET', 'targets/orders-db/check'),
    ])
    expect(statuses.map(({ status }) => status)).toEqual([403, 403, 403, 404, 404, 404, 405])
  })
})

describe('a check of an issuer', () => {
  const check = async (id: string, body?: Document) => {
    const answer = await manage('POST', `issuers/${id}/check`, body)
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 })
    return { ...answer, steps: byName(answer.body['steps']) }
  }

  test('asks it now, and tells its keys and algorithms', async () => {
    const { body, steps } = await check('aks-local')
    expect(body['ok']).toBe(true)
    expect(Object.keys(steps)).toEqual(
      expect.arrayContaining(['discovery', 'issuer-url', 'jwks-host', 'keys', 'algorithms']),
    )
  })

  test.each<[string, (url: string) => Document, string, RegExp]>([
    [
      'a slash too many or too few',
      url => ({ issuerUrl: toggled(url) }),
      'issuer-url',
      /differs by the trailing slash/,
    ],
    ['an address that is not public', () => ({ network: 'public' }), 'discovery', /private address/],
    ['a port at which nothing listens', () => ({ issuerUrl: 'https://localhost:1/' }), 'discovery', /ECONNREFUSED/],
    ['no key of its algorithms', () => ({ algorithms: ['ES512'] }), 'algorithms', /^0 of/],
  ])('tells of %s', async (_, changes, step, found) => {
    const url = stack.cluster.issuerUrl
    const given = changes(url)
    // Two issuers of one URL are refused unless one of them is out of use.
    const enabled = 'issuerUrl' in given
    const { body, steps } = await check(await register('issuers', 'aks-local', { ...given, enabled }))
    expect(body['ok']).toBe(false)
    expect(steps[step]).toMatchObject({ ok: false, found })
  })

  test('tells what the records cannot be asked for as unknown, and everything else as ever', async () => {
    const removeFault = stack.cosmos.faults.add({ container: 'decisions', action: 'query', status: 503 })
    const answer = await manage('POST', 'issuers/aks-local/check')
    removeFault()
    expect({ status: answer.status, ok: answer.body['ok'] }).toEqual({ status: 200, ok: true })
    const { forwarder, keys } = byName(answer.body['steps'])
    expect(forwarder).toMatchObject({ ok: null, found: /cannot be told/ })
    expect(keys).toMatchObject({ ok: true })
  })

  test('with a token tells which check it fails, and the rule for its workload, and never the token', async () => {
    const id = await register('issuers', 'aks-local', { audiences: ['api://another'], enabled: false })
    const pod = await stack.podToken()
    const { body, text } = await check(id, { token: pod })
    expect(body['token']).toMatchObject({
      ok: false,
      check: 'token_audience',
      expected: /api:\/\/another/,
      found: audience,
      says: { iss: stack.cluster.issuerUrl, aud: [audience], sub: 'system:serviceaccount:payments:api' },
      rule: { state: 'draft', workloads: [{ issuer: id, namespace: 'payments', serviceAccount: 'api' }] },
    })
    expect(text).not.toContain(pod.split('.')[1])
    expect(text).not.toContain(pod.split('.')[2])
    expect((await check('aks-local', { token: pod })).body['token']).toMatchObject({ ok: true })
    const forged = `${pod.split('.').slice(0, 2).join('.')}.AAAA`
    expect((await check('aks-local', { token: forged })).body['token']).toMatchObject({ check: 'token_signature' })
    expect((await check('aks-local', { token })).body['token']).toMatchObject({ check: 'issuer_unknown' })
    expect((await manage('POST', 'issuers/aks-local/check', { tokens: pod })).status).toBe(400)
  })
})

function toggled(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : `${url}/`
}
