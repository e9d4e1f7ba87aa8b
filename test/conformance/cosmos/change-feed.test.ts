import { type ChangeFeedIteratorOptions, ChangeFeedStartFrom, type Container } from '@azure/cosmos'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConformanceAccount, newTarget, openAccount } from './account.ts'

let account: ConformanceAccount
beforeAll(async () => {
  account = await openAccount()
})
afterAll(() => account.close())

type Iterator = ReturnType<Container['items']['getChangeFeedIterator']>

function follow(options: ChangeFeedIteratorOptions): Iterator {
  return account.container.items.getChangeFeedIterator(options)
}

/** Reads until nothing is new. */
async function drain(iterator: Iterator, into: { id: string; n?: number }[] = []): Promise<typeof into> {
  const page = await iterator.readNext()
  if (page.statusCode === 304) return into
  return drain(iterator, [...into, ...page.result])
}

// https://learn.microsoft.com/azure/cosmos-db/nosql/change-feed-pull-model
describe('the latest-version change feed of one partition', () => {
  it('has each document once, at its latest version, in the order of the last changes', async () => {
    const target = newTarget()
    for (const id of ['a', 'b', 'c']) await account.container.items.create({ id, target, n: 1 })
    await account.container.item('a', target).replace({ id: 'a', target, n: 2 })
    const changes = await drain(follow({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(target) }))
    expect(changes.map(({ id, n }) => [id, n])).toEqual([
      ['b', 1],
      ['c', 1],
      ['a', 2],
    ])
    expect(changes[0]).toHaveProperty('_lsn')
  })

  it('does not tell of deletions', async () => {
    const target = newTarget()
    for (const id of ['a', 'b']) await account.container.items.create({ id, target })
    await account.container.item('a', target).delete()
    const changes = await drain(follow({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(target) }))
    expect(changes.map(({ id }) => id)).toEqual(['b'])
  })

  it('answers 304 when nothing is new, and then tells what is, again and again', async () => {
    const target = newTarget()
    const iterator = follow({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(target) })
    for (const id of ['a', 'b', 'c']) {
      expect((await iterator.readNext()).statusCode).toBe(304)
      await account.container.items.create({ id, target })
      expect((await drain(iterator)).map(change => change.id)).toEqual([id])
    }
  })

  it('comes in pages of at most what was asked for', async () => {
    const target = newTarget()
    for (const id of ['a', 'b', 'c']) await account.container.items.create({ id, target })
    const iterator = follow({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(target), maxItemCount: 2 })
    expect((await iterator.readNext()).result.map(({ id }) => id)).toEqual(['a', 'b'])
    expect((await iterator.readNext()).result.map(({ id }) => id)).toEqual(['c'])
  })

  it('tells from now on only what comes later', async () => {
    const target = newTarget()
    await account.container.items.create({ id: 'before', target })
    const iterator = follow({ changeFeedStartFrom: ChangeFeedStartFrom.Now(target) })
    expect((await iterator.readNext()).statusCode).toBe(304)
    await account.container.items.create({ id: 'after', target })
    expect((await drain(iterator)).map(({ id }) => id)).toEqual(['after'])
  })
})

describe('the latest-version change feed of the container', () => {
  it('tells of every partition, and goes on from its continuation token in another iterator', async () => {
    const targets = [newTarget(), newTarget()]
    const iterator = follow({ changeFeedStartFrom: ChangeFeedStartFrom.Now() })
    const { continuationToken } = await iterator.readNext()
    for (const target of targets) await account.container.items.create({ id: target, target })
    const continued = follow({ changeFeedStartFrom: ChangeFeedStartFrom.Continuation(continuationToken) })
    expect((await drain(continued)).map(({ id }) => id)).toEqual(expect.arrayContaining(targets))
    expect((await continued.readNext()).statusCode).toBe(304)
  })
})
