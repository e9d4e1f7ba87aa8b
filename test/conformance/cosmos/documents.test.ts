import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConformanceAccount, newTarget, openAccount } from './account.ts'

let account: ConformanceAccount
beforeAll(async () => {
  account = await openAccount()
})
afterAll(() => account.close())

const missing = { code: 404 }

// https://learn.microsoft.com/rest/api/cosmos-db/documents
describe('one document', () => {
  it('is read back with the members that the service adds', async () => {
    const target = newTarget()
    const { items } = account.container
    const created = await items.create({ id: 'a', target, text: 'grüße \u2028 😀' })
    expect(created.statusCode).toBe(201)
    const read = await account.container.item('a', target).read()
    expect(read.statusCode).toBe(200)
    expect(read.resource).toEqual({
      id: 'a',
      target,
      text: 'grüße \u2028 😀',
      _rid: expect.any(String),
      _self: expect.stringMatching(/^dbs\/.+\/colls\/.+\/docs\/.+\/$/),
      _etag: created.etag,
      _attachments: 'attachments/',
      _ts: expect.any(Number),
    })
    expect(read.headers['x-ms-session-token']).toMatch(/^\w+:/)
  })

  it('cannot forge the members that the service adds', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'a', target, _etag: '"forged"', _ts: 1, _rid: 'forged' })
    const { resource } = await account.container.item('a', target).read()
    expect(resource._etag).not.toBe('"forged"')
    expect(resource._ts).toBeGreaterThan(1)
    expect(resource._rid).not.toBe('forged')
  })

  it('is created once per partition, and again under another partition key', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'a', target })
    await expect(account.container.items.create({ id: 'a', target })).rejects.toMatchObject({ code: 409 })
    expect((await account.container.items.create({ id: 'a', target: newTarget() })).statusCode).toBe(201)
  })

  it('is not there for a read under another partition key', async () => {
    await account.container.items.create({ id: 'a', target: newTarget() })
    const read = await account.container.item('a', newTarget()).read()
    expect(read.statusCode).toBe(404)
    expect(read.resource).toBeUndefined()
  })

  it('is refused where its partition key is not the one that the request names', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'a', target })
    const replaced = account.container.item('a', target).replace({ id: 'a', target: newTarget() })
    await expect(replaced).rejects.toMatchObject({ code: 400, substatus: 1001 })
  })

  it('is gone after its deletion, and deleting it again is a 404', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'a', target })
    expect((await account.container.item('a', target).delete()).statusCode).toBe(204)
    await expect(account.container.item('a', target).delete()).rejects.toMatchObject(missing)
    expect((await account.container.item('a', target).read()).statusCode).toBe(404)
  })

  it('is not replaced where it does not exist', async () => {
    const target = newTarget()
    await expect(account.container.item('a', target).replace({ id: 'a', target })).rejects.toMatchObject(missing)
  })

  it('is created, then replaced, by upserts', async () => {
    const target = newTarget()
    expect((await account.container.items.upsert({ id: 'a', target, n: 1 })).statusCode).toBe(201)
    expect((await account.container.items.upsert({ id: 'a', target, n: 2 })).statusCode).toBe(200)
    expect((await account.container.item('a', target).read()).resource.n).toBe(2)
  })

  it('may have no value for the partition key, which is a partition of its own', async () => {
    const id = newTarget()
    await account.container.items.create({ id })
    expect((await account.container.item(id, undefined).read()).statusCode).toBe(200)
    expect((await account.container.item(id, null).read()).statusCode).toBe(404)
    await account.container.item(id, undefined).delete()
  })
})

// https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-item-limits
describe('an id', () => {
  it.each([
    ['slashes', 'a?b'],
    ['length', 'x'.repeat(1024)],
  ])('is refused for its %s', async (_, id) => {
    await expect(account.container.items.create({ id, target: newTarget() })).rejects.toMatchObject({ code: 400 })
  })

  it('may hold blanks, per cent signs and letters beyond ASCII', async () => {
    const target = newTarget()
    const id = 'a b%2Fc ü:|+&='
    await account.container.items.create({ id, target })
    expect((await account.container.item(id, target).read()).resource.id).toBe(id)
  })
})

