import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Issued, lasting, type RunningStack, runStack } from '../running-stack.ts'

let stack: RunningStack
/** A login from before the server went down. */
let live: Issued

const target = 'orders-lasting'
const read = { audience: target, scope: 'read' }

beforeAll(async () => {
  stack = await runStack()
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read', 'write'], changes: lasting })
  live = await stack.issue(read)
  await stack.postgresql.stop()
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

test('without PostgreSQL no login is made, a live one is told again, and other targets do not notice', async () => {
  const fresh = await stack.exchange({ audience: target, scope: 'write' })
  expect({ status: fresh.status, error: fresh.body['error'] }).toEqual({
    status: 503,
    error: 'temporarily_unavailable',
  })
  expect(fresh.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  expect(Object.keys(fresh.body)).toEqual(['error', 'decision_id'])
  expect(await stack.recordsOf(String(fresh.body['decision_id']))).toEqual([
    expect.objectContaining({ outcome: 'allowed' }),
    expect.objectContaining({ outcome: 'failed', reason: 'target_unavailable' }),
  ])
  const [lease] = (await stack.leases()).filter(({ decision }) => decision === fresh.body['decision_id'])
  expect(lease).toMatchObject({ state: 'reserved', vacant: true })

  expect((await stack.issue(read)).credential).toEqual(live.credential)
  const subject_token = await stack.podToken('billing/batch')
  expect((await stack.exchange({ audience: 'mainframe-ftp', subject_token })).status).toBe(200)
})

test('a lease whose time is up while PostgreSQL is down stays on the list until it can be ended', async () => {
  const past = new Date(Date.now() - 60_000).toISOString()
  await stack.changeLease(live.lease_id ?? '', { mintUntil: past, expiresAt: past, dueAt: past })
  await stack.gateway.runTimer('revoke-expired')
  const lease = (await stack.leases()).find(({ id }) => id === live.lease_id)
  expect(lease).toMatchObject({ state: 'revoking', attempts: 1, lastError: 'target_unavailable' })
  expect(Date.parse(String(lease?.['dueAt']))).toBeGreaterThan(Date.parse(past))
  expect((await stack.records()).filter(({ kind }) => kind === 'revocation')).toEqual([])
})
