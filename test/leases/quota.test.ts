import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cosmosStatus } from '../../shared/cosmos-error.ts'
import type { Minter } from '../../shared/credentials/credential-provider.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { withoutSystemProperties } from '../../shared/document.ts'
import { cosmosLeases } from '../../shared/leases/cosmos-leases.ts'
import { cosmosPlaces } from '../../shared/leases/cosmos-places.ts'
import type { HeldLease } from '../../shared/leases/hold-lease.ts'
import { holderOf } from '../../shared/leases/lease-states.ts'
import { type Place, quotaSlot } from '../../shared/leases/place.ts'
import { quotaPlaces } from '../../shared/leases/quota.ts'
import { revokeDue } from '../../shared/leases/revoke-due.ts'
import { searchLive } from '../../shared/leases/search-live.ts'
import type { SlotIdentity } from '../../shared/leases/slot.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { failureOf } from '../workload/tokens.ts'
import { type Clock, instanceOn, type LeaseContainer, leaseMemory, requestOf, storeDown } from './lease-store.ts'

let store: LeaseContainer
let clock: Clock

beforeEach(() => {
  clock = { time: noon }
})

/** One of the pods of a workload; each has a lease of its own. */
function pod(name: string): Workload {
  return { ...paymentsApi, pod: { name, uid: `uid-of-${name}` } }
}

/** What a pod gets of an instance that remembers nothing, and whose waiting moves no other's clock. */
function hold(name: string, quota: number, overrides: Partial<SlotIdentity> = {}): Promise<HeldLease> {
  return instanceOn(store, { ...clock }).hold(requestOf({ workload: pod(name), quota, ...overrides }), 'decision-1')
}

/** The partition of the places that the pods of `payments/api` compete for. */
const slot = quotaSlot({ deployment: 'test', target: 'orders-db', workload: holderOf(paymentsApi) })

const exhausted = expect.objectContaining({ code: 'slow_down', reason: 'quota_exhausted' })

async function holdActive(name: string, quota: number): Promise<HeldLease> {
  const held = await hold(name, quota)
  await instanceOn(store, clock).activate(held)
  return held
}

/** Gives a lease back, as its pod does. */
async function giveBack({ stored }: HeldLease, name: string): Promise<void> {
  const instance = instanceOn(store, clock)
  const found = await instance.findHeld(new Secret(stored.lease.id), pod(name))
  if (!found) throw new Error('expected to find the lease')
  await instance.release(found)
}

function unused(): never {
  throw new Error('a revocation neither mints nor describes')
}

const minter: Minter<unknown> = {
  mint: unused,
  describe: unused,
  accounts: unused,
  close: async () => {},
  revoke: async () => ({ sessionsEnded: 0, absent: true, at: new Date(clock.time).toISOString() }),
}

/** Ids of all that the timer would look at within the day, be it a lease or not. */
async function dueIds(): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const due of store.due(noon + 1440 * minute, { locations: [], vacant: false }))
    ids.push('lease' in due ? due.lease.id : due.unreadable)
  return ids
}

/** Ends what is due, once nobody can make its account any more. */
async function endDue(): Promise<number> {
  clock.time += 13_000
  const now = () => clock.time
  const { revoked } = await revokeDue({
    store,
    places: quotaPlaces({ store: store.places, now }),
    decisions: { write: async () => ({ stream: 'hour/boot/0', id: '1' }) },
    minterOf: () => minter,
    lockdowns: async () => [],
    searchLive: searchLive(store),
    now,
    signal: new AbortController().signal,
  })
  return revoked
}

let standIn: StandIn
let container: Container

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'leases', partitionKey: '/slot', defaultTtl: -1 }] })
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('leases')
})
afterAll(() => standIn?.stop())

/** Where leases and places are kept, and a way to put a document there that is neither. */
interface Backend {
  readonly store: LeaseContainer
  readonly put: (document: { readonly id: string; readonly slot: string }) => unknown
}

async function inMemory(): Promise<Backend> {
  const memory = leaseMemory()
  return { store: memory, put: memory.places.put }
}

async function inCosmos(): Promise<Backend> {
  const { resources } = await container.items.readAll<{ id: string; slot: string }>().fetchAll()
  for (const found of resources) {
    const deleting = container.item(found.id, found.slot).delete()
    // A place that was freed is removed after a second of real time: perhaps just now.
    await deleting.catch(error => expect(cosmosStatus(error)).toBe(404))
  }
  const places = cosmosPlaces(container)
  return { store: { ...cosmosLeases(container), places }, put: document => container.items.create(document) }
}

