import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { version as describedVersion, listedVersion } from '../../functions/openapi/document-answers.ts'
import { audience, operator } from '../../infra/local/world.ts'
import { type Answer, type Document, type RunningStack, runStack, send } from '../running-stack.ts'

let stack: RunningStack
let token: string

beforeAll(async () => {
  stack = await runStack()
  token = await stack.operatorToken()
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

interface Asked {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly bearer?: string
}

function manage(path: string, { method = 'GET', body, headers, bearer = token }: Asked = {}): Promise<Answer> {
  return send(`${stack.gateway.url}/manage/${path}`, {
    method,
    headers: { ...headers, authorization: `Bearer ${bearer}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

const toCreate = { 'if-none-match': '*' }
const toReplace = (etag: unknown) => ({ 'if-match': String(etag) })

/** One acceptable document of each kind, under a new id each time. */
const kinds: Readonly<Record<string, (id: string) => Document>> = {
  guardrails: id => ({
    schema: 1,
    id,
    target: '*',
    effect: 'deny',
    workloads: [{ issuer: '*', namespace: 'nobody' }],
  }),
  targets: id => ({
    schema: 1,
    id,
    provider: 'key-vault-secret',
    settings: {},
    scopes: { login: { secret: { vault: 'corp', secret: 'some-secret' } } },
  }),
  issuers: id => ({
    schema: 1,
    id,
    issuerUrl: `https://${id}.example/`,
    kind: 'kubernetes',
    audiences: [audience],
  }),
  calendars: id => ({ schema: 1, id, days: ['2026-12-25'] }),
  lockdowns: id => ({ schema: 1, id, blocks: { namespace: 'nobody' }, reason: 'an exercise' }),
}
/** What each of some versions holds. */
async function contentsOf(path: string, versions: readonly Document[]): Promise<readonly unknown[]> {
  const read = await Promise.all(versions.map(({ id }) => manage(`${path}/versions/${id}`)))
  return read.map(({ body }) => (body['version'] as Document)['content'])
}

const singular = (plural: string) => plural.slice(0, -1)

describe.each(Object.keys(kinds))('%s', plural => {
  const documentOf = kinds[plural] ?? (() => ({}))

  async function created(): Promise<{ path: string; id: string; etag: string }> {
    const id = `made-${randomUUID()}`
    const path = `${plural}/${id}`
    const answer = await manage(path, { method: 'PUT', body: documentOf(id), headers: toCreate })
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 201 })
    return { path, id, etag: String(answer.body['etag']) }
  }

  test('are created once, read, listed, replaced at the version that was read, and removed', async () => {
    const { path, id, etag } = await created()
    expect((await manage(path)).body).toMatchObject({ [singular(plural)]: documentOf(id), etag })
    const listed = (await manage(plural)).body[plural] as Document[]
    expect(listed).toContainEqual({ etag, [singular(plural)]: documentOf(id) })
    const again = await manage(path, { method: 'PUT', body: documentOf(id), headers: toCreate })
    expect(again.status).toBe(412)
    const replaced = await manage(path, { method: 'PUT', body: documentOf(id), headers: toReplace(etag) })
    expect(replaced.status).toBe(200)
    expect((await manage(path, { method: 'DELETE', headers: toReplace(etag) })).status).toBe(412)
    const removed = await manage(path, { method: 'DELETE', headers: toReplace(replaced.body['etag']) })
    expect(removed.status).toBe(200)
    expect((await manage(path)).status).toBe(404)
    expect((await manage(path, { method: 'PUT', body: documentOf(id), headers: toCreate })).status).toBe(201)
  })

  test('with an unknown member, another id, or of another schema are refused, each problem named', async () => {
    const id = `made-${randomUUID()}`
    for (const [change, pointer, detail] of [
      [{ surprise: 1 }, '', /surprise/],
      [{ id: 'other' }, '/id', /expected what the URL says/],
      [{ schema: 2 }, '/schema', /1/],
    ] as const) {
      const body = { ...documentOf(id), ...change }
      const answer = await manage(`${plural}/${id}`, { method: 'PUT', body, headers: toCreate })
      expect({ status: answer.status, problems: answer.body['problems'] }).toEqual({
        status: 422,
        problems: expect.arrayContaining([{ pointer, detail: expect.stringMatching(detail) }]),
      })
    }
  })

  test('keep every version, and one can be restored', async () => {
    const { path, id, etag } = await created()
    const changed = { ...documentOf(id), ...(plural === 'lockdowns' ? { reason: 'another' } : { labels: {} }) }
    const labelled = plural === 'targets' || plural === 'issuers' || plural === 'lockdowns'
    const body = labelled ? changed : { ...documentOf(id), description: 'changed' }
    const replaced = await manage(path, { method: 'PUT', body, headers: toReplace(etag) })
    expect(replaced.status).toBe(200)
    const versions = (await manage(`${path}/versions`)).body['versions'] as Document[]
    expect(versions).toMatchObject([
      { state: 'saved', etag: replaced.body['etag'], removed: false },
      { state: 'saved', etag, operator: { objectId: operator.objectId }, removed: false },
    ])
    expect(versions.filter(version => 'content' in version)).toEqual([])
    expect(await contentsOf(path, versions)).toEqual([body, documentOf(id)])
    const restore = `${path}/versions/${versions[1]?.['id']}/restore`
    expect((await manage(restore, { method: 'POST' })).status).toBe(428)
    const restored = await manage(restore, { method: 'POST', headers: toReplace(replaced.body['etag']) })
    expect(restored.body).toMatchObject({ [singular(plural)]: documentOf(id) })
    expect((await manage(path)).body[singular(plural)]).toEqual(documentOf(id))
  })

  test('are on record as intent and outcome, with what was saved', async () => {
    const { id, etag } = await created()
    const records = (await stack.records()).filter(
      ({ kind, document }) => kind === 'admin' && (document as Document)['id'] === id,
    )
    expect(records.map(({ outcome }) => outcome).toSorted()).toEqual(['done', 'intended'])
    expect(records.find(({ outcome }) => outcome === 'done')).toMatchObject({
      action: 'put',
      after: etag,
      content: documentOf(id),
      contentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      operator: { subject: operator.objectId },
    })
  })

  test('are not for an application without a role, nor to be written by one that may only approve', async () => {
    const id = `made-${randomUUID()}`
    const stranger = await stack.operatorToken({ application: 'stranger' })
    const approver = await stack.operatorToken({ application: 'approver' })
    const write = { method: 'PUT', body: documentOf(id), headers: toCreate }
    expect((await manage(plural, { bearer: stranger })).status).toBe(403)
    expect((await manage(plural, { bearer: approver })).status).toBe(200)
    expect((await manage(`${plural}/${id}`, { ...write, bearer: approver })).status).toBe(403)
    expect((await manage(`${plural}/${id}`)).status).toBe(404)
  })
})

test('what never was has no versions, and an unknown version is called one: nothing is restored', async () => {
  const id = `made-${randomUUID()}`
  const path = `targets/${id}`
  const unknown = `versions/${randomUUID()}`
  expect((await manage(`${path}/versions`)).body).toMatchObject({ status: 404, detail: 'there is no such target' })
  const made = await manage(path, { method: 'PUT', body: kinds['targets']?.(id), headers: toCreate })
  const headers = toReplace(made.body['etag'])
  const missing = { status: 404, detail: 'there is no such version of this target' }
  expect((await manage(`${path}/${unknown}`)).body).toMatchObject(missing)
  expect((await manage(`${path}/${unknown}/restore`, { method: 'POST', headers })).body).toMatchObject(missing)
  expect((await manage(path, { method: 'DELETE', headers })).status).toBe(200)
  const [removal] = (await manage(`${path}/versions`)).body['versions'] as Document[]
  const restored = await manage(`${path}/versions/${removal?.['id']}/restore`, { method: 'POST', headers: toCreate })
  expect(restored.body).toMatchObject({ status: 404, detail: expect.stringMatching(/removed the target/) })
})

test('a change under two conditions is refused, whichever of them holds', async () => {
  const id = `made-${randomUUID()}`
  const path = `targets/${id}`
  const body = kinds['targets']?.(id)
  const both = { ...toCreate, ...toReplace('"stale"') }
  expect((await manage(path, { method: 'PUT', body, headers: both })).status).toBe(400)
  expect((await manage(path)).status).toBe(404)
  const { etag } = (await manage(path, { method: 'PUT', body, headers: toCreate })).body
  const again = { ...toCreate, ...toReplace(etag) }
  expect((await manage(path, { method: 'PUT', body, headers: again })).status).toBe(400)
  expect((await manage(`${path}?dryRun=true`, { method: 'PUT', body, headers: again })).status).toBe(400)
  expect((await manage(path, { method: 'DELETE', headers: again })).status).toBe(400)
  expect((await manage(path)).body['etag']).toBe(etag)
})

describe('versions that are many', () => {
  /** A calendar with so many versions, from the oldest to the newest; one of them, by its place, cannot be read. */
  async function withVersions(count: number, unreadable: number): Promise<{ path: string; ids: readonly string[] }> {
    const id = `often-${randomUUID()}`
    const path = `calendars/${id}`
    expect((await manage(path, { method: 'PUT', body: kinds['calendars']?.(id), headers: toCreate })).status).toBe(201)
    const [made] = (await manage(`${path}/versions`)).body['versions'] as Document[]
    const versions = stack.documents.container('versions').items
    const ids = Array.from({ length: count }, (_, at) => `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`)
    for (const [at, each] of ids.entries()) {
      const { removed: _, ...version } = { ...made, id: each, content: {}, state: 'refused' } as Document
      await versions.create(at === unreadable ? { ...version, state: 'perhaps' } : version)
    }
    return { path, ids: [...ids, String(made?.['id'])] }
  }

  test('are listed page by page, and one that cannot be read hides no other', async () => {
    const { path, ids } = await withVersions(70, 3)
    const first = (await manage(`${path}/versions`)).body
    const rest = (await manage(`${path}/versions?continuation=${first['continuation']}`)).body
    const listed = [first, rest].flatMap(({ versions }) => (versions as Document[]).map(({ id }) => id))
    expect(listed).toEqual(ids.toReversed().filter(id => id !== ids[3]))
    expect([first['unreadable'], rest['unreadable']]).toEqual([undefined, [ids[3]]])
    expect(rest).not.toHaveProperty('continuation')
    expect((await manage(`${path}/versions/${ids[3]}`)).status).toBe(404)
    expect((await manage(`${path}/versions/${ids[4]}`)).status).toBe(200)
    expect((await manage(`${path}/versions?continuation=garbage`)).status).toBe(400)
    expect((await manage(`${path}/versions?limit=5`)).status).toBe(400)
  })

  test('do not keep what whoever deploys wrote, or was saved here long ago, from being known', async () => {
    const { path } = await withVersions(0, -1)
    const { etag, calendar } = (await manage(path)).body
    const item = stack.documents.container('versions')
    const [made] = (await manage(`${path}/versions`)).body['versions'] as Document[]
    for (let at = 0; at < 110; at++) {
      const id = `ffffffff-0000-7000-8000-${String(at).padStart(12, '0')}`
      await item.items.create({ ...made, id, state: 'refused', etag: undefined })
    }
    expect((await manage(path, { method: 'PUT', body: calendar, headers: toReplace(etag) })).status).toBe(200)
    const query = {
      query: 'SELECT * FROM c WHERE c.etag = @etag',
      parameters: [{ name: '@etag', value: String(etag) }],
    }
    const kept = await item.items.query<Document>(query, { partitionKey: String(made?.['of']) }).fetchAll()
    expect(kept.resources).toHaveLength(1)
  })
})

test('what whoever deploys wrote is a version too, once it is replaced, and can be restored', async () => {
  const id = `deployed-${randomUUID()}`
  const original = kinds['calendars']?.(id)
  await stack.documents.container('calendars').items.create(original ?? {})
  const { etag } = (await manage(`calendars/${id}`)).body
  const body = { ...original, days: [] }
  const replaced = await manage(`calendars/${id}`, { method: 'PUT', body, headers: toReplace(etag) })
  const versions = (await manage(`calendars/${id}/versions`)).body['versions'] as Document[]
  expect(versions).toMatchObject([{ state: 'saved' }, { state: 'saved', etag }])
  expect(await contentsOf(`calendars/${id}`, versions)).toEqual([body, original])
  expect(versions[1]).not.toHaveProperty('operator')
  const { version } = (await manage(`calendars/${id}/versions/${versions[1]?.['id']}`)).body
  expect(listedVersion.safeParse(versions[1]).error).toBeUndefined()
  expect(describedVersion.safeParse(version).error).toBeUndefined()
  const restore = `calendars/${id}/versions/${versions[1]?.['id']}/restore`
  await manage(restore, { method: 'POST', headers: toReplace(replaced.body['etag']) })
  expect((await manage(`calendars/${id}`)).body['calendar']).toEqual(original)
  expect((await manage(`calendars/${id}/versions`)).body['versions']).toHaveLength(3)
})

describe('what a document names has to be there', () => {
  test.each<[string, string, Document, string, RegExp]>([
    [
      'a vault that no setting names',
      'targets',
      { scopes: { login: { secret: { vault: 'elsewhere', secret: 's' } } } },
      '/settings',
      /no vault is called "elsewhere"/,
    ],
    [
      'the URI of another target',
      'targets',
      { uri: 'postgresql://orders.corp.example/orders' },
      '/uri',
      /it is the URI of "orders-db"/,
    ],
    ['a provider that there is not', 'targets', { provider: 'oracle' }, '/provider', /no provider is called "oracle"/],
    [
      'an actor of no issuer',
      'issuers',
      { actors: [{ issuer: 'nobody', subject: 's' }] },
      '/actors/0/issuer',
      /there is no issuer "nobody"/,
    ],
    ['an allow in every target', 'guardrails', { effect: 'allow', scopes: ['read'] }, '/effect', /./],
  ])('%s is refused', async (_, plural, change, pointer, detail) => {
    const id = `made-${randomUUID()}`
    const body = { ...kinds[plural]?.(id), ...change }
    const answer = await manage(`${plural}/${id}`, { method: 'PUT', body, headers: toCreate })
    expect({ status: answer.status, problems: answer.body['problems'] }).toEqual({
      status: 422,
      problems: expect.arrayContaining([{ pointer, detail: expect.stringMatching(detail) }]),
    })
  })

  test('a second issuer of one URL is refused unless keys tell them apart', async () => {
    const id = `made-${randomUUID()}`
    const body = kinds['issuers']?.(id)
    expect((await manage(`issuers/${id}`, { method: 'PUT', body, headers: toCreate })).status).toBe(201)
    const other = { ...body, id: `${id.slice(0, 40)}-2` }
    const answer = await manage(`issuers/${other.id}`, { method: 'PUT', body: other, headers: toCreate })
    expect(answer.status).toBe(422)
    expect(answer.body['problems']).toEqual([
      { pointer: '/issuerUrl', detail: expect.stringMatching(`"${id}" has it too`) },
    ])
  })
})

describe('people', () => {
  const person = (claims: Document) =>
    stack.tenant.sign({
      aud: audience,
      azp: operator.clientId,
      oid: 'eeeeeeee-0000-4000-8000-0000000000ff',
      roles: ['Rules.Read'],
      idtyp: 'user',
      sub: 'a-person',
      ...claims,
    })

  test('may manage by role and by the permission that their application was given', async () => {
    expect((await manage('rules', { bearer: await person({ scp: 'manage' }) })).status).toBe(200)
    expect((await manage('rules', { bearer: await person({ scp: 'openid profile' }) })).status).toBe(401)
    expect((await manage('rules', { bearer: await person({}) })).status).toBe(401)
    expect((await manage('rules', { bearer: await person({ scp: 'manage', roles: [] }) })).status).toBe(403)
  })
})
