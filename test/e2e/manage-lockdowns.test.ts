import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Document, logIn, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'
import { until } from './until.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const toCreate = { 'if-none-match': '*' }
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

async function target(): Promise<string> {
  const id = `orders-${randomUUID()}`
  await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
  return id
}

const statusAt = (audience: string) => async () => (await stack.exchange({ audience })).status

test('a lockdown blocks exchanges, ends what matches, is on record, and gives access again once it is lifted', async () => {
  const audience = await target()
  const issued = await stack.issue({ audience })
  await stack.changeLease(issued.lease_id ?? '', { mintUntil: new Date(Date.now() - 60_000).toISOString() })
  const session = await logIn(issued)
  const id = `incident-${randomUUID()}`
  const document = {
    schema: 1,
    id,
    blocks: { target: audience },
    reason: 'incident 42',
    expiresAt: inAnHour(),
    revokeLeases: true,
  }
  const made = await manage(`lockdowns/${id}`, { method: 'PUT', body: document, headers: toCreate })
  expect({ status: made.status, body: made.body }).toMatchObject({
    status: 201,
    body: { lockdown: document, inForceWithin: 15 },
  })
  const blocked = await until(
    () => stack.exchange({ audience }),
    ({ status }) => status !== 200,
  )
  expect({ status: blocked.status, body: blocked.body }).toMatchObject({
    status: 400,
    body: { error: 'invalid_target' },
  })
  const [record] = await stack.recordsOf(String(blocked.body['decision_id']))
  expect(record).toMatchObject({ outcome: 'denied', reason: 'locked_down' })
  await until(ended(issued.lease_id), state => state === 'revoked')
  await expect(session.query('SELECT')).rejects.toThrow()
  await expect(logIn(issued)).rejects.toMatchObject({ code: '28P01' })
  const etag = String(made.body['etag'])
  expect((await manage(`lockdowns/${id}`, { method: 'DELETE', headers: { 'if-match': etag } })).status).toBe(200)
  const again = await until(statusAt(audience), status => status === 200)
  expect(again).toBe(200)
  const told = (await stack.records()).filter(({ document }) => (document as Document | undefined)?.['id'] === id)
  expect(told.map(({ action, outcome }) => `${action} ${outcome}`).toSorted()).toEqual([
    'put done',
    'put intended',
    'remove done',
    'remove intended',
  ])
})

test.each<[string, Document, string?]>([
  ['without a reason', { reason: undefined }],
  ['of nothing', { blocks: {} }],
  ['of what it cannot name', { blocks: { cluster: 'aks-local' } }],
  ['that ends at no time', { expiresAt: 'tomorrow' }],
  ['that has ended already', { expiresAt: '2026-01-01T00:00:00Z' }, '/expiresAt'],
  ['of an issuer that there is not', { blocks: { issuer: 'aks-loca' } }, '/blocks/issuer'],
  ['of a target that there is not', { blocks: { target: 'nothing' } }, '/blocks/target'],
  ['of a rule that there is not', { blocks: { rule: 'nothing' } }, '/blocks/rule'],
  ['of a rule of another target', { blocks: { target: 'orders-db', rule: 'billing-batch-mainframe' } }, '/blocks/rule'],
  ['of a guardrail, which gives nothing', { blocks: { rule: 'quarantine' } }, '/blocks/rule'],
])('a lockdown %s is refused, and blocks nobody', async (_, changes, pointer?) => {
  const audience = await target()
  const id = `incident-${randomUUID()}`
  const body = { schema: 1, id, blocks: { target: audience }, reason: 'incident 42', ...changes }
  const refused = await manage(`lockdowns/${id}`, { method: 'PUT', body, headers: toCreate })
  const told = pointer === undefined ? {} : { problems: [{ pointer, detail: expect.any(String) }] }
  expect({ status: refused.status, ...refused.body }).toMatchObject({ status: 422, ...told })
  expect((await manage(`lockdowns/${id}`)).status).toBe(404)
  expect(await statusAt(audience)()).toBe(200)
})

