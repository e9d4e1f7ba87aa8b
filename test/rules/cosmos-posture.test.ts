import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Follower, followContainer, hardLimit } from '../../shared/cosmos-follower.ts'
import { cosmosPosture, type Signals } from '../../shared/rules/cosmos-posture.ts'
import { postureKinds, type SignalName } from '../../shared/rules/facts.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { failureOf } from '../workload/tokens.ts'
import { paymentsApi } from './facts.ts'

let standIn: StandIn
/** As whoever observes sees it, and as the gateway does. */
let documents: Container
let container: Container
let clock: number
/** How often the gateway has read a document. */
let reads: number
let follower: Follower
let signals: Signals

const observation = { observedAt: '2026-06-01T11:55:00Z', expiresAt: '2026-06-01T13:00:00Z' }
const ofCluster = 'cluster/aks-prod-weu'
const ofPod = 'pod/aks-prod-weu/payments/api-7d9c6b5f4-x2x7k'
const signal = (of: string, id: string, value: unknown) => ({ schema: 1, id, of, ...observation, value })
const fact = (value: unknown) => ({ ...observation, value })

beforeAll(async () => {
  standIn = await startStandIn({
    containers: [{ id: 'posture', partitionKey: '/of', defaultTtl: -1 }],
    authorize: (identity, _container, action) => {
      if (identity === 'gateway' && action === 'read') reads += 1
      return true
    },
  })
  documents = standIn.database('token-of-observer').container('posture')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('posture')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string; of: string }>().fetchAll()
  for (const { id, of } of resources) await documents.item(id, of).delete()
  await save(signal(ofCluster, 'defender', 0), signal(ofPod, 'attested', true), signal('cluster/other', 'defender', 9))
  clock = 1_000_000
  reads = 0
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

function readsFail(): void {
  for (const action of ['read', 'query'] as const) {
    standIn.cosmos.faults.add({ container: 'posture', action, status: 503 })
  }
}

const clusterDefender: SignalName = { of: 'cluster', signal: 'defender' }
const podAttested: SignalName = { of: 'pod', signal: 'attested' }
const podScanned: SignalName = { of: 'pod', signal: 'scanned' }

const postureOf = (...asked: readonly SignalName[]) => signals.of(asked, paymentsApi)

describe('the posture of a workload', () => {
  test('is what was observed of its own cluster, pod and so on, of the signals that are asked for', async () => {
    await save(signal(ofPod, 'defender', 2))
    expect(await postureOf(clusterDefender, podAttested)).toEqual({
      cluster: { defender: fact(0) },
      pod: { attested: fact(true) },
    })
    expect(await postureOf({ of: 'pod', signal: 'defender' })).toEqual({ pod: { defender: fact(2) } })
  })

  test('is nothing where nothing was observed, or the token does not tell of what', async () => {
    const { pod, node, ...podless } = paymentsApi
    const asked = postureKinds.map(of => ({ of, signal: 'defender' }))
    expect(await signals.of(asked, podless)).toEqual({ cluster: { defender: fact(0) } })
  })

  test('leaves out what was observed of another object of the same name', async () => {
    await save(
      { ...signal(ofPod, 'earlier', 1), uid: 'uid-of-an-earlier-pod' },
      { ...signal(ofPod, 'own', 1), uid: 'uid-of-pod' },
    )
    const asked = ['earlier', 'own'].map(name => ({ of: 'pod', signal: name }) as const)
    expect(await postureOf(...asked)).toEqual({ pod: { own: fact(1) } })
  })

  test('leaves out what cannot be read, and holds the rest', async () => {
    await save({ ...signal(ofPod, 'broken', 1), expiresAt: 'never' })
    expect(await postureOf({ of: 'pod', signal: 'broken' }, podAttested)).toEqual({ pod: { attested: fact(true) } })
  })

  test('is that of the first 64 signals at most', async () => {
    const asked = Array.from({ length: 65 }, (_, index) => ({ of: 'pod', signal: `s${index}` }) as const)
    await save(signal(ofPod, 's63', 1), signal(ofPod, 's64', 1))
    expect(await postureOf(...asked)).toEqual({ pod: { s63: fact(1) } })
    expect(reads).toBe(64)
  })

  test('costs nothing where no rule asks: Cosmos DB may be down', async () => {
    readsFail()
    standIn.cosmos.faults.add({ container: 'posture', action: 'changeFeed', status: 503 })
    clock += hardLimit + 1
    expect(await postureOf()).toEqual({})
  })
})

describe('signals that nobody asks for', () => {
  test('are neither read nor facts, however many and long they are', async () => {
    const others = Array.from({ length: 40 }, (_, index) => signal(ofPod, `a${index}`, 'x'.repeat(500)))
    await save(...others)
    expect(await postureOf(podAttested)).toEqual({ pod: { attested: fact(true) } })
    expect(reads).toBe(1)
  })

  test('are read once somebody does', async () => {
    await save(signal(ofPod, 'scanned', 1))
    await postureOf(podAttested)
    expect(await postureOf(podAttested, podScanned)).toEqual({ pod: { attested: fact(true), scanned: fact(1) } })
    expect(reads).toBe(2)
  })
})

describe('posture that was read', () => {
  test('is read no more, whether anything was observed or not', async () => {
    const asked = [clusterDefender, podScanned]
    const before = await postureOf(...asked)
    readsFail()
    clock += hardLimit + 1
    expect(await postureOf(...asked)).toEqual(before)
  })

  test('is one reading for everybody who waits', async () => {
    const found = await Promise.all(Array.from({ length: 10 }, () => postureOf(clusterDefender)))
    expect(found).toEqual(Array(10).fill({ cluster: { defender: fact(0) } }))
    expect(reads).toBe(1)
  })

  test.each<[string, object, object]>([
    ['another observation', signal(ofPod, 'attested', false), { pod: { attested: fact(false) } }],
    ['one signal more', signal(ofPod, 'scanned', 1), { pod: { attested: fact(true), scanned: fact(1) } }],
    ['a tombstone', { id: 'attested', of: ofPod, deleted: true }, {}],
    ['what cannot be read', { id: 'attested', of: ofPod }, {}],
  ])('is read again when the feed shows %s, within the hard limit', async (_, change, expected) => {
    await postureOf(podAttested, podScanned)
    await save(change)
    clock += hardLimit + 1
    expect(await postureOf(podAttested, podScanned)).toEqual(expected)
  })

  test('stays as it is when that of others changes, be they of the same object or name', async () => {
    const before = await postureOf(podAttested)
    await save(signal(ofCluster, 'attested', 7), signal(ofPod, 'scanned', 7))
    clock += hardLimit + 1
    readsFail()
    expect(await postureOf(podAttested)).toEqual(before)
  })
})

describe('posture that cannot be read', () => {
  test('is 503, without the text of the client, and is read as soon as it answers again', async () => {
    readsFail()
    const error = await failureOf(postureOf(clusterDefender))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'documents_unavailable' })
    expect(JSON.stringify(error.detail)).not.toContain('localhost')
    standIn.cosmos.faults.clear()
    expect(await postureOf(clusterDefender)).toEqual({ cluster: { defender: fact(0) } })
  })

  test('for want of a fresh snapshot is 503, whether it is in memory or not', async () => {
    await postureOf(clusterDefender)
    standIn.cosmos.faults.add({ container: 'posture', action: 'changeFeed', status: 503 })
    clock += hardLimit + 1
    for (const asked of [clusterDefender, podAttested]) {
      expect(await failureOf(postureOf(asked))).toMatchObject({
        code: 'temporarily_unavailable',
        reason: 'snapshot_stale',
      })
    }
  })
})
