import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../infra/local/cosmos/server.ts'
import { type Follower, followContainer, hardLimit } from '../shared/cosmos-follower.ts'
import { type StandIn, startStandIn } from './conformance/cosmos/stand-in.ts'

let standIn: StandIn
let documents: Container
let container: Container
let clock: number
let seen: string[]
let follower: Follower | undefined

beforeAll(async () => {
  standIn = await startStandIn()
  documents = standIn.database('token-of-deployer').container('conformance')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('conformance')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string }>().fetchAll()
  for (const { id } of resources) await documents.item(id, 'a').delete()
  clock = 1_000_000
  seen = []
})
afterEach(() => {
  standIn.cosmos.faults.clear()
  follower?.stop()
})

/** One that looks only when it has to: its background polls are an hour apart. */
function follow(from: 'beginning' | 'now'): Follower {
  follower = followContainer({
    container,
    from,
    onChange: document => void seen.push(String(document['id'])),
    interval: 3_600_000,
    monotonic: () => clock,
    onError: () => {},
  })
  return follower
}

/** What changed is seen when the hard limit is over. */
function refreshed(by: Follower): Promise<void> {
  clock += hardLimit + 1
  return by.ensureFresh()
}

async function write(...ids: readonly string[]): Promise<void> {
  for (const id of ids) await documents.items.upsert({ id, target: 'a' })
}

function fail(fault: Fault): void {
  standIn.cosmos.faults.add({ container: 'conformance', action: 'changeFeed', times: 1, ...fault })
}

/** Each is met by one page; what comes too late comes when nobody waits any more. */
const failures: readonly [string, Fault][] = [
  ['fails', { status: 503 }],
  ['is throttled', { status: 429, retryAfterMs: 1 }],
  ['is cut off', { reset: true }],
  ['is read there and cut off on its way', { reset: true, when: 'after-commit' }],
  ['is read there and comes too late', { delayMs: 4_250, when: 'after-commit' }],
]

describe('a follower', () => {
  test('from the beginning sees every document, and then each change', async () => {
    await write('one', 'two')
    const by = follow('beginning')
    await by.ensureFresh()
    expect(seen).toEqual(['one', 'two'])
    await write('two')
    await refreshed(by)
    expect(seen).toEqual(['one', 'two', 'two'])
  })

  test('from now on sees only what changes', async () => {
    await write('one')
    const by = follow('now')
    await by.ensureFresh()
    await write('two')
    await refreshed(by)
    expect(seen).toEqual(['two'])
  })

  test('asks nothing within the hard limit, and once for everybody after it', async () => {
    const by = follow('now')
    await by.ensureFresh()
    await write('one')
    clock += hardLimit
    await by.ensureFresh()
    expect(seen).toEqual([])
    clock += 1
    await Promise.all([by.ensureFresh(), by.ensureFresh()])
    expect(seen).toEqual(['one'])
  })
})

describe.each(['beginning', 'now'] as const)('a follower from %s misses no change and sees none twice', from => {
  test.each(failures)('where a page %s', async (_, fault) => {
    const by = follow(from)
    await by.ensureFresh()
    await write('one')
    await refreshed(by)
    expect(seen).toEqual(['one'])
    await write('two')
    fail(fault)
    // The client itself may ask again after some of these.
    await refreshed(by).catch(error => expect(error).toMatchObject({ reason: 'snapshot_stale' }))
    await write('three')
    // What came too late has come by then, wherever it went.
    if (fault.delayMs) await new Promise(resolve => setTimeout(resolve, 500))
    await refreshed(by)
    expect(seen).toEqual(['one', 'two', 'three'])
  })
})

test('a follower from now whose first page fails is stale until it has seen one', async () => {
  standIn.cosmos.faults.add({ container: 'conformance', action: 'changeFeed', status: 503 })
  const by = follow('now')
  await expect(by.ensureFresh()).rejects.toMatchObject({ code: 'temporarily_unavailable', reason: 'snapshot_stale' })
  standIn.cosmos.faults.clear()
  await by.ensureFresh()
  await write('one')
  await refreshed(by)
  expect(seen).toEqual(['one'])
})