describe.each([
  ['in memory', inMemory],
  ['in Cosmos DB', inCosmos],
])('the places of a quota, %s', (_, open) => {
  let put: Backend['put']

  beforeEach(async () => {
    const backend = await open()
    store = backend.store
    put = backend.put
  })

  test('of ten go to ten of the fifty who ask at once, and the others get no lease', async () => {
    const pods = Array.from({ length: 50 }, (_, index) => `api-${index}`)
    const outcomes = await Promise.allSettled(pods.map(name => hold(name, 10)))
    const held = outcomes.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
    expect(held.length).toBe(10)
    expect(held.every(({ mustMint }) => mustMint)).toBe(true)
    const refused = outcomes.flatMap(one => (one.status === 'rejected' ? [one.reason] : []))
    expect(refused).toEqual(Array.from({ length: 40 }, () => exhausted))
    const ids = held.map(({ stored }) => stored.lease.id)
    expect((await dueIds()).toSorted()).toEqual(ids.toSorted())
  })

  test('are taken once by a lease that ten instances ask for at once', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => hold('api-1', 2)))
    expect(outcomes.filter(one => one.status === 'fulfilled' && one.value.mustMint).length).toBe(1)
    await hold('api-2', 2)
    await expect(hold('api-3', 2)).rejects.toEqual(exhausted)
  })

  test('are free again once a lease that was given back is ended, and not before', async () => {
    await giveBack(await holdActive('api-1', 1), 'api-1')
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
    expect(await endDue()).toBe(1)
    expect(await hold('api-2', 1)).toMatchObject({ mustMint: true })
    await expect(hold('api-3', 1)).rejects.toEqual(exhausted)
  })

  test('are free from the millisecond on in which their lease expires', async () => {
    const { expiresAt } = await hold('api-1', 1)
    clock.time = expiresAt - 1
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
    clock.time = expiresAt
    expect(await hold('api-2', 1)).toMatchObject({ mustMint: true })
    await expect(hold('api-3', 1)).rejects.toEqual(exhausted)
  })

  test('are free while no account was made for their lease, and whoever makes it after all takes one again', async () => {
    const nothing = async (held: HeldLease) => instanceOn(store, clock).abandon(held, 'nothing')
    await nothing(await hold('api-1', 1))
    const second = await hold('api-2', 1)
    expect(second.mustMint).toBe(true)
    await expect(hold('api-1', 1)).rejects.toEqual(exhausted)
    await nothing(second)
    expect(await hold('api-1', 1)).toMatchObject({ mustMint: true, stored: { lease: { generation: 0 } } })
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
    await expect(hold('api-3', 1)).rejects.toEqual(exhausted)
  })

  test('stay taken where it is unclear whether an account was made', async () => {
    await instanceOn(store, clock).abandon(await hold('api-1', 1), 'unclear')
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
  })

  test('that are free again go to one each of those who ask at once', async () => {
    const { expiresAt } = await hold('api-1', 1)
    clock.time = expiresAt
    const outcomes = await Promise.allSettled(['api-2', 'api-3', 'api-4'].map(name => hold(name, 1)))
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(outcomes.filter(one => one.status === 'rejected').map(one => one.reason)).toEqual([exhausted, exhausted])
  })

  test('stay with the lease that has them now when one that had them before is ended late', async () => {
    const { expiresAt } = await holdActive('api-1', 1)
    clock.time = expiresAt
    await holdActive('api-2', 1)
    expect(await endDue()).toBe(1)
    await expect(hold('api-3', 1)).rejects.toEqual(exhausted)
  })

  test('are more at once when the quota is raised', async () => {
    await hold('api-1', 1)
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
    await hold('api-2', 2)
    await expect(hold('api-3', 2)).rejects.toEqual(exhausted)
  })

  test('are fewer when the quota is lowered: whoever has one keeps it, and only fewer than the quota get more', async () => {
    const first = await holdActive('api-1', 100)
    const second = await holdActive('api-2', 100)
    await holdActive('api-3', 100)
    await expect(hold('api-4', 2)).rejects.toEqual(exhausted)
    await giveBack(first, 'api-1')
    await endDue()
    await expect(hold('api-4', 2)).rejects.toEqual(exhausted)
    await giveBack(second, 'api-2')
    await endDue()
    await holdActive('api-4', 2)
    await expect(hold('api-5', 2)).rejects.toEqual(exhausted)
  })

  test('that cannot be read count as taken, and are nobody’s to take over', async () => {
    await put({ id: 'place-1', slot })
    await hold('api-1', 3)
    await hold('api-2', 3)
    await expect(hold('api-3', 3)).rejects.toEqual(exhausted)
  })

  test('that are all unreadable let nobody in, and have everybody ask again in a minute', async () => {
    await put({ id: 'place-0', slot })
    await expect(hold('api-1', 1)).rejects.toMatchObject({ reason: 'quota_exhausted', retryAfter: 60 })
  })

  test('make others wait until the first may be free, from a second to a minute', async () => {
    const ends = [(await hold('api-1', 2)).expiresAt, (await hold('api-2', 2)).expiresAt]
    const next = Math.min(...ends)
    for (const [left, retryAfter] of [
      [90_000, 60],
      [30_500, 31],
      [200, 1],
    ] as const) {
      clock.time = next - left
      await expect(hold('api-3', 2)).rejects.toMatchObject({ reason: 'quota_exhausted', retryAfter })
    }
  })
})

