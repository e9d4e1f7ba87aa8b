import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Follower, followContainer, hardLimit } from '../../shared/cosmos-follower.ts'
import { cosmosCalendars, type FollowedCalendars } from '../../shared/rules/cosmos-calendars.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { failureOf } from '../workload/tokens.ts'

let standIn: StandIn
/** As an operator sees it, and as the gateway does. */
let documents: Container
let container: Container
let clock: number
let follower: Follower
let calendars: FollowedCalendars

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'calendars', partitionKey: '/id', defaultTtl: -1 }] })
  documents = standIn.database('token-of-operator').container('calendars')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('calendars')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string }>().fetchAll()
  for (const { id } of resources) await documents.item(id, id).delete()
  clock = 1_000_000
})
afterEach(() => {
  standIn.cosmos.faults.clear()
  follower.stop()
})

/** The gateway's calendars, of documents that were there before it started. */
async function open(...saved: readonly object[]): Promise<void> {
  for (const one of saved) await documents.items.upsert(one)
  calendars = cosmosCalendars(onChange => {
    follower = followContainer({
      container,
      from: 'beginning',
      onChange,
      interval: 3_600_000,
      monotonic: () => clock,
      onError: () => {},
    })
    return follower
  })
}

/** Returns when nobody may decide by what was before. */
async function save(document: object): Promise<void> {
  await documents.items.upsert(document)
  clock += hardLimit + 1
}

const holidays = { schema: 1, id: 'holidays', days: ['2026-12-25'] }
const freeze = { schema: 1, id: 'freeze', periods: [{ from: '2026-12-18T00:00:00Z', to: '2027-01-04T00:00:00Z' }] }

test('calendars that were there before are known, with the versions of their documents', async () => {
  await open(holidays, freeze)
  const found = await calendars.current()
  expect([...found.keys()].toSorted()).toEqual(['freeze', 'holidays'])
  const { resource } = await documents.item('holidays', 'holidays').read()
  expect(found.get('holidays')?.version).toBe(resource?._etag)
})

test('as long as nothing changes, it is the same map that is answered', async () => {
  await open(holidays)
  const first = await calendars.current()
  clock += hardLimit + 1
  expect(await calendars.current()).toBe(first)
})

test('a change is in a new map, and not in one that was handed out', async () => {
  await open(holidays)
  const before = await calendars.current()
  const [days, size] = [before.get('holidays')?.days, before.size]
  await save({ ...holidays, days: ['2026-12-24'] })
  await save(freeze)
  const after = await calendars.current()
  expect(after.size).toBe(2)
  expect(after.get('holidays')?.days).not.toEqual(days)
  expect(before.size).toBe(size)
  expect(before.get('holidays')?.days).toBe(days)
})

test.each<[string, object]>([
  ['removed', { id: 'holidays', deleted: true }],
  ['replaced by one that nobody can read', { ...holidays, days: ['25 December'] }],
  ['replaced by one of another schema', { ...holidays, schema: 2 }],
])('a calendar that is %s is no longer there, and the others are', async (_, replacement) => {
  await open(holidays, freeze)
  expect((await calendars.current()).has('holidays')).toBe(true)
  await save(replacement)
  expect([...(await calendars.current()).keys()]).toEqual(['freeze'])
})

test('a calendar that can be read again is there again', async () => {
  await open({ ...holidays, schema: 2 })
  expect((await calendars.current()).size).toBe(0)
  await save(holidays)
  expect((await calendars.current()).has('holidays')).toBe(true)
})

test('a snapshot that could be too old is 503', async () => {
  await open(holidays)
  await calendars.current()
  standIn.cosmos.faults.add({ container: 'calendars', action: 'changeFeed', status: 503 })
  clock += hardLimit + 1
  const error = await failureOf(calendars.current())
  expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'snapshot_stale' })
})
