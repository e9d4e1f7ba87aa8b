import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Follower, followContainer, hardLimit } from '../../shared/cosmos-follower.ts'
import type { SourceProvider } from '../../shared/credentials/credential-provider.ts'
import { cosmosTargets, type Targets } from '../../shared/targets/cosmos-targets.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { failureOf } from '../workload/tokens.ts'

const source = { read: () => Promise.reject(new Error('a target is found without reading its secret')) }
const provider: SourceProvider<unknown, unknown> = {
  kind: 'static',
  issues: 'existing',
  settings: z.strictObject({ host: z.string() }),
  scope: z.strictObject({ secret: z.string() }),
  tokenType: 'urn:causeway:token-type:secret',
  open: () => source,
}
const uri = 'https://mainframe.corp.example/'
const document = {
  schema: 1,
  id: 'mainframe',
  uri,
  provider: 'static',
  settings: { host: 'mainframe.corp.example' },
  scopes: { login: { secret: 'mainframe-ftp' } },
}

let standIn: StandIn
/** As an operator sees it, and as the gateway does. */
let documents: Container
let container: Container
let clock: number
let follower: Follower
let targets: Targets

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'targets', partitionKey: '/id', defaultTtl: -1 }] })
  documents = standIn.database('token-of-operator').container('targets')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('targets')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string }>().fetchAll()
  for (const { id } of resources) await documents.item(id, id).delete()
  await documents.items.upsert(document)
  clock = 1_000_000
  targets = cosmosTargets({
    container,
    follow(onChange) {
      follower = followContainer({
        container,
        from: 'now',
        onChange,
        interval: 3_600_000,
        monotonic: () => clock,
        onError: () => {},
      })
      return follower
    },
    findProvider: kind => (kind === 'static' ? provider : undefined),
    open: () => ({ kind: 'existing', source }),
  })
})
afterEach(() => {
  standIn.cosmos.faults.clear()
  follower.stop()
})

/** Reads and queries fail, the change feed does not. */
function readingFails(): void {
  for (const action of ['read', 'query'] as const) {
    standIn.cosmos.faults.add({ container: 'targets', action, status: 503 })
  }
}

const byId = (id = 'mainframe') => targets.find({ id })
const byUri = (name = uri) => targets.find({ uri: name })

describe('a target', () => {
  test('is found by its id and by its URI, with what issues for it', async () => {
    for (const found of [await byId(), await byUri()]) {
      expect(found).toMatchObject({ id: 'mainframe', issuing: { kind: 'existing', source } })
    }
  })

  test.each(['nowhere', 'MAINFRAME', '../mainframe', 'main frame', ''])('is not found as "%s"', async id => {
    expect(await byId(id)).toBe(undefined)
  })

  test.each([uri.slice(0, -1), uri.toUpperCase(), 'https://evil.example/'])('is not found at %s', async name => {
    expect(await byUri(name)).toBe(undefined)
  })

  test('is read once, found or not, and then no more until it changes', async () => {
    const found = await byId()
    await byUri()
    await byId('nowhere')
    readingFails()
    clock += hardLimit + 1
    expect(await byId()).toBe(found)
    expect(await byUri()).toMatchObject({ id: 'mainframe' })
    expect(await byId('nowhere')).toBe(undefined)
  })

  test.each<[string, object, object | undefined]>([
    ['changes', { ...document, defaultScopes: ['login'] }, { defaultScopes: ['login'] }],
    ['is disabled', { ...document, enabled: false }, { enabled: false }],
    ['is replaced by a tombstone', { id: 'mainframe', deleted: true }, undefined],
    ['becomes unreadable', { ...document, provider: 'oracle' }, { problem: expect.stringContaining('oracle') }],
  ])('that %s is that within the hard limit, by its id', async (_, changed, expected) => {
    await byId()
    await documents.items.upsert(changed)
    clock += hardLimit + 1
    const found = await byId()
    if (expected) expect(found).toMatchObject(expected)
    else expect(found).toBe(undefined)
  })

  test('that moves is found at its new URI and not at its old one', async () => {
    await byUri()
    await documents.items.upsert({ ...document, uri: 'https://new.example/' })
    clock += hardLimit + 1
    expect(await byUri()).toBe(undefined)
    expect(await byUri('https://new.example/')).toMatchObject({ id: 'mainframe' })
  })

  test('that shares its URI is not found by it', async () => {
    await documents.items.upsert({ ...document, id: 'other' })
    expect(await byUri()).toBe(undefined)
    expect(await byId()).toMatchObject({ id: 'mainframe' })
  })

  test('that was asked for before it was registered is found once it is', async () => {
    expect(await byId('late')).toBe(undefined)
    await documents.items.upsert({ ...document, id: 'late', uri: undefined })
    clock += hardLimit + 1
    expect(await byId('late')).toMatchObject({ id: 'late' })
  })
})

describe('a target that cannot be read', () => {
  test('is 503 and not unknown, without the text of the client, and is read as soon as it answers again', async () => {
    await byId('nowhere')
    readingFails()
    for (const asking of [byId(), byUri()]) {
      const error = await failureOf(asking)
      expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'documents_unavailable' })
      expect(JSON.stringify(error.detail)).not.toContain('localhost')
    }
    standIn.cosmos.faults.clear()
    expect(await byId()).toMatchObject({ id: 'mainframe' })
  })

  test('for want of a fresh snapshot is 503, whether it is in memory or not', async () => {
    await byId()
    standIn.cosmos.faults.add({ container: 'targets', action: 'changeFeed', status: 503 })
    clock += hardLimit + 1
    for (const id of ['mainframe', 'nowhere']) {
      expect(await failureOf(byId(id))).toMatchObject({ code: 'temporarily_unavailable', reason: 'snapshot_stale' })
    }
  })
})