describe('a quota', () => {
  beforeEach(() => {
    store = leaseMemory()
  })

  test.each<[string, Partial<SlotIdentity>]>([
    ['targets', { target: 'other-db' }],
    ['issuers', { workload: { ...paymentsApi, issuer: { ...paymentsApi.issuer, id: 'other' } } }],
    ['subjects', { workload: { ...paymentsApi, subject: 'other' } }],
    ['service accounts of one name', { workload: { ...paymentsApi, serviceAccount: { name: 'api', uid: 'new' } } }],
  ])('is one of its own for two %s', async (_, other) => {
    await hold('api-1', 1)
    expect(await hold('api-1', 1, other)).toMatchObject({ mustMint: true })
  })

  test.each<[string, Partial<SlotIdentity>]>([
    ['pods', { workload: pod('api-2') }],
    ['rules', { rules: [{ id: 'other', target: 'orders-db', version: '"1"' }] }],
    ['scopes', { scopes: ['write'] }],
    ['ttls', { ttl: 20 * minute }],
    ['actors', { actor: { ...paymentsApi, subject: 'actor' } }],
  ])('is the same for two %s', async (_, other) => {
    await hold('api-1', 1)
    await expect(hold('api-1', 1, other)).rejects.toEqual(exhausted)
  })

  test('bounds only those to whom it is given', async () => {
    await hold('api-1', 1)
    const { quota: _, ...unbounded } = requestOf({ workload: pod('api-2') })
    const { stored } = await instanceOn(store, clock).hold(unbounded, 'decision-1')
    expect(stored.lease.quotaPlace).toBe(undefined)
  })
})

describe('a search for a place', () => {
  const lapsed: Place = {
    schema: 1,
    id: 'place-0',
    slot,
    lease: 'earlier',
    until: new Date(noon).toISOString(),
    ttl: 1,
  }
  const memory = leaseMemory().places

  test('takes few turns, even for a hundred pods that start at once', async () => {
    let turns = 0
    const all = (of: string) => {
      turns += 1
      return memory.all(of)
    }
    store = { ...leaseMemory(), places: { ...memory, all } }
    await Promise.all(Array.from({ length: 100 }, (_, index) => hold(`api-${index}`, 200)))
    expect(turns).toBeLessThan(300)
  })

  test('ends where a place is neither shown nor given', async () => {
    store = { ...leaseMemory(), places: { ...memory, all: async () => [], create: async () => false } }
    await expect(hold('api-1', 5)).rejects.toEqual(exhausted)
  })

  test('makes a place anew that had lapsed and was removed after it was seen', async () => {
    const places = leaseMemory().places
    const seen = [[{ id: lapsed.id, etag: '"removed"', place: lapsed }]]
    store = { ...leaseMemory(), places: { ...places, all: async of => seen.pop() ?? places.all(of) } }
    expect(await hold('api-1', 1)).toMatchObject({ mustMint: true })
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
  })

  test('tries once for a lapsed place that somebody else was faster to take', async () => {
    const places = leaseMemory().places
    const faster: Place = { ...lapsed, lease: 'faster', until: new Date(noon + minute).toISOString() }
    places.put(faster)
    const asked: string[] = []
    const replace: typeof places.replace = (place, etag) => {
      asked.push(place.id)
      return places.replace(place, etag)
    }
    const all = async () => [{ id: lapsed.id, etag: '"before"', place: lapsed }]
    store = { ...leaseMemory(), places: { ...places, all, replace } }
    await expect(hold('api-1', 1)).rejects.toEqual(exhausted)
    expect(asked).toEqual(['place-0'])
  })
})

