import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { realEndpoint, type StandIn, standInOnly, startStandIn } from './stand-in.ts'

// https://learn.microsoft.com/azure/cosmos-db/how-to-connect-role-based-access-control
describe.skipIf(realEndpoint)(`access with Entra tokens${standInOnly}`, () => {
  let standIn: StandIn
  beforeAll(async () => {
    standIn = await startStandIn({
      containers: [
        { id: 'decisions', partitionKey: '/stream' },
        { id: 'rules', partitionKey: '/target' },
      ],
      authorize: (identity, container, action) =>
        identity === 'owner' ||
        (identity === 'appender' && container === 'decisions' && (action === 'create' || action === 'read')),
    })
  })
  afterAll(() => standIn.stop())

  const refused = { code: 403, substatus: 5302 }

  it('is refused with a 401 to a token that nobody knows', async () => {
    const read = standIn.database('forged').container('decisions').item('a', 'a').read()
    await expect(read).rejects.toMatchObject({ code: 401 })
  })

  it.each([
    ['no Authorization header', undefined],
    ['a signature made with an account key', 'type%3dmaster%26ver%3d1.0%26sig%3dabc'],
    ['a bearer token outside the scheme', 'Bearer token-of-owner'],
    ['a header that is not URL-encoded text', '%'],
  ])('is refused with a 401 to %s', async (_, authorization) => {
    const response = await fetch(standIn.cosmos.url, { headers: authorization ? { authorization } : {} })
    expect(response.status).toBe(401)
  })

  it('is given to a token in a URL-encoded header', async () => {
    const authorization = encodeURIComponent('type=aad&ver=1.0&sig=token-of-owner')
    expect((await fetch(standIn.cosmos.url, { headers: { authorization } })).status).toBe(200)
  })

  it('lets an identity that may only create and read do just that', async () => {
    const { items, item } = container('appender', 'decisions')
    await items.create({ id: '1', stream: 's' })
    expect((await item('1', 's').read()).statusCode).toBe(200)
    await expect(item('1', 's').replace({ id: '1', stream: 's' })).rejects.toMatchObject(refused)
    await expect(items.upsert({ id: '1', stream: 's' })).rejects.toMatchObject(refused)
    await expect(item('1', 's').delete()).rejects.toMatchObject(refused)
    await expect(items.query('SELECT * FROM c').fetchAll()).rejects.toMatchObject(refused)
    await expect(items.getChangeFeedIterator({}).readNext()).rejects.toMatchObject({ code: 403 })
    await expect(container('appender', 'rules').items.create({ id: '1', target: 't' })).rejects.toMatchObject(refused)
  })

  it('refuses a batch whole for one operation that is not allowed', async () => {
    const batch = container('appender', 'decisions').items.batch(
      [
        { operationType: 'Create', resourceBody: { id: 'batched', stream: 's' } },
        { operationType: 'Delete', id: '1' },
      ],
      's',
    )
    await expect(batch).rejects.toMatchObject({ cause: refused })
    expect((await container('owner', 'decisions').item('batched', 's').read()).statusCode).toBe(404)
  })

  // https://learn.microsoft.com/azure/cosmos-db/troubleshoot-forbidden
  it('never extends to making, changing or deleting databases and containers', async () => {
    const database = standIn.database('token-of-owner')
    const outside = { code: 403, substatus: 5300 }
    await expect(database.containers.createIfNotExists({ id: 'new' })).rejects.toMatchObject(outside)
    await expect(database.container('rules').delete()).rejects.toMatchObject(outside)
    await expect(database.client.databases.createIfNotExists({ id: 'new' })).rejects.toMatchObject(outside)
    await expect(database.delete()).rejects.toMatchObject(outside)
  })

  it('shows every known identity what a container is', async () => {
    const { resource } = await container('appender', 'rules').read()
    expect(resource?.partitionKey?.paths).toEqual(['/target'])
  })

  it('finds no container that infrastructure has not made', async () => {
    await expect(container('owner', 'unknown').items.create({ id: 'a' })).rejects.toMatchObject({ code: 404 })
  })

  function container(identity: string, name: string) {
    const { items, read, item } = bind(standIn.database(`token-of-${identity}`).container(name))
    return { items, read, item }
  }
})

function bind(container: ReturnType<ReturnType<StandIn['database']>['container']>) {
  return {
    items: container.items,
    read: () => container.read(),
    item: (id: string, partition: string) => container.item(id, partition),
  }
}
