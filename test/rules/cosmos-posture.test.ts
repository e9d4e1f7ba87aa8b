import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Follower, followContainer, hardLimit } from '../../shared/cosmos-follower.ts'
import { cosmosPosture, type Signals } from '../../shared/rules/cosmos-posture.ts'
import { type PostureKind, postureKinds } from '../../shared/rules/facts.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { failureOf } from '../workload/tokens.ts'
import { paymentsApi } from './facts.ts'

let standIn: StandIn
/** As whoever observes sees it, and as the gateway does. */
let documents: Container
let container: Container
let clock: number
let follower: Follower
let signals: Signals

const observation = { observedAt: '2026-06-01T11:55:00Z', expiresAt: '2026-06-01T13:00:00Z' }
const ofCluster = 'cluster/aks-prod-weu'
const ofPod = 'pod/aks-prod-weu/payments/api-7d9c6b5f4-x2x7k'
const signal = (of: string, id: string, value: unknown) => ({ schema: 1, id, of, ...observation, value })
const fact = (value: unknown) => ({ ...observation, value })

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'posture', partitionKey: '/of', defaultTtl: -1 }] })
  documents = standIn.database('token-of-observer').container('posture')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('posture')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string; of: string }>().fetchAll()
  for (const { id, of } of resources) await documents.item(id, of).delete()
  await save(signal(ofCluster, 'defender', 0), signal(ofPod, 'attested', true), signal('cluster/other', 'defender', 9))
  clock = 1_000_000
  signals = cosmosPosture(container, onChange => {
    follower = followContainer({
      container,
      from: 'now',
      onChange,
      interval: 3_600_000,
      monotonic: () => clock,
      onError: () => {},
    })
    return follower
  })
})
afterEach(() => {
  standIn.cosmos.faults.clear()
  follower.stop()
})

async function save(...saved: readonly object[]): Promise<void> {
  for (const one of saved) await documents.items.upsert(one)
}

function queriesFail(): void {
  standIn.cosmos.faults.add({ container: 'posture', action: 'query', status: 503 })
}

const postureOf = (...kinds: readonly PostureKind[]) => signals.of(kinds, paymentsApi)

describe('the posture of a workload', () => {
  test('is what was observed of its own cluster, pod and so on, of the kinds that are asked for', async () => {
    expect(await postureOf('cluster', 'pod')).toEqual({
      cluster: { defender: fact(0) },
      pod: { attested: fact(true) },
    })
    expect(await postureOf('pod')).toEqual({ pod: { attested: fact(true) } })
  })

  test('says that nothing was observed, and nothing of kinds that the token does not tell', async () => {
    const { pod, node, ...podless } = paymentsApi
    expect(await signals.of(postureKinds, podless)).toEqual({
      cluster: { defender: fact(0) },
      namespace: {},
      serviceAccount: {},
    })
  })

  test('leaves out what was observed of another object of the same name', async () => {
    await save(
      { ...signal(ofPod, 'earlier', 1), uid: 'uid-of-an-earlier-pod' },
      { ...signal(ofPod, 'own', 1), uid: 'uid-of-pod' },
    )
    const { pod } = await postureOf('pod')
    expect(Object.keys(pod ?? {})).toEqual(['attested', 'own'])
  })

  test('leaves out what cannot be read, and holds the rest', async () => {
    await save({ ...signal(ofPod, 'broken', 1), expiresAt: 'never' })
    expect(await postureOf('pod')).toEqual({ pod: { attested: fact(true) } })
  })

  test('costs nothing where no rule asks: Cosmos DB may be down', async () => {
    for (const action of ['query', 'changeFeed'] as const) {
      standIn.cosmos.faults.add({ container: 'posture', action, status: 503 })
    }
    clock += hardLimit + 1
    expect(await postureOf()).toEqual({})
  })
})

describe('posture that was read', () => {
  test('is read no more, whether anything was observed or not', async () => {
    const before = await postureOf('cluster', 'namespace')
    queriesFail()
    clock += hardLimit + 1
    expect(await postureOf('cluster', 'namespace')).toEqual(before)
  })

  test('is one reading for everybody who waits', async () => {
    await save(signal(ofCluster, 'scan', { high: 0 }))
    const found = await Promise.all(Array.from({ length: 10 }, () => postureOf('cluster')))
    const values = found.map(({ cluster }) => cluster?.['scan']?.value)
    expect(values[0]).toEqual({ high: 0 })
    expect(new Set(values).size).toBe(1)
  })

  test.each<[string, object, object]>([
    ['another observation', signal(ofPod, 'attested', false), { attested: fact(false) }],
    ['one signal more', signal(ofPod, 'scanned', 1), { attested: fact(true), scanned: fact(1) }],
    ['a tombstone', { id: 'attested', of: ofPod, deleted: true }, {}],
    ['what cannot be read', { id: 'attested', of: ofPod }, {}],
  ])('is read again when the feed shows %s, within the hard limit', async (_, change, expected) => {
    await postureOf('pod')
    await save(change)
    clock += hardLimit + 1
    expect(await postureOf('pod')).toEqual({ pod: expected })
  })

  test('is read again when something is observed where nothing was', async () => {
    expect(await postureOf('namespace')).toEqual({ namespace: {} })
    await save(signal('namespace/aks-prod-weu/payments', 'frozen', true))
    clock += hardLimit + 1
    expect(await postureOf('namespace')).toEqual({ namespace: { frozen: fact(true) } })
  })

  test('stays as it is when that of others changes', async () => {
    const before = await postureOf('pod')
    await save(signal(ofCluster, 'defender', 7))
    clock += hardLimit + 1
    queriesFail()
    expect(await postureOf('pod')).toEqual(before)
  })
})

describe('posture that cannot be read', () => {
  test('is 503, without the text of the client, and is read as soon as it answers again', async () => {
    queriesFail()
    const error = await failureOf(postureOf('cluster'))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'documents_unavailable' })
    expect(JSON.stringify(error.detail)).not.toContain('localhost')
    standIn.cosmos.faults.clear()
    expect(await postureOf('cluster')).toEqual({ cluster: { defender: fact(0) } })
  })

  test('for want of a fresh snapshot is 503, whether it is in memory or not', async () => {
    await postureOf('cluster')
    standIn.cosmos.faults.add({ container: 'posture', action: 'changeFeed', status: 503 })
    clock += hardLimit + 1
    for (const kind of ['cluster', 'pod'] as const) {
      expect(await failureOf(postureOf(kind))).toMatchObject({
        code: 'temporarily_unavailable',
        reason: 'snapshot_stale',
      })
    }
  })
})
