import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
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
  await stack.changeLease(issued.lease_id ?? '', { mintUntil: new Date().toISOString() })
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

test.each<[string, Document]>([
  ['without a reason', { reason: undefined }],
  ['of nothing', { blocks: {} }],
  ['of what it cannot name', { blocks: { cluster: 'aks-local' } }],
  ['that ends at no time', { expiresAt: 'tomorrow' }],
])('a lockdown %s is refused, and blocks nobody', async (_, changes) => {
  const audience = await target()
  const id = `incident-${randomUUID()}`
  const body = { schema: 1, id, blocks: { target: audience }, reason: 'incident 42', ...changes }
  expect((await manage(`lockdowns/${id}`, { method: 'PUT', body, headers: toCreate })).status).toBe(422)
  expect((await manage(`lockdowns/${id}`)).status).toBe(404)
  expect(await statusAt(audience)()).toBe(200)
})

function ended(lease: string | undefined) {
  return async () => {
    await stack.gateway.runTimer('revoke-expired')
    return (await stack.leases()).find(({ id }) => id === lease)?.['state']
  }
}
