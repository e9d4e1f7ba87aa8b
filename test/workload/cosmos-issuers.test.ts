import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Follower, followContainer, hardLimit } from '../../shared/cosmos-follower.ts'
import { cosmosIssuers } from '../../shared/workload/cosmos-issuers.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { failureOf, issuerUrl, type Signer, newSigner as signerOf } from './tokens.ts'

const document = { schema: 1, id: 'aks', issuerUrl, kind: 'aks', audiences: ['api://causeway'] }
const keyId = 'key-1'
const anHour = 3_600_000

let standIn: StandIn
/** As whoever deploys sees it, and as the gateway does. */
let documents: Container
let container: Container
let clock: number
let follower: Follower
let issuers: ReturnType<typeof cosmosIssuers>

beforeAll(async () => {
  const containers = [{ id: 'issuers', partitionKey: '/id', defaultTtl: -1 }]
  standIn = await startStandIn({ containers })
  documents = standIn.database('token-of-deployer').container('issuers')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('issuers')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string }>().fetchAll()
  for (const { id } of resources) await documents.item(id, id).delete()
  await documents.items.upsert(document)
  clock = 1_000_000
  open()
})
afterEach(() => {
  standIn.cosmos.faults.clear()
  follower.stop()
})

/** A snapshot that looks only when it has to: its background polls are an hour apart. */
function open(): void {
  issuers = cosmosIssuers(container, onChange => {
    const monotonic = () => clock
    follower = followContainer({
      container,
      from: 'beginning',
      onChange,
      interval: anHour,
      monotonic,
      onError: () => {},
    })
    return follower
  })
}

function pass(milliseconds: number): void {
  clock += milliseconds
}

function goDown(): void {
  standIn.cosmos.faults.add({ container: 'issuers', status: 503 })
}

describe('an issuer', () => {
  test('is found by its exact URL, with the version of its document', async () => {
    const { resource } = await documents.item('aks', 'aks').read()
    const { issuer, version } = await issuers.find(issuerUrl, keyId)
    expect(issuer).toMatchObject({ id: 'aks', kind: 'aks', algorithms: ['RS256', 'ES256'], maxTokenAge: anHour })
    expect(version).toBe(resource?._etag)
  })

  test.each([
    ['another slash', `${issuerUrl}/`],
    ['one slash less', issuerUrl.slice(0, -1)],
    ['letters of another case', issuerUrl.toUpperCase()],
    ['a user in front', issuerUrl.replace('https://', 'https://oidc.example@')],
    ['a port', issuerUrl.replace('oidc.example', 'oidc.example:443')],
    ['a Cyrillic letter', issuerUrl.replace('o', 'о')],
    ['a path that leads back', `${issuerUrl}x/../`],
    ['another one', 'https://evil.example'],
  ])('with %s is unknown, without asking Cosmos DB', async (_, url) => {
    await issuers.find(issuerUrl, keyId)
    goDown()
    const { code, reason } = await failureOf(issuers.find(url, keyId))
    expect({ code, reason }).toEqual({ code: 'invalid_request', reason: 'issuer_unknown' })
  })

  test('that differs by the trailing slash is worth a word to its owner', async () => {
    const { description } = await failureOf(issuers.find(issuerUrl.slice(0, -1), keyId))
    expect(description).toContain('differs by the trailing slash')
  })

  test('is read once, and then no more until it changes', async () => {
    await issuers.find(issuerUrl, keyId)
    goDown()
    pass(hardLimit)
    expect((await issuers.find(issuerUrl, keyId)).issuer.id).toBe('aks')
  })

  test.each<[string, object, string, string]>([
    ['is disabled', { ...document, enabled: false }, 'invalid_request', 'issuer_disabled'],
    ['is replaced by a tombstone', { id: 'aks', deleted: true }, 'invalid_request', 'issuer_unknown'],
    ['moves to another URL', { ...document, issuerUrl: 'https://new.example' }, 'invalid_request', 'issuer_unknown'],
    ['becomes unreadable', { ...document, kind: 'fridge' }, 'temporarily_unavailable', 'issuer_unreadable'],
    ['shares its URL', { ...document, id: 'another' }, 'invalid_request', 'issuer_ambiguous'],
  ])('that %s stops counting within the hard limit', async (_, changed, code, reason) => {
    await issuers.find(issuerUrl, keyId)
    await documents.items.upsert(changed)
    pass(hardLimit + 1)
    expect(await failureOf(issuers.find(issuerUrl, keyId))).toMatchObject({ code, reason })
  })

  test('that changes is read again, and tells its new version', async () => {
    const before = await issuers.find(issuerUrl, keyId)
    await documents.items.upsert({ ...document, audiences: ['api://other'] })
    pass(hardLimit + 1)
    const after = await issuers.find(issuerUrl, keyId)
    expect(after.issuer.audiences).toEqual(['api://other'])
    expect(after.version).not.toBe(before.version)
  })

  test('that is registered later is found, and one that comes back is found again', async () => {
    await issuers.find(issuerUrl, keyId)
    await documents.items.upsert({ ...document, id: 'new', issuerUrl: 'https://new.example' })
    await documents.items.upsert({ id: 'aks', deleted: true })
    pass(hardLimit + 1)
    expect((await issuers.find('https://new.example', keyId)).issuer.id).toBe('new')
    await documents.items.upsert(document)
    pass(hardLimit + 1)
    expect((await issuers.find(issuerUrl, keyId)).issuer.id).toBe('aks')
  })
})