describe('a lease that was not created', () => {
  let memory: ReturnType<typeof leaseMemory>

  beforeEach(() => {
    memory = leaseMemory()
    store = memory
  })

  test('keeps its place, for it may be there all the same, and has it still when it is asked for again', async () => {
    memory.before('create', storeDown)
    await expect(hold('api-1', 1)).rejects.toMatchObject({ reason: 'lease_unavailable' })
    await expect(hold('api-2', 1)).rejects.toEqual(exhausted)
    expect(await hold('api-1', 1)).toMatchObject({ mustMint: true })
  })

  test('because another instance was faster, and had found another place, gives its own back', async () => {
    store = leaseMemory()
    const { lease } = (await hold('api-1', 1)).stored
    store = memory
    memory.before('create', () => memory.put({ ...lease, state: 'active', quotaPlace: { slot, id: 'place-9' } }))
    expect(await hold('api-1', 1)).toMatchObject({ mustMint: false })
    expect(await hold('api-2', 1)).toMatchObject({ mustMint: true })
  })
})

test('a lease that is retaken while its last minter gives it back keeps its place: no other pod gets one beside it', async () => {
  const memory = leaseMemory()
  let retaking: Promise<unknown> = Promise.resolve()
  let isGivingBack = false
  const read: typeof memory.places.read = async (of, id) => {
    if (isGivingBack) {
      isGivingBack = false
      retaking = hold('api-1', 1)
      await retaking.catch(() => undefined)
    }
    return memory.places.read(of, id)
  }
  store = { ...memory, places: { ...memory.places, read } }
  const held = await hold('api-1', 1)
  isGivingBack = true
  await instanceOn(store, clock).abandon(held, 'nothing')
  const outcomes = await Promise.allSettled([retaking, hold('api-2', 1)])
  expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1)
})

describe('in Cosmos DB, places', () => {
  beforeEach(async () => {
    store = (await inCosmos()).store
  })
  afterEach(() => standIn.cosmos.faults.clear())

  test('stand beside the leases until these expire, and no search for leases meets them', async () => {
    const held = await hold('api-1', 1)
    const { lease } = held.stored
    const { resources } = await container.items.query('SELECT * FROM c WHERE NOT IS_DEFINED(c.state)').fetchAll()
    const ttl = Math.ceil((held.expiresAt - clock.time) / 1000)
    const place = { schema: 1, ...lease.quotaPlace, lease: lease.id, until: lease.expiresAt, ttl }
    expect(resources.map(withoutSystemProperties)).toEqual([place])
    expect(await dueIds()).toEqual([lease.id])
    await instanceOn(store, clock).activate(held)
    expect((await store.heldBy(lease.workload)).map(found => found.lease.id)).toEqual([lease.id])
  })

  test('are not taken over where they were removed after they were read', async () => {
    const { quotaPlace } = (await hold('api-1', 1)).stored.lease
    const found = await store.places.read(slot, quotaPlace?.id ?? '')
    if (!found?.place) throw new Error('expected to find the place')
    await container.item(found.id, slot).delete()
    expect(await store.places.replace(found.place, found.etag)).toBe(false)
  })

  test.each<[string, (place: Place) => Promise<unknown>]>([
    ['listed', () => store.places.all(slot)],
    ['read', ({ id }) => store.places.read(slot, id)],
    ['created', place => store.places.create(place)],
    ['replaced', place => store.places.replace(place, '"1"')],
  ])('cannot be %s while it is down: 503, without the text of the client', async (_, ask) => {
    standIn.cosmos.faults.add({ container: 'leases', status: 503 })
    const until = new Date(noon).toISOString()
    const error = await failureOf(ask({ schema: 1, id: 'place-0', slot, lease: 'some', until, ttl: 1 }))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'lease_unavailable' })
    expect(JSON.stringify(error.detail)).not.toContain('localhost')
  })
})
