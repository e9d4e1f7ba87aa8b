import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newTarget } from './account.ts'
import { realEndpoint, type StandIn, standInOnly, startStandIn } from './stand-in.ts'

describe.skipIf(realEndpoint)(`a fault that was asked for${standInOnly}`, () => {
  let standIn: StandIn
  let container: Container
  beforeAll(async () => {
    standIn = await startStandIn()
    container = standIn.database().container('conformance')
  })
  afterEach(() => standIn.cosmos.faults.clear())
  afterAll(() => standIn.stop())

  // https://learn.microsoft.com/azure/cosmos-db/nosql/conceptual-resilient-sdk-applications
  it('of 429 is waited for and retried by the client', async () => {
    standIn.cosmos.faults.add({ action: 'create', times: 2, status: 429, subStatus: 3200, retryAfterMs: 1 })
    const created = await container.items.create({ id: 'a', target: newTarget() })
    expect(created.statusCode).toBe(201)
    expect(created.headers['x-ms-throttle-retry-count']).toBe(2)
  })

  it('of 429 reaches a caller whose client does not retry', async () => {
    standIn.cosmos.faults.add({ status: 429, retryAfterMs: 7 })
    const once = standIn.database('token-of-tester', { maxRetryAttemptCount: 0 }).container('conformance')
    const created = once.items.create({ id: 'a', target: newTarget() })
    await expect(created).rejects.toMatchObject({ code: 429, retryAfterInMs: 7 })
  })

  it('before the write leaves nothing behind', async () => {
    const target = newTarget()
    standIn.cosmos.faults.add({ action: 'create', times: 1, status: 503 })
    await expect(container.items.create({ id: 'a', target })).rejects.toMatchObject({ code: 503 })
    expect((await container.item('a', target).read()).statusCode).toBe(404)
  })

  it('after the commit hides a write that happened', async () => {
    const target = newTarget()
    standIn.cosmos.faults.add({ action: 'create', times: 1, status: 408, when: 'after-commit' })
    await expect(container.items.create({ id: 'a', target })).rejects.toMatchObject({ code: 408 })
    expect((await container.item('a', target).read()).statusCode).toBe(200)
  })

  it('can end the connection after a batch was committed', async () => {
    const target = newTarget()
    standIn.cosmos.faults.add({ action: 'create', times: 1, reset: true, when: 'after-commit' })
    const batch = container.items.batch([{ operationType: 'Create', resourceBody: { id: 'a', target } }], target)
    await expect(batch).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
    expect((await container.item('a', target).read()).statusCode).toBe(200)
  })

  it('that only delays lets the request through', async () => {
    standIn.cosmos.faults.add({ times: 1, delayMs: 1 })
    expect((await container.items.create({ id: 'a', target: newTarget() })).statusCode).toBe(201)
  })

  it('meets no other container and no other action, and ends when it is removed', async () => {
    const target = newTarget()
    standIn.cosmos.faults.add({ container: 'another', status: 503 })
    const remove = standIn.cosmos.faults.add({ container: 'conformance', action: 'delete', status: 503 })
    await container.items.create({ id: 'a', target })
    await expect(container.item('a', target).delete()).rejects.toMatchObject({ code: 503 })
    remove()
    expect((await container.item('a', target).delete()).statusCode).toBe(204)
  })
})
