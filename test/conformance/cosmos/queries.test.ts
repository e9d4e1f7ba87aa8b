import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConformanceAccount, newTarget, openAccount } from './account.ts'

let account: ConformanceAccount
beforeAll(async () => {
  account = await openAccount()
})
afterAll(() => account.close())

async function createNumbers(target: string, numbers: readonly number[]): Promise<void> {
  for (const n of numbers) await account.container.items.create({ id: `${target}-${n}`, target, n, part: { n } })
}

// https://learn.microsoft.com/azure/cosmos-db/nosql/query/
describe('a query in one partition', () => {
  it('sees no other partition', async () => {
    const target = newTarget()
    await createNumbers(target, [1, 2])
    await createNumbers(newTarget(), [3])
    const { resources } = await account.container.items
      .query('SELECT VALUE c.n FROM c', { partitionKey: target })
      .fetchAll()
    expect(resources).toEqual([1, 2])
  })

  it('filters by its parameters and orders', async () => {
    const target = newTarget()
    await createNumbers(target, [1, 2, 3, 4])
    const query = {
      query: 'SELECT TOP 2 c.n, c.part.n AS inner FROM c WHERE c.n >= @least ORDER BY c.n DESC',
      parameters: [{ name: '@least', value: 2 }],
    }
    const { resources } = await account.container.items.query(query, { partitionKey: target }).fetchAll()
    expect(resources).toEqual([
      { n: 4, inner: 4 },
      { n: 3, inner: 3 },
    ])
  })

  it('compares texts among many as among few: what is no text compares to none', async () => {
    const target = newTarget()
    const names = ['B', 'a', 'b', 'ä', '10', '9', '', 7, null, true]
    for (let n = 0; n < 250; n++)
      await account.container.items.create({ id: `${target}-${n}`, target, n, name: names[n % 12] })
    const found = async (condition: string, value: unknown, below = 1_000) => {
      const parameters = [
        { name: '@name', value },
        { name: '@below', value: below },
      ] as { name: string; value: string }[]
      const query = {
        query: `SELECT VALUE c.n FROM c WHERE ${condition}${below === 1_000 ? '' : ' AND c.n < @below'}`,
        parameters,
      }
      return (await account.container.items.query<number>(query, { partitionKey: target }).fetchAll()).resources
    }
    for (const operator of ['=', '<', '<=', '>', '>=']) {
      for (const value of ['a', '10', '', 'zz']) {
        const condition = `c.name ${operator} @name`
        const few = await found(condition, value, 12)
        expect((await found(condition, value)).filter(n => n < 12)).toEqual(few)
      }
    }
    expect((await found('c.name >= @name AND c.name < @name', 'a')).length).toBe(0)
    expect((await found('c.name = @name', 7)).every(n => n % 12 === 7)).toBe(true)
  })

  it('finds the last by its id among many', async () => {
    const target = newTarget()
    await createNumbers(
      target,
      Array.from({ length: 220 }, (_, n) => n + 100),
    )
    const query = 'SELECT TOP 2 c.n FROM c WHERE c.n < 310 ORDER BY c.id DESC'
    const { resources } = await account.container.items.query(query, { partitionKey: target }).fetchAll()
    expect(resources).toEqual([{ n: 309 }, { n: 308 }])
    const counted = 'SELECT VALUE COUNT(1) FROM c WHERE c.n < 310'
    expect((await account.container.items.query(counted, { partitionKey: target }).fetchAll()).resources).toEqual([210])
    const first = 'SELECT TOP 1 VALUE c.n FROM c ORDER BY c.id'
    expect((await account.container.items.query(first, { partitionKey: target }).fetchAll()).resources).toEqual([100])
  })

  it('counts', async () => {
    const target = newTarget()
    await createNumbers(target, [1, 2, 3])
    const query = account.container.items.query('SELECT VALUE COUNT(1) FROM c', { partitionKey: target })
    expect((await query.fetchAll()).resources).toEqual([3])
  })

  it('returns nothing for a partition that has nothing', async () => {
    const { resources } = await account.container.items
      .query('SELECT * FROM c', { partitionKey: newTarget() })
      .fetchAll()
    expect(resources).toEqual([])
  })

  it('costs 2.3 request units or more', async () => {
    const page = await account.container.items.query('SELECT * FROM c', { partitionKey: newTarget() }).fetchNext()
    expect(page.requestCharge).toBeGreaterThanOrEqual(2.3)
  })

  it('that cannot be read is a 400', async () => {
    const query = account.container.items.query('SELEC nothing', { partitionKey: newTarget() })
    await expect(query.fetchAll()).rejects.toMatchObject({ code: 400 })
  })
})