describe('size', () => {
  it('above 2 MB is refused with a 413', async () => {
    const document = { id: 'a', target: newTarget(), text: 'x'.repeat(2 * 1024 * 1024) }
    await expect(account.container.items.create(document)).rejects.toMatchObject({ code: 413 })
  })
})

// https://learn.microsoft.com/azure/cosmos-db/nosql/database-transactions-optimistic-concurrency
describe('optimistic concurrency', () => {
  it('replaces only the version that If-Match names', async () => {
    const target = newTarget()
    const { etag } = await account.container.items.create({ id: 'a', target, n: 1 })
    const item = account.container.item('a', target)
    const accessCondition = { type: 'IfMatch', condition: etag }
    await item.replace({ id: 'a', target, n: 2 }, { accessCondition })
    const again = item.replace({ id: 'a', target, n: 3 }, { accessCondition })
    await expect(again).rejects.toMatchObject({ code: 412 })
    expect((await item.read()).resource.n).toBe(2)
  })

  it('deletes only the version that If-Match names', async () => {
    const target = newTarget()
    const { etag } = await account.container.items.create({ id: 'a', target })
    const item = account.container.item('a', target)
    const { etag: current } = await item.replace({ id: 'a', target, n: 2 })
    const stale = item.delete({ accessCondition: { type: 'IfMatch', condition: etag } })
    await expect(stale).rejects.toMatchObject({ code: 412 })
    await item.delete({ accessCondition: { type: 'IfMatch', condition: current } })
    expect((await item.read()).statusCode).toBe(404)
  })

  // https://github.com/Azure/azure-cosmos-dotnet-v3/issues/1698
  it('does not stop an upsert with If-Match from creating what is not there', async () => {
    const document = { id: 'a', target: newTarget() }
    const accessCondition = { type: 'IfMatch', condition: '"some-etag"' }
    expect((await account.container.items.upsert(document, { accessCondition })).statusCode).toBe(201)
    await expect(account.container.items.upsert(document, { accessCondition })).rejects.toMatchObject({ code: 412 })
  })

  it('lets an upsert with If-None-Match * create, never overwrite', async () => {
    const target = newTarget()
    const accessCondition = { type: 'IfNoneMatch', condition: '*' }
    await account.container.items.upsert({ id: 'a', target, n: 1 }, { accessCondition })
    const again = account.container.items.upsert({ id: 'a', target, n: 2 }, { accessCondition })
    await expect(again).rejects.toMatchObject({ code: expect.toBeOneOf([409, 412]) })
    expect((await account.container.item('a', target).read()).resource.n).toBe(1)
  })

  // https://learn.microsoft.com/rest/api/cosmos-db/get-a-document
  it('answers 304 to a read of the version that is known', async () => {
    const target = newTarget()
    const { etag } = await account.container.items.create({ id: 'a', target })
    const item = account.container.item('a', target)
    const accessCondition = { type: 'IfNoneMatch', condition: etag }
    expect((await item.read({ accessCondition })).statusCode).toBe(304)
    await item.replace({ id: 'a', target, n: 2 })
    expect((await item.read({ accessCondition })).resource.n).toBe(2)
  })
})

// https://learn.microsoft.com/azure/cosmos-db/optimize-cost-reads-writes
describe('the request charge', () => {
  it('is 1 for reading a document of up to 1 KB, and more for writing it', async () => {
    const target = newTarget()
    const created = await account.container.items.create({ id: 'a', target })
    expect(created.requestCharge).toBeGreaterThanOrEqual(5)
    expect((await account.container.item('a', target).read()).requestCharge).toBe(1)
  })

  it('grows with the size of the document', async () => {
    const target = newTarget()
    const small = await account.container.items.create({ id: 'a', target })
    const large = await account.container.items.create({ id: 'b', target, text: 'x'.repeat(100 * 1024) })
    expect(large.requestCharge).toBeGreaterThan(5 * small.requestCharge)
  })
})