describe('two issuers of one URL', () => {
  const [first, second] = [signerOf('key-1'), signerOf('key-2')]
  const inline = (key: Promise<Signer>) => key.then(({ published }) => ({ jwks: { keys: [published] } }))
  const register = async (id: string, changed: object) => {
    await documents.items.upsert({ ...document, id, ...changed })
    pass(hardLimit + 1)
  }

  test('count where each brings keys of its own: the key tells whose a token is', async () => {
    await register('aks', { keys: await inline(first) })
    await register('other', { keys: await inline(second) })
    expect((await issuers.find(issuerUrl, 'key-1')).issuer.id).toBe('aks')
    expect((await issuers.find(issuerUrl, 'key-2')).issuer.id).toBe('other')
    expect(await failureOf(issuers.find(issuerUrl, 'key-3'))).toMatchObject({ reason: 'issuer_ambiguous' })
  })

  test.each<[string, () => Promise<object>]>([
    ['discovers its keys', async () => ({})],
    ['has a key in common', async () => ({ keys: await inline(first) })],
  ])('count neither where the second %s', async (_, changed) => {
    await register('aks', { keys: await inline(first) })
    await register('other', await changed())
    const { code, reason, description } = await failureOf(issuers.find(issuerUrl, 'key-1'))
    expect({ code, reason }).toEqual({ code: 'invalid_request', reason: 'issuer_ambiguous' })
    expect(description).toBe('the issuer of the token is not acceptable')
  })

  test('are one again as soon as the other is disabled or removed', async () => {
    await register('other', {})
    expect((await failureOf(issuers.find(issuerUrl, keyId))).reason).toBe('issuer_ambiguous')
    await register('other', { enabled: false })
    expect((await issuers.find(issuerUrl, keyId)).issuer.id).toBe('aks')
    await register('other', {})
    await documents.items.upsert({ id: 'other', deleted: true })
    pass(hardLimit + 1)
    expect((await issuers.find(issuerUrl, keyId)).issuer.id).toBe('aks')
  })
})

describe('a snapshot that could be too old', () => {
  test('answers 503 for every issuer, known and unknown, until Cosmos DB answers again', async () => {
    await issuers.find(issuerUrl, keyId)
    goDown()
    pass(hardLimit + 1)
    for (const url of [issuerUrl, 'https://evil.example']) {
      const error = await failureOf(issuers.find(url, keyId))
      expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'snapshot_stale' })
      expect(JSON.stringify(error.detail)).not.toContain('localhost')
    }
    await expect(issuers.ready()).rejects.toMatchObject({ reason: 'snapshot_stale' })
    standIn.cosmos.faults.clear()
    expect((await issuers.find(issuerUrl, keyId)).issuer.id).toBe('aks')
    await issuers.ready()
  })

  test('that never saw Cosmos DB answers 503 and not "unknown"', async () => {
    follower.stop()
    goDown()
    open()
    expect(await failureOf(issuers.find(issuerUrl, keyId))).toMatchObject({ reason: 'snapshot_stale' })
  })

  test('that knows of an issuer whose document cannot be read now is 503, and finds it afterwards', async () => {
    await issuers.ready()
    goDown()
    expect(await failureOf(issuers.find(issuerUrl, keyId))).toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'documents_unavailable',
    })
    standIn.cosmos.faults.clear()
    expect((await issuers.find(issuerUrl, keyId)).issuer.id).toBe('aks')
  })
})