describe('a lockdown tells how many live leases it names', () => {
  async function found(blocks: unknown): Promise<unknown> {
    const body = { schema: 1, blocks, reason: 'an exercise', expiresAt: inAnHour() }
    const tried = await manage('lockdowns?dryRun=true', { method: 'POST', body })
    expect(tried.status).toBe(200)
    const made = await manage('lockdowns', { method: 'POST', body })
    expect(made.status).toBe(201)
    const headers = { 'if-match': String(made.body['etag']) }
    const { pathname } = new URL(String(made.headers.get('location')), stack.gateway.url)
    expect((await manage(pathname.replace('/manage/', ''), { method: 'DELETE', headers })).status).toBe(200)
    return made.body['matchingLeases']
  }

  test('by what it names, of leases that are alive', async () => {
    const audience = await target()
    await until(statusAt(audience), status => status === 200)
    const other = await target()
    await stack.issue({ audience: other })
    const gone = (await stack.leases()).filter(lease => lease['target'] === other)
    expect(gone).not.toEqual([])
    for (const { id } of gone) await stack.changeLease(String(id), { state: 'revoked' })
    const one = { found: 1, more: false }
    const none = { found: 0, more: false }
    expect(await found({ target: audience })).toEqual(one)
    expect(await found({ target: other })).toEqual(none)
    expect(await found({ target: audience, issuer: 'aks-local', namespace: 'payments' })).toEqual(one)
    expect(await found({ target: audience, namespace: 'billing' })).toEqual(none)
    expect(await found({ rule: `allow-${audience}` })).toEqual(one)
    expect(await found({ target: audience, keyId: 'another' })).toEqual(none)
  })

  test('where they cannot be counted it stands all the same, and says nothing of them', async () => {
    const removeFault = stack.cosmos.faults.add({ container: 'leases', action: 'query', status: 503 })
    const body = { schema: 1, blocks: { namespace: 'nobody' }, reason: 'an exercise', expiresAt: inAnHour() }
    const made = await manage('lockdowns', { method: 'POST', body })
    removeFault()
    expect(made.status).toBe(201)
    expect(made.body).not.toHaveProperty('matchingLeases')
  })
})

describe('a lockdown that is posted', () => {
  const body = { schema: 1, blocks: { namespace: 'nobody' }, reason: 'an exercise', expiresAt: '2100-01-01T00:00:00Z' }
  const post = (document: unknown, roles?: readonly string[]) =>
    manage('lockdowns', { method: 'POST', body: document, ...(roles && { roles }) })

  test('is given an id, and is found where the answer says', async () => {
    const [made, other] = [await post(body), await post(body)]
    expect([made.status, other.status]).toEqual([201, 201])
    const location = String(made.headers.get('location'))
    expect(location).toMatch(/^\/manage\/lockdowns\/lockdown-\d{4}-\d\d-\d\d-[0-9a-f]{8}$/)
    expect(other.headers.get('location')).not.toBe(location)
    const { lockdown, etag } = (await manage(location.replace('/manage/', ''))).body
    expect(lockdown).toEqual({ ...body, id: location.split('/').at(-1) })
    expect(etag).toBe(made.body['etag'])
  })

  test('has no id of its own, is a lockdown, and is for who may lock down', async () => {
    expect((await post({ ...body, id: 'mine' })).body['problems']).toMatchObject([{ pointer: '/id' }])
    expect((await post({ ...body, reason: '' })).body['problems']).toMatchObject([{ pointer: '/reason' }])
    expect((await post([])).status).toBe(400)
    expect((await post(body, ['Rules.Write', 'Trust.Write'])).status).toBe(403)
    expect(await manage('lockdowns', { method: 'PUT' })).toMatchObject({ status: 405 })
    expect(await manage('targets', { method: 'POST', body })).toMatchObject({ status: 405 })
  })
})

function ended(lease: string | undefined) {
  return async () => {
    await stack.gateway.runTimer('revoke-expired')
    return (await stack.leases()).find(({ id }) => id === lease)?.['state']
  }
}
