import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ChangeFeedStartFrom, type Container } from '@azure/cosmos'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { realEndpoint, type StandIn, standInOnly, startStandIn } from './stand-in.ts'

describe.skipIf(realEndpoint)(`the journal${standInOnly}`, () => {
  let standIn: StandIn
  let container: Container
  beforeEach(async () => {
    standIn = await startStandIn()
    container = standIn.database().container('conformance')
  })
  afterEach(() => standIn.stop())

  async function restart(): Promise<void> {
    standIn = await standIn.restart()
    container = standIn.database().container('conformance')
  }

  const file = () => join(standIn.dir, 'journal', 'conformance.jsonl')

  it('brings back every document as it was, etags included', async () => {
    await container.items.create({ id: 'a', target: 't', n: 1 })
    await container.items.upsert({ id: 'a', target: 't', n: 2, ttl: 100 })
    await container.items.create({ id: 'gone', target: 't' })
    await container.item('gone', 't').delete()
    await container.items.batch([{ operationType: 'Create', resourceBody: { id: 'b', target: 't' } }], 't')
    const before = await all()
    await restart()
    expect(await all()).toEqual(before)
    expect(before.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  it('lets a change feed go on from its continuation token after a restart', async () => {
    await container.items.create({ id: 'before', target: 't' })
    const feed = container.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() })
    const { continuationToken } = await feed.readNext()
    await restart()
    await container.items.create({ id: 'after', target: 't' })
    const changeFeedStartFrom = ChangeFeedStartFrom.Continuation(continuationToken)
    const continued = container.items.getChangeFeedIterator({ changeFeedStartFrom })
    expect((await continued.readNext()).result.map(({ id }) => id)).toEqual(['after'])
    expect((await continued.readNext()).statusCode).toBe(304)
  })

  it('gives no etag a second time after a restart', async () => {
    const { etag } = await container.items.create({ id: 'a', target: 't' })
    await container.item('a', 't').delete()
    await restart()
    expect((await container.items.create({ id: 'a', target: 't' })).etag).not.toBe(etag)
  })

  it('loses only the line that a crash has torn, and is sound afterwards', async () => {
    await container.items.create({ id: 'a', target: 't' })
    await appendFile(file(), '{"lsn":2,"serial":4,"partition":"\\"t')
    await restart()
    expect((await all()).map(({ id }) => id)).toEqual(['a'])
    await container.items.create({ id: 'b', target: 't' })
    await restart()
    expect((await all()).map(({ id }) => id)).toEqual(['a', 'b'])
  })

  it('that is damaged in the middle is not read over', async () => {
    await container.items.create({ id: 'a', target: 't' })
    const sound = await readFile(file())
    await writeFile(file(), `{"lsn":\n${sound}`)
    await expect(standIn.restart()).rejects.toThrow(SyntaxError)
    await writeFile(file(), sound)
    await restart()
  })

  it('holds a write that the client was never told of', async () => {
    standIn.cosmos.faults.add({ times: 1, reset: true, when: 'after-commit' })
    await expect(container.items.create({ id: 'a', target: 't' })).rejects.toThrow()
    await restart()
    expect((await all()).map(({ id }) => id)).toEqual(['a'])
  })

  async function all() {
    return (await container.items.query('SELECT * FROM c', { partitionKey: 't' }).fetchAll()).resources
  }
})
