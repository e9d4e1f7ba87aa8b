import { BulkOperationType, type OperationInput } from '@azure/cosmos'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConformanceAccount, newTarget, openAccount } from './account.ts'

let account: ConformanceAccount
beforeAll(async () => {
  account = await openAccount()
})
afterAll(() => account.close())

const create = (id: string, target: string, more = {}): OperationInput => ({
  operationType: BulkOperationType.Create,
  resourceBody: { id, target, ...more },
})

// https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch
describe('a transactional batch', () => {
  it('does all its operations, each with its own status', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'old', target })
    await account.container.items.create({ id: 'gone', target })
    const response = await account.container.items.batch(
      [
        create('new', target, { n: 1 }),
        { operationType: BulkOperationType.Upsert, resourceBody: { id: 'upserted', target } },
        { operationType: BulkOperationType.Replace, id: 'old', resourceBody: { id: 'old', target, n: 2 } },
        { operationType: BulkOperationType.Read, id: 'new' },
        { operationType: BulkOperationType.Delete, id: 'gone' },
      ],
      target,
    )
    expect(response.code).toBe(200)
    expect(response.result?.map(({ statusCode }) => statusCode)).toEqual([201, 201, 200, 200, 204])
    expect(response.result?.[3]?.resourceBody).toMatchObject({ id: 'new', n: 1 })
    expect((await account.container.item('old', target).read()).resource.n).toBe(2)
    expect((await account.container.item('gone', target).read()).statusCode).toBe(404)
  })

  it('shows what it read, and nothing of what it wrote where the client wants none of it', async () => {
    const target = newTarget()
    const operations: OperationInput[] = [
      create('new', target, { n: 1 }),
      { operationType: BulkOperationType.Upsert, resourceBody: { id: 'upserted', target } },
      { operationType: BulkOperationType.Read, id: 'new' },
    ]
    const response = await account.container.items.batch(operations, target, { contentResponseOnWriteEnabled: false })
    expect(response.result?.map(({ statusCode }) => statusCode)).toEqual([201, 201, 200])
    expect(response.result?.map(({ resourceBody }) => resourceBody?.['id'])).toEqual([undefined, undefined, 'new'])
    expect(response.result?.every(({ eTag }) => eTag)).toBe(true)
    expect((await account.container.item('new', target).read()).resource.n).toBe(1)
  })

  it('does nothing when one operation fails: that one has its status, the others 424', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'taken', target })
    const response = await account.container.items.batch(
      [create('first', target), create('taken', target), create('last', target)],
      target,
    )
    expect(response.code).toBe(207)
    expect(response.result?.map(({ statusCode }) => statusCode)).toEqual([424, 409, 424])
    expect((await account.container.item('first', target).read()).statusCode).toBe(404)
    expect((await account.container.item('last', target).read()).statusCode).toBe(404)
  })

  it('replaces only the version that ifMatch names', async () => {
    const target = newTarget()
    const { etag } = await account.container.items.create({ id: 'a', target })
    const replace = (ifMatch: string): OperationInput => ({
      operationType: BulkOperationType.Replace,
      id: 'a',
      ifMatch,
      resourceBody: { id: 'a', target },
    })
    const won = await account.container.items.batch([replace(etag), create('b', target)], target)
    expect(won.code).toBe(200)
    const lost = await account.container.items.batch([create('c', target), replace(etag)], target)
    expect(lost.result?.map(({ statusCode }) => statusCode)).toEqual([424, 412])
  })

  it('refuses an operation on another partition', async () => {
    const target = newTarget()
    const response = await account.container.items.batch([create('a', newTarget()), create('b', target)], target)
    expect(response.result?.map(({ statusCode }) => statusCode)).toEqual([400, 424])
  })

  it('takes a hundred operations', async () => {
    const target = newTarget()
    const operations = Array.from({ length: 100 }, (_, n) => create(String(n), target))
    expect((await account.container.items.batch(operations, target)).code).toBe(200)
  })

  // https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-request-limits
  it('of more than 2 MB is refused whole', async () => {
    const target = newTarget()
    const operations = ['a', 'b', 'c'].map(id => create(id, target, { text: 'x'.repeat(800 * 1024) }))
    const batch = account.container.items.batch(operations, target)
    await expect(batch).rejects.toMatchObject({ cause: { code: 413 } })
    expect((await account.container.item('a', target).read()).statusCode).toBe(404)
  })
})
