import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { audience, operator } from '../../infra/local/world.ts'
import { type Answer, type Document, oldestFirst, type RunningStack, runStack, send } from '../running-stack.ts'

let stack: RunningStack
let token: string

beforeAll(async () => {
  stack = await runStack()
  token = await stack.operatorToken()
})
afterEach(async () => {
  stack.cosmos.faults.clear()
  expect(await stack.leaks()).toEqual([])
})
afterAll(() => stack?.stop())

interface Asked {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** `Authorization`; the operator's unless given, none where undefined is given. */
  readonly authorization?: string | undefined
}

function manage(path: string, { method = 'GET', body, headers, ...given }: Asked = {}): Promise<Answer> {
  const authorization = 'authorization' in given ? given.authorization : `Bearer ${token}`
  return send(`${stack.gateway.url}/manage/rules${path}`, {
    method,
    headers: { ...headers, ...(authorization !== undefined && { authorization }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

const toCreate = { 'if-none-match': '*' }
const toReplace = (etag: unknown) => ({ 'if-match': String(etag) })

/** A rule that gives the nightly batch the orders, which no rule of the world does. */
const batchReadsOrders = (id: string, changes: Document = {}) => ({
  schema: 1,
  id,
  target: 'orders-db',
  effect: 'allow',
  workloads: [{ issuer: 'aks-local', namespace: 'billing', serviceAccount: 'batch' }],
  scopes: ['read'],
  ...changes,
})

/** As {@link batchReadsOrders}, but about nobody: it changes no decision. */
const harmless = (id: string, changes: Document = {}) =>
  batchReadsOrders(id, { workloads: [{ issuer: 'aks-local', namespace: 'nobody' }], ...changes })

async function created(id: string): Promise<{ path: string; etag: string }> {
  const path = `/orders-db/${id}`
  const answer = await manage(path, { method: 'PUT', body: harmless(id), headers: toCreate })
  expect(answer.status).toBe(201)
  return { path, etag: String(answer.body['etag']) }
}

/** RFC 9457. */
function expectProblem(answer: Answer, status: number): void {
  expect({ status: answer.status, told: answer.body['status'] }).toEqual({ status, told: status })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.body).toMatchObject({ type: 'about:blank', title: expect.any(String), detail: expect.any(String) })
}

/** The admin records of one rule, oldest first. */
async function adminRecords(id: string): Promise<readonly Document[]> {
  const records = (await stack.records()).filter(({ kind, document }) => {
    return kind === 'admin' && (document as Document)['id'] === id
  })
  return oldestFirst(records)
}

const stored = async (id: string) => (await stack.documents.container('rules').item(id, 'orders-db').read()).resource

describe('an operator', () => {
  test('lists the rules of all targets, or of one, each with its ETag', async () => {
    const all = await manage('')
    expect(all.status).toBe(200)
    expect(all.headers.get('cache-control')).toBe('no-store')
    const ids = (answer: Answer) => (answer.body['rules'] as { rule: Document }[]).map(({ rule }) => rule['id'])
    expect(ids(all)).toEqual(expect.arrayContaining(['payments-api-orders', 'billing-batch-mainframe', 'quarantine']))
    const one = await manage('?target=mainframe-ftp')
    expect(one.body['rules']).toEqual([
      { etag: expect.any(String), rule: expect.objectContaining({ id: 'billing-batch-mainframe' }) },
    ])
  })

  test('reads a rule as it was written, with its ETag, and gets 404 for one that is not there', async () => {
    const answer = await manage('/orders-db/payments-api-orders')
    expect(answer.status).toBe(200)
    const { _etag, description } = await stored('payments-api-orders')
    expect(answer.headers.get('etag')).toBe(_etag)
    expect(answer.body).toMatchObject({ etag: _etag, rule: { id: 'payments-api-orders', description } })
    expect(Object.keys(answer.body['rule'] as Document).filter(name => name.startsWith('_'))).toEqual([])
    expectProblem(await manage('/orders-db/no-such-rule'), 404)
    expectProblem(await manage('/mainframe-ftp/payments-api-orders'), 404)
  })

  test('creates a rule once with If-None-Match: *, and a second time gets 412', async () => {
    const { path, etag } = await created('made-once')
    expect(await stored('made-once')).toMatchObject({ ...harmless('made-once'), _etag: etag })
    const again = await manage(path, { method: 'PUT', body: harmless('made-once'), headers: toCreate })
    expectProblem(again, 412)
    expect((await stored('made-once'))._etag).toBe(etag)
  })

  test('replaces a rule with the ETag that was read, and with a stale one gets 412 and changes nothing', async () => {
    const { path, etag } = await created('replaced')
    const body = harmless('replaced', { priority: 7 })
    const replaced = await manage(path, { method: 'PUT', body, headers: toReplace(etag) })
    expect(replaced.status).toBe(200)
    expect(replaced.headers.get('etag')).toBe(replaced.body['etag'])
    expect(replaced.body['etag']).not.toBe(etag)
    const late = harmless('replaced', { priority: 8 })
    expectProblem(await manage(path, { method: 'PUT', body: late, headers: toReplace(etag) }), 412)
    expect(await stored('replaced')).toMatchObject({ priority: 7, _etag: replaced.body['etag'] })
  })

  test('who replaces a rule that is not there gets 412, and makes none', async () => {
    const body = harmless('never-made')
    const headers = toReplace('"00000000-0000-0000-0000-000000000000"')
    expectProblem(await manage('/orders-db/never-made', { method: 'PUT', body, headers }), 412)
    expect(await stored('never-made')).toBeUndefined()
  })

  test.each<[string, Record<string, string>]>([
    ['no condition', {}],
    ['If-Match: *', { 'if-match': '*' }],
    ['If-None-Match with an ETag', { 'if-none-match': '"x"' }],
  ])('who writes with %s gets 428, and changes nothing', async (_, headers) => {
    const before = await stored('payments-api-orders')
    const path = '/orders-db/payments-api-orders'
    const body = harmless('payments-api-orders')
    expectProblem(await manage(path, { method: 'PUT', body, headers }), 428)
    expectProblem(await manage(path, { method: 'DELETE', headers }), 428)
    expect(await stored('payments-api-orders')).toEqual(before)
  })

  test.each<[string, Document, readonly (readonly [string, RegExp])[]]>([
    ['an unknown member', { grants: {} }, [['', /"grants"/]]],
    ['a misspelt effect', { effect: 'dney' }, [['/effect', /./]]],
    [
      'a ttl in words, and no issuer',
      { grant: { ttl: '15 minutes' }, workloads: [{ namespace: 'billing' }] },
      [
        ['/workloads/0/issuer', /./],
        ['/grant/ttl', /ISO 8601/],
      ],
    ],
    ['nobody', { workloads: [] }, [['/workloads', /./]]],
    ['a regular expression', { workloads: [{ issuer: 'aks-*-prod' }] }, [['/workloads/0/issuer', /./]]],
    ['another id than its URL', { id: 'another' }, [['/id', /expected what the URL says/]]],
    ['another target than its URL', { target: 'mainframe-ftp' }, [['/target', /expected what the URL says/]]],
    ['a scope that its target does not define', { scopes: ['read', 'drop'] }, [['/scopes/1', /"drop"/]]],
    ['a member of Cosmos DB', { _etag: '"x"' }, [['', /"_etag"/]]],
    ['a time to live', { ttl: 1 }, [['', /"ttl"/]]],
  ])('who puts a rule with %s is told where, gets 422, and saves nothing', async (_, changes, problems) => {
    const answer = await manage('/orders-db/faulty', {
      method: 'PUT',
      body: harmless('faulty', changes),
      headers: toCreate,
    })
    expectProblem(answer, 422)
    expect(answer.body['problems']).toEqual(
      problems.map(([pointer, detail]) => ({ pointer, detail: expect.stringMatching(detail) })),
    )
    expect(await stored('faulty')).toBeUndefined()
    expect(await adminRecords('faulty')).toEqual([])
  })

  test('who puts a rule of an unknown target is told so, gets 422, and saves nothing', async () => {
    const unknown = await manage('/no-such-target/faulty', {
      method: 'PUT',
      body: harmless('faulty', { target: 'no-such-target' }),
      headers: toCreate,
    })
    expectProblem(unknown, 422)
    expect(unknown.body['problems']).toEqual([{ pointer: '/target', detail: 'there is no target "no-such-target"' }])
    expect(await adminRecords('faulty')).toEqual([])
  })

  test('who names a guardrail gets 404 and changes nothing: it bears on every target', async () => {
    const guardrail = async () =>
      (await stack.documents.container('rules').item('quarantine', '*').read<Document>()).resource
    const before = await guardrail()
    const headers = toReplace(before?.['_etag'])
    const body = harmless('quarantine', { target: '*' })
    expectProblem(await manage('/*/quarantine'), 404)
    expectProblem(await manage('/*/quarantine', { method: 'PUT', body, headers }), 404)
    expectProblem(await manage('/*/quarantine', { method: 'DELETE', headers }), 404)
    expectProblem(await manage('/*/mine', { method: 'PUT', body: { ...body, id: 'mine' }, headers: toCreate }), 404)
    expect(await guardrail()).toEqual(before)
    expect(before?.['effect']).toBe('deny')
  })

  test('who goes on from a page that was never told gets 400', async () => {
    expectProblem(await manage('?continuation=garbage'), 400)
  })

  test.each([
    ['no JSON', '{'],
    ['more than 256 KiB', JSON.stringify(harmless('large', { description: 'x'.repeat(262_144) }))],
  ])('who puts %s gets 400', async (_, body) => {
    expectProblem(await manage('/orders-db/large', { method: 'PUT', body, headers: toCreate }), 400)
  })

  test('who uses a method that there is not is told those that there are', async () => {
    const list = await manage('', { method: 'POST', body: {} })
    expectProblem(list, 405)
    expect(list.headers.get('allow')).toBe('GET')
    const one = await manage('/orders-db/payments-api-orders', { method: 'PATCH', body: {} })
    expectProblem(one, 405)
    expect(one.headers.get('allow')).toBe('GET, PUT, DELETE')
  })

  test('removes a rule: a tombstone takes its place, nobody reads it, and it can be made again', async () => {
    const { path, etag } = await created('buried')
    expectProblem(await manage(`${path}?leases=keep`, { method: 'DELETE', headers: toReplace('"stale"') }), 412)
    const removed = await manage(`${path}?leases=keep`, { method: 'DELETE', headers: toReplace(etag) })
    expect({ status: removed.status, body: removed.body }).toMatchObject({ status: 200, body: { removed: true } })
    // The change feed shows no deletes: who follows it sees this document, for a month.
    expect(await stored('buried')).toMatchObject({ id: 'buried', deleted: true, ttl: 30 * 86_400 })
    expectProblem(await manage(path), 404)
    expect((await manage('?target=orders-db')).text).not.toContain('buried')
    const body = harmless('buried', { priority: 9 })
    expectProblem(await manage(path, { method: 'PUT', body, headers: toReplace(etag) }), 412)
    expect((await manage(path, { method: 'PUT', body, headers: toCreate })).status).toBe(201)
    expect((await manage(path)).body['rule']).toEqual(body)
    expect(await stored('buried')).not.toHaveProperty('ttl')
  })

  test('and another who write at once: one wins, the other gets 412', async () => {
    const { path, etag } = await created('contested')
    const put = (priority: number, headers: Record<string, string>, id = 'contested') =>
      manage(`/orders-db/${id}`, { method: 'PUT', body: harmless(id, { priority }), headers })
    const replaced = await Promise.all([1, 2, 3].map(priority => put(priority, toReplace(etag))))
    expect(replaced.map(({ status }) => status).toSorted()).toEqual([200, 412, 412])
    const winner = replaced.find(({ status }) => status === 200)
    expect((await manage(path)).body).toMatchObject({ etag: winner?.body['etag'], rule: winner?.body['rule'] })
    const made = await Promise.all([1, 2, 3].map(priority => put(priority, toCreate, 'contested-anew')))
    expect(made.map(({ status }) => status).toSorted()).toEqual([201, 412, 412])
  })
})

describe('without the right token', () => {
  const pathOf = '/orders-db/payments-api-orders'

  test.each<[string, number, () => Promise<string | undefined>]>([
    ['none', 401, async () => undefined],
    ['another scheme', 401, async () => `Basic ${Buffer.from('operator:password').toString('base64')}`],
    ['two at once', 401, async () => `Bearer ${token},Bearer ${token}`],
    ["a pod's", 401, async () => `Bearer ${await stack.podToken()}`],
    [
      "an operator's for another audience",
      401,
      async () => `Bearer ${await stack.operatorToken({ scope: 'https://vault.azure.net/.default' })}`,
    ],
    ['a tampered one', 401, async () => `Bearer ${token.slice(0, -8)}AAAAAAAA`],
    ["a person's", 401, () => signed({ idtyp: undefined, roles: ['Rules.Write'] })],
    ['one that has expired', 401, () => signed({ roles: ['Rules.Write'], exp: Math.floor(Date.now() / 1000) - 60 })],
    [
      'of an application that has no role',
      403,
      async () => bearer(await stack.operatorToken({ application: 'stranger' })),
    ],
    ['with a role of another name', 403, () => signed({ roles: ['rules.write', 'Rules.Writer', 'Rules.*'] })],
  ])('(%s) every request gets %i, and nothing is read or changed', async (_, status, authorize) => {
    const authorization = await authorize()
    const before = await stored('payments-api-orders')
    const writing = { body: harmless('payments-api-orders'), headers: toReplace(before._etag), authorization }
    const answers = [
      await manage('', { authorization }),
      await manage(pathOf, { authorization }),
      await manage(pathOf, { method: 'PUT', ...writing }),
      await manage(pathOf, { method: 'DELETE', headers: toReplace(before._etag), authorization }),
    ]
    for (const answer of answers) {
      expectProblem(answer, status)
      expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
      expect(answer.text).not.toContain('payments')
    }
    expect(await stored('payments-api-orders')).toEqual(before)
  })

  test('to write, one that may read reads, and gets 403 for a change', async () => {
    const authorization = await signed({ roles: ['Rules.Read'] })
    expect((await manage(pathOf, { authorization })).status).toBe(200)
    const etag = (await stored('payments-api-orders'))._etag
    const body = harmless('payments-api-orders')
    expectProblem(await manage(pathOf, { method: 'PUT', body, headers: toReplace(etag), authorization }), 403)
    expectProblem(await manage(pathOf, { method: 'DELETE', headers: toReplace(etag), authorization }), 403)
    expect((await stored('payments-api-orders'))._etag).toBe(etag)
  })
})

function bearer(text: string): string {
  return `Bearer ${text}`
}

async function signed(claims: Document): Promise<string> {
  const text = await stack.tenant.sign({ aud: audience, azp: operator.clientId, oid: operator.objectId, ...claims })
  stack.note(text)
  return bearer(text)
}

describe('a change', () => {
  test('is in force in both directions: allowed when the rule is there, denied when it is gone', async () => {
    // A target of its own: where this is tried once more, no rule is left from before.
    const target = `orders-${randomUUID().slice(0, 8)}`
    await stack.addTarget({ id: target, like: 'orders-db', namespace: 'nobody', scopes: ['read'] })
    const reach = async () => {
      const answer = await stack.exchange({
        audience: target,
        scope: 'read',
        subject_token: await stack.podToken('billing/batch'),
      })
      const [record] = await stack.recordsOf(String(answer.body['decision_id']))
      return `${answer.status} ${record?.reason ?? record?.outcome}`
    }
    expect(await reach()).toBe('400 no_rule')
    const path = `/${target}/batch-reads`
    const body = batchReadsOrders('batch-reads', { target })
    const made = await manage(path, { method: 'PUT', body, headers: toCreate })
    expect(made.body['inForceWithin']).toBe(15)
    await expect.poll(reach, { timeout: 20_000 }).toBe('200 allowed')

    const denying = batchReadsOrders('batch-reads-not', { target, effect: 'deny' })
    const denied = await manage(`/${target}/batch-reads-not`, { method: 'PUT', body: denying, headers: toCreate })
    await expect.poll(reach, { timeout: 20_000 }).toBe('400 denied_by_rule')
    await manage(`/${target}/batch-reads-not?leases=keep`, {
      method: 'DELETE',
      headers: toReplace(denied.body['etag']),
    })
    await expect.poll(reach, { timeout: 20_000 }).toBe('200 allowed')

    await manage(`${path}?leases=keep`, { method: 'DELETE', headers: toReplace(made.body['etag']) })
    await expect.poll(reach, { timeout: 20_000 }).toBe('400 no_rule')
  })

  test('is on the record: who intended what on which version, and what came of it', async () => {
    const { path, etag } = await created('recorded')
    const body = harmless('recorded', { priority: 5 })
    const replaced = await manage(path, { method: 'PUT', body, headers: toReplace(etag) })
    await manage(`${path}?leases=keep`, { method: 'DELETE', headers: toReplace(replaced.body['etag']) })
    const who = { issuer: { id: 'operators', kind: 'entra' }, subject: operator.objectId }
    const document = { container: 'rules', id: 'recorded', partition: 'orders-db' }
    const common = { document, operator: who }
    const records = await adminRecords('recorded')
    expect(records).toMatchObject([
      { ...common, action: 'put', outcome: 'intended', content: harmless('recorded') },
      { ...common, action: 'put', outcome: 'done', after: etag },
      { ...common, action: 'put', outcome: 'intended', content: body, before: etag },
      { ...common, action: 'put', outcome: 'done', before: etag, after: replaced.body['etag'] },
      { ...common, action: 'remove', outcome: 'intended', before: replaced.body['etag'] },
      { ...common, action: 'remove', outcome: 'done', before: replaced.body['etag'] },
    ])
    for (const [at, { follows }] of records.entries()) {
      const intent = records[at - 1]
      expect(follows).toEqual(at % 2 === 0 ? undefined : { stream: intent?.['stream'], id: intent?.['id'] })
    }
  })

  test('that lost against another is on the record as failed', async () => {
    const { path } = await created('recorded-late')
    const headers = toReplace('"stale"')
    await manage(path, { method: 'PUT', body: harmless('recorded-late', { priority: 6 }), headers })
    expect((await adminRecords('recorded-late')).slice(2)).toMatchObject([
      { outcome: 'intended', before: '"stale"' },
      { outcome: 'failed' },
    ])
  })

  test('whose intent cannot be recorded is not made', async () => {
    const { path, etag } = await created('unrecorded')
    stack.cosmos.faults.add({ container: 'decisions', action: 'create', status: 503 })
    const body = harmless('unrecorded', { priority: 6 })
    const put = await manage(path, { method: 'PUT', body, headers: toReplace(etag) })
    const removed = await manage(`${path}?leases=keep`, { method: 'DELETE', headers: toReplace(etag) })
    stack.cosmos.faults.clear()
    for (const answer of [put, removed]) {
      expectProblem(answer, 503)
      expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    }
    expect((await stored('unrecorded'))._etag).toBe(etag)
  })

  test('that Cosmos DB cannot take now is an outage that tells nothing of it, and on the record as unclear', async () => {
    const { path, etag } = await created('outage')
    stack.cosmos.faults.add({ container: 'rules', action: 'replace', status: 503 })
    const answer = await manage(path, {
      method: 'PUT',
      body: harmless('outage', { priority: 6 }),
      headers: toReplace(etag),
    })
    stack.cosmos.faults.clear()
    expectProblem(answer, 503)
    expect(answer.text).not.toMatch(/cosmos|localhost|orders|fault/i)
    expect((await adminRecords('outage')).slice(2)).toMatchObject([{ outcome: 'intended' }, { outcome: 'unclear' }])
    expect((await stored('outage'))._etag).toBe(etag)
  })
})