// https://learn.microsoft.com/azure/cosmos-db/nosql/query/pagination
describe('the pages of a query', () => {
  it('hold at most what was asked for, and go on from the continuation in another client call', async () => {
    const target = newTarget()
    await createNumbers(target, [1, 2, 3, 4, 5])
    const options = { partitionKey: target, maxItemCount: 2 }
    const first = await account.container.items.query('SELECT VALUE c.n FROM c', options).fetchNext()
    expect(first.resources).toEqual([1, 2])
    const { continuationToken } = first
    const rest = account.container.items.query('SELECT VALUE c.n FROM c', { ...options, continuationToken })
    expect((await rest.fetchNext()).resources).toEqual([3, 4])
    expect((await rest.fetchNext()).resources).toEqual([5])
    expect(rest.hasMoreResults()).toBe(false)
  })

  it('miss nothing when what earlier pages returned has been deleted since', async () => {
    const target = newTarget()
    await createNumbers(target, [1, 2, 3, 4])
    const query = account.container.items.query('SELECT VALUE c.n FROM c', { partitionKey: target, maxItemCount: 2 })
    await query.fetchNext()
    await account.container.item(`${target}-1`, target).delete()
    await account.container.item(`${target}-2`, target).delete()
    expect((await query.fetchNext()).resources).toEqual([3, 4])
  })

  it('keep the order that was asked for', async () => {
    const target = newTarget()
    await createNumbers(target, [3, 1, 5, 2, 4])
    const options = { partitionKey: target, maxItemCount: 2 }
    const query = account.container.items.query('SELECT VALUE c.n FROM c ORDER BY c.n DESC', options)
    expect((await query.fetchAll()).resources).toEqual([5, 4, 3, 2, 1])
  })
})

// https://learn.microsoft.com/azure/cosmos-db/nosql/how-to-query-container#cross-partition-query
describe('a query over all partitions', () => {
  it('finds what its filter says, page by page', async () => {
    const targets = [newTarget(), newTarget()]
    for (const target of targets) await createNumbers(target, [1, 2])
    const query = {
      query: 'SELECT * FROM c WHERE ARRAY_CONTAINS(@targets, c.target)',
      parameters: [{ name: '@targets', value: targets }],
    }
    const { resources } = await account.container.items.query(query, { maxItemCount: 3 }).fetchAll()
    expect(new Set(resources.map(({ id }) => id))).toEqual(
      new Set(targets.flatMap(target => [`${target}-1`, `${target}-2`])),
    )
  })

  it('is ordered and cut to TOP by the query plan that the client asks for', async () => {
    const targets = [newTarget(), newTarget()]
    await createNumbers(targets[0] ?? '', [1, 3, 5])
    await createNumbers(targets[1] ?? '', [2, 4, 6])
    const query = {
      query: `SELECT TOP 4 c.n, c.part["n"] AS inner FROM root c
              WHERE ARRAY_CONTAINS(@targets, c.target) AND c.id != 'a ORDER BY b' ORDER BY c.n DESC`,
      parameters: [{ name: '@targets', value: targets }],
    }
    const { resources } = await account.container.items.query(query, { maxItemCount: 2 }).fetchAll()
    expect(resources).toEqual([6, 5, 4, 3].map(n => ({ n, inner: n })))
  })

  it.each([
    ['*', (n: number) => expect.objectContaining({ n })],
    ['VALUE c.part.n', (n: number) => n],
    ['c.n, c.part', (n: number) => ({ n, part: { n } })],
  ])('is ordered when it selects %s', async (fields, expected) => {
    const target = newTarget()
    await createNumbers(target, [2, 1, 3])
    const query = {
      query: `SELECT ${fields} FROM c WHERE c.target = @target ORDER BY c.n`,
      parameters: [{ name: '@target', value: target }],
    }
    const { resources } = await account.container.items.query(query).fetchAll()
    expect(resources).toEqual([1, 2, 3].map(expected))
  })
})

describe('a query over more documents than a page holds', () => {
  it('finds each of them once, filtered and ordered or not', async () => {
    const target = newTarget()
    const numbers = Array.from({ length: 450 }, (_, n) => n)
    for (let start = 0; start < numbers.length; start += 100) {
      const operations = numbers
        .slice(start, start + 100)
        .map(n => ({ operationType: 'Create' as const, resourceBody: { id: String(n), target, n } }))
      await account.container.items.batch(operations, target)
    }
    const find = async (sql: string) =>
      (await account.container.items.query(sql, { partitionKey: target, maxItemCount: 70 }).fetchAll()).resources
    expect(await find('SELECT VALUE c.n FROM c')).toEqual(numbers)
    expect(await find('SELECT VALUE c.n FROM c WHERE c.n >= 220')).toEqual(numbers.slice(220))
    expect(await find('SELECT VALUE c.n FROM c WHERE c.n < 300 ORDER BY c.n DESC')).toEqual(
      numbers.slice(0, 300).reverse(),
    )
    expect(await find('SELECT VALUE COUNT(1) FROM c WHERE c.n < 300')).toEqual([300])
    expect(await find('SELECT TOP 250 VALUE c.n FROM c')).toEqual(numbers.slice(0, 250))
  })
})
