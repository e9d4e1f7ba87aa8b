import { ChangeFeedStartFrom, type Database } from '@azure/cosmos'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newTarget } from './account.ts'
import { realEndpoint, type StandIn, standInOnly, startStandIn } from './stand-in.ts'

// https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live
describe.skipIf(realEndpoint)(`time to live${standInOnly}`, () => {
  let seconds = 1_800_000_000
  let standIn: StandIn
  let database: Database
  beforeAll(async () => {
    standIn = await startStandIn({
      now: () => seconds * 1000,
      containers: [
        { id: 'minute', partitionKey: '/target', defaultTtl: 60 },
        { id: 'own', partitionKey: '/target', defaultTtl: -1 },
        { id: 'off', partitionKey: '/target' },
      ],
    })
    database = standIn.database()
  })
  afterAll(() => standIn.stop())

  async function statusAfter(elapsed: number, container: string, ttl?: number): Promise<number> {
    const target = newTarget()
    await database.container(container).items.create({ id: 'a', target, ...(ttl !== undefined && { ttl }) })
    seconds += elapsed
    return (await database.container(container).item('a', target).read()).statusCode
  }

  it.each([
    ['lasts as long as the container says', 59, 'minute', undefined, 200],
    ['ends when the container says', 60, 'minute', undefined, 404],
    ['ends sooner when the document says so', 5, 'minute', 5, 404],
    ['ends later when the document says so', 61, 'minute', 100, 200],
    ['never ends for a document that says -1', 1e6, 'minute', -1, 200],
    ['has no end where the container has no default', 1e6, 'own', undefined, 200],
    ['ends when the document says, where the container has no default', 5, 'own', 5, 404],
    ['is ignored where the container has it off', 1e6, 'off', 5, 200],
  ])('%s', async (_, elapsed, container, ttl, status) => {
    expect(await statusAfter(elapsed, container, ttl)).toBe(status)
  })

  it('starts again with every modification', async () => {
    const target = newTarget()
    const { items } = database.container('minute')
    await items.create({ id: 'a', target })
    seconds += 40
    await items.upsert({ id: 'a', target })
    seconds += 40
    expect((await database.container('minute').item('a', target).read()).statusCode).toBe(200)
  })

  it('over, a document is gone from queries and the change feed, and its id is free', async () => {
    const target = newTarget()
    const { items } = database.container('minute')
    const { resource } = await items.create({ id: 'a', target })
    seconds += 60
    expect((await items.query('SELECT * FROM c', { partitionKey: target }).fetchAll()).resources).toEqual([])
    const feed = items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(target) })
    expect((await feed.readNext()).statusCode).toBe(304)
    await expect(database.container('minute').item('a', target).delete()).rejects.toMatchObject({ code: 404 })
    const again = await items.create({ id: 'a', target })
    expect(again.resource?._rid).not.toBe(resource?._rid)
  })

  it.each([0, -2, 1.5, 2_147_483_648])('of %j is refused with a 400', async ttl => {
    const created = database.container('minute').items.create({ id: 'a', target: newTarget(), ttl })
    await expect(created).rejects.toMatchObject({ code: 400 })
  })

  it('aside, the change feed from a time on tells only of what changed later', async () => {
    const target = newTarget()
    const { items } = database.container('own')
    await items.create({ id: 'before', target })
    const startTime = new Date((seconds + 10) * 1000)
    seconds += 20
    await items.create({ id: 'after', target })
    const feed = items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Time(startTime, target) })
    expect((await feed.readNext()).result.map(({ id }) => id)).toEqual(['after'])
    expect((await feed.readNext()).statusCode).toBe(304)
  })
})
