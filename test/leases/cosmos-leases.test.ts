import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { leaseCounter } from '../../shared/leases/cosmos-lease-counts.ts'
import { cosmosLeaseSearch } from '../../shared/leases/cosmos-lease-search.ts'
import { cosmosLeases, type LeaseStore, type LeftOut, type UnreadableLease } from '../../shared/leases/cosmos-leases.ts'
import { type RevokedSite, revokedSites } from '../../shared/leases/cosmos-revoked-sites.ts'
import { type Lease, leaseId, parseLeaseId, type StoredLease } from '../../shared/leases/lease.ts'
import { holderOf, locationOf, newLease } from '../../shared/leases/lease-states.ts'
import { type RevocationRun, revokeDue } from '../../shared/leases/revoke-due.ts'
import { searchLive } from '../../shared/leases/search-live.ts'
import { slotAt } from '../../shared/leases/slot.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { failureOf } from '../workload/tokens.ts'
import { requestOf } from './lease-store.ts'

let standIn: StandIn
let container: Container
let store: LeaseStore

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'leases', partitionKey: '/slot', defaultTtl: -1 }] })
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('leases')
  store = cosmosLeases(container)
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await container.items.readAll<{ id: string; slot: string }>().fetchAll()
  for (const { id, slot } of resources) await container.item(id, slot).delete()
})
afterEach(() => standIn.cosmos.faults.clear())

/** A lease of a target that no other test lease is for. */
function leaseOf(target: string, overrides: Partial<Lease> = {}, workload: Workload = paymentsApi): Lease {
  const request = { ...requestOf({ target, workload }), deployment: 'test', decision: 'decision-1' }
  const slot = slotAt(request, noon)
  return { ...newLease({ request, slot, generation: 0, keyVersion: '1', deployment: 'test', now: noon }), ...overrides }
}

async function created(lease: Lease): Promise<StoredLease> {
  const stored = await store.create(lease)
  if (!stored) throw new Error('expected the lease to be new')
  return stored
}

const idsOf = (found: readonly StoredLease[]) => found.map(({ lease }) => lease.id).toSorted()

async function dueBy(
  now: number,
  without: LeftOut = { locations: [], vacant: false },
): Promise<readonly (StoredLease | UnreadableLease)[]> {
  const found: (StoredLease | UnreadableLease)[] = []
  for await (const one of store.due(now, without)) found.push(one)
  return found
}

test("a lease's id names its place, and nothing else is taken for one", () => {
  const slot = 'a'.repeat(64)
  expect(parseLeaseId(leaseId(slot, 7))).toEqual({ slot, generation: 7 })
  for (const id of [
    '',
    slot,
    `${slot}.8`,
    `${slot}.00`,
    `${slot}.0 `,
    `${slot.toUpperCase()}.0`,
    `${slot}.0\n`,
    'a.0',
  ]) {
    expect(parseLeaseId(id), JSON.stringify(id)).toBe(undefined)
  }
})

describe('a lease', () => {
  test('is read as it was written, at its version', async () => {
    const lease = leaseOf('orders-db')
    const stored = await created(lease)
    expect(await store.read(lease.slot, 0)).toEqual(stored)
    expect(stored.lease).toEqual(JSON.parse(JSON.stringify(lease)))
    expect(await store.read(lease.slot, 1)).toBe(undefined)
  })

  test('is created by one: whoever comes second is told so, and changes nothing', async () => {
    const lease = leaseOf('orders-db')
    const outcomes = await Promise.all([store.create(lease), store.create({ ...lease, salt: 'other' })])
    expect(outcomes.filter(Boolean).length).toBe(1)
    expect(await store.read(lease.slot, 0)).toEqual(outcomes.find(Boolean))
  })

  test('is replaced only at the version that was read', async () => {
    const { lease, etag } = await created(leaseOf('orders-db'))
    const outcomes = await Promise.all([
      store.replace({ ...lease, state: 'active' }, etag),
      store.replace({ ...lease, state: 'revoking' }, etag),
    ])
    const [winner, ...others] = outcomes.filter(Boolean)
    expect(others).toEqual([])
    expect(winner?.etag).not.toBe(etag)
    expect(await store.read(lease.slot, 0)).toEqual(winner)
  })
})

describe('the leases that may be a workload’s own', () => {
  const another: Workload = { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } }
  const { pod: _, ...podless } = paymentsApi

  test('are the live ones of its pod and those that its pods share, and nobody else’s', async () => {
    const [mine, shared, bare] = [
      leaseOf('mine', { state: 'active' }),
      leaseOf('shared', { state: 'active', share: 'workload' }, another),
      leaseOf('bare', { state: 'active' }, podless),
    ]
    const others = [
      leaseOf('reserved'),
      leaseOf('revoking', { state: 'revoking' }),
      leaseOf('revoked', { state: 'revoked' }),
      leaseOf('of-another-pod', { state: 'active' }, another),
      leaseOf('of-another', { state: 'active', share: 'workload' }, { ...paymentsApi, subject: 'other' }),
      leaseOf('elsewhere', { state: 'active' }, { ...paymentsApi, issuer: { ...paymentsApi.issuer, id: 'other' } }),
    ]
    for (const lease of [mine, shared, bare, ...others]) await created(lease)
    expect(idsOf(await store.heldBy(holderOf(paymentsApi)))).toEqual([mine.id, shared.id, bare.id].toSorted())
    expect(idsOf(await store.heldBy(holderOf(podless)))).toEqual([shared.id, bare.id].toSorted())
  })
})

test('one of a workload’s own that is torn makes them 503: nobody can tell whose it is', async () => {
  await created(leaseOf('mine', { state: 'active' }))
  await container.items.create({
    id: 'torn',
    slot: 'torn',
    state: 'active',
    workload: holderOf(paymentsApi),
    share: 'pod',
  })
  const failure = await failureOf(store.heldBy(holderOf(paymentsApi)))
  expect(failure).toMatchObject({ code: 'temporarily_unavailable', reason: 'lease_unavailable' })
})

describe('the leases that give access', () => {
  async function searched(search = searchLive(store), signal = new AbortController().signal) {
    const found: (StoredLease | UnreadableLease)[] = []
    for await (const one of search(signal)) found.push(one)
    return found
  }
  const namesOf = (found: readonly (StoredLease | UnreadableLease)[]) =>
    found.map(one => ('lease' in one ? one.lease.target : one.unreadable)).toSorted()

  test('are the reserved, the active, those whose sessions may finish a transaction, and those that would not end', async () => {
    const mayFinish = { state: 'revoking', onExpiry: 'finish-transactions' } as const
    await created(leaseOf('reserved'))
    await created(leaseOf('active', { state: 'active' }))
    await created(leaseOf('finishing', { ...mayFinish, cause: 'expired' }))
    await created(leaseOf('released', { ...mayFinish, cause: 'released' }))
    await created(leaseOf('stuck', { state: 'revoking', cause: 'released', attempts: 1 }))
    await created(leaseOf('ending', { state: 'revoking', cause: 'expired' }))
    await created(leaseOf('revoked', { ...mayFinish, state: 'revoked', cause: 'expired' }))
    await container.items.create({ id: 'place-0', slot: 'places', lease: 'any' })
    await container.items.create({ id: 'torn', slot: 'torn', state: 'active' })
    expect(namesOf(await searched())).toEqual(['active', 'finishing', 'reserved', 'stuck', 'torn'])
    // What an operator ends by a filter: what cannot be read cannot be marked.
    const byFilter = await cosmosLeaseSearch(container).live({ issuer: paymentsApi.issuer.id }, 'all', 100)
    expect(namesOf(byFilter)).toEqual(['active', 'finishing', 'reserved', 'stuck'])
  })

  test('are searched page by page, and a search without time goes on where it was, changed as they are meanwhile', async () => {
    for (let index = 0; index < 350; index++) await created(leaseOf(`target-${index}`, { state: 'active' }))
    const search = searchLive(store)
    const time = new AbortController()
    const first: (StoredLease | UnreadableLease)[] = []
    for await (const one of search(time.signal)) {
      first.push(one)
      if ('lease' in one) await store.replace({ ...one.lease, state: 'revoking' }, one.etag)
      if (first.length === 150) time.abort()
    }
    expect(first.length).toBe(200)
    const second = await searched(search)
    expect(namesOf([...first, ...second.slice(0, 150)])).toEqual(
      Array.from({ length: 350 }, (_, index) => `target-${index}`).toSorted(),
    )
    // And those from the start on once more, which are no longer live.
    expect(namesOf(second.slice(150))).toEqual(namesOf(second.slice(0, 150)))
  })
})

describe('what is due', () => {
  test('is everything not yet revoked whose time has come, the longest overdue first', async () => {
    const at = (minutes: number) => new Date(noon + minutes * minute).toISOString()
    for (const [target, state, minutes] of [
      ['second', 'active', -2],
      ['first', 'reserved', -3],
      ['third', 'revoking', 0],
      ['done', 'revoked', -4],
      ['later', 'active', 1],
    ] as const) {
      await created(leaseOf(target, { state, dueAt: at(minutes) }))
    }
    const found = await dueBy(noon)
    expect(found.map(one => ('lease' in one ? one.lease.target : one.unreadable))).toEqual(['first', 'second', 'third'])
  })

  test('is not looked for at the locations that are left out, unless its document does not tell its own', async () => {
    const dueAt = new Date(noon).toISOString()
    const { location: _, ...older } = leaseOf('older', { state: 'active', dueAt })
    const [here, there] = [
      leaseOf('here', { state: 'active', dueAt, location: 'here' }),
      leaseOf('there', { state: 'active', dueAt, location: 'there' }),
    ]
    for (const lease of [here, there, older]) await created(lease)
    const found = await dueBy(noon, { locations: ['there', 'elsewhere'], vacant: false })
    expect(found.map(one => ('lease' in one ? one.lease.target : one.unreadable)).toSorted()).toEqual(['here', 'older'])
  })

  test('is looked for there all the same where nothing was made: nobody has to ask its server', async () => {
    const vacant = leaseOf('there', { vacant: true, dueAt: new Date(noon).toISOString(), location: 'there' })
    const { lease } = await created(vacant)
    expect(await dueBy(noon, { locations: ['there'], vacant: false })).toEqual([expect.objectContaining({ lease })])
    expect(await dueBy(noon, { locations: [], vacant: true })).toEqual([])
  })

  test('is told by its id where it is no lease, and keeps no other from being told', async () => {
    const dueAt = new Date(noon).toISOString()
    await container.items.create({ id: 'torn', slot: 'torn', state: 'active', dueAt })
    const { lease } = await created(leaseOf('orders-db', { state: 'active', dueAt }))
    const found = await dueBy(noon)
    expect(found).toContainEqual({ unreadable: 'torn' })
    expect(found).toContainEqual(expect.objectContaining({ lease }))
    expect(found.length).toBe(2)
  })

  test('is ended in one run, however many pages it takes', async () => {
    for (let index = 0; index < 250; index++) {
      const dueAt = new Date(noon - (index % 7) * minute).toISOString()
      await created(
        leaseOf(`target-${index}`, { state: 'active', dueAt, mintUntil: new Date(noon - minute).toISOString() }),
      )
    }
    const recorded: string[] = []
    const run = (): Promise<RevocationRun> =>
      revokeDue({
        store,
        places: { claim: unused, free: async () => {} },
        decisions: {
          async write(entry) {
            if (entry.kind === 'revocation') recorded.push(entry.lease.id)
            return { stream: 'hour/boot/0', id: '1' }
          },
        },
        minterOf: () => ({
          mint: unused,
          describe: unused,
          accounts: unused,
          close: async () => {},
          revoke: async () => ({ sessionsEnded: 0, absent: true, at: new Date(noon).toISOString() }),
        }),
        lockdowns: async () => [],
        searchLive: searchLive(store),
        now: () => noon,
        signal: new AbortController().signal,
      })
    const runs = await Promise.all([run(), run()])
    expect(runs.map(({ failed, unreadable }) => ({ failed, unreadable }))).toEqual([
      { failed: 0, unreadable: [] },
      { failed: 0, unreadable: [] },
    ])
    expect(runs.reduce((sum, { revoked }) => sum + revoked, 0)).toBe(250)
    expect([recorded.length, new Set(recorded).size]).toEqual([250, 250])
    expect(await dueBy(noon + 60 * minute)).toEqual([])
  })
})

function unused(): never {
  throw new Error('a revocation neither mints nor describes')
}

describe('while Cosmos DB is down, everything is 503, without the text of the client', () => {
  test.each<[string, (lease: StoredLease) => Promise<unknown>]>([
    ['reading', ({ lease }) => store.read(lease.slot, 0)],
    ['creating', () => store.create(leaseOf('new'))],
    ['replacing', ({ lease, etag }) => store.replace(lease, etag)],
    ['looking for a workload’s own', ({ lease }) => store.heldBy(lease.workload)],
    ['looking for what is due', () => dueBy(noon)],
    ['looking for what is live', () => store.live(undefined)[Symbol.asyncIterator]().next()],
  ])('%s', async (_, ask) => {
    const stored = await created(leaseOf('orders-db'))
    standIn.cosmos.faults.add({ container: 'leases', status: 503 })
    const error = await failureOf(ask(stored))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'lease_unavailable' })
    expect(JSON.stringify(error.detail)).not.toContain('localhost')
  })
})

describe('the count of leases', () => {
  const time = () => new AbortController().signal

  test('tells the live, the stuck and the overdue ones of each target, also where there are none', async () => {
    const at = (minutes: number) => new Date(noon + minutes * minute).toISOString()
    await created(leaseOf('well', { state: 'active', dueAt: at(5) }))
    await created(leaseOf('stuck', { state: 'revoking', dueAt: at(-5), attempts: 1 }))
    await created(leaseOf('timely', { state: 'active', dueAt: at(-1) }))
    await created(leaseOf('overdue', { state: 'active', dueAt: new Date(noon - minute - 1).toISOString() }))
    await created(leaseOf('done', { state: 'revoked', dueAt: at(-5) }))
    const counts = await leaseCounter(container, () => noon)(time())
    const told = (which: 'live' | 'stuck' | 'overdue') => Object.fromEntries(counts?.[which] ?? [])
    expect(told('live')).toEqual({ well: 1, stuck: 0, timely: 1, overdue: 1 })
    expect(told('stuck')).toEqual({ well: 0, stuck: 1, timely: 0, overdue: 0 })
    expect(told('overdue')).toEqual({ well: 0, stuck: 0, timely: 0, overdue: 1 })
  })

  test('says nothing where the time did not suffice', async () => {
    expect(await leaseCounter(container, () => noon)(AbortSignal.abort())).toBe(undefined)
  })
})

describe('the sites of revoked leases', () => {
  async function sites(search: ReturnType<typeof revokedSites>) {
    const found: RevokedSite[] = []
    for await (const site of search()) found.push(site)
    return found
  }

  test('are each server once, with what the names there begin with, and none of leases that live', async () => {
    const revoked = (target: string, account: string, host: string): Lease => {
      const lease = leaseOf(target, { state: 'revoked', account, settings: { host } })
      return { ...lease, id: leaseId(lease.slot, lease.generation), location: locationOf(lease) }
    }
    await created(revoked('first', 'cw_test_aaaa', 'here'))
    await created(revoked('second', 'cw_test_bbbb', 'here'))
    await created(revoked('third', 'old_test_cccc', 'here'))
    await created(revoked('fourth', 'cw_test_dddd', 'there'))
    await created({ ...revoked('live', 'cw_test_eeee', 'elsewhere'), state: 'active' })
    await created(revoked('odd', 'of_another_form', 'elsewhere'))
    const search = revokedSites(container)
    const found = await sites(search)
    expect(found.map(({ prefix, settings }) => [prefix, settings]).toSorted()).toEqual([
      ['cw_test_', { host: 'here' }],
      ['cw_test_', { host: 'there' }],
      ['old_test_', { host: 'here' }],
    ])
    // A search that came to the end begins again.
    expect(await sites(search)).toEqual(found)
  })

  test('cannot be told where Cosmos DB fails, and are searched from the start again', async () => {
    await created(leaseOf('orders', { state: 'revoked' }))
    const search = revokedSites(container)
    standIn.cosmos.faults.add({ container: 'leases', action: 'query', status: 503 })
    expect(await failureOf(sites(search))).toMatchObject({ reason: 'lease_unavailable' })
    standIn.cosmos.faults.clear()
    expect(await sites(search)).toHaveLength(1)
  })
})

describe('what a target bears', () => {
  const since = noon - minute

  test('are its accounts that may exist, and those reserved within the time, and of no other target', async () => {
    await created(leaseOf('orders'))
    const pod = { name: 'api-2', uid: 'uid-2' }
    const old = leaseOf('orders', { mintUntil: new Date(since).toISOString() }, { ...paymentsApi, pod })
    await created({ ...old, state: 'revoking' })
    const vacant = leaseOf('orders', { vacant: true }, { ...paymentsApi, pod: { name: 'api-4', uid: 'uid-4' } })
    await created(vacant)
    await created(leaseOf('orders', { state: 'revoked' }, { ...paymentsApi, pod: { name: 'api-3', uid: 'uid-3' } }))
    await created(leaseOf('stock'))
    expect(await store.burdenOf('orders', since, { liveAccounts: 10 })).toEqual({ live: 2, minted: 2 })
    expect(await store.burdenOf('none', since, { liveAccounts: 10 })).toEqual({ live: 0, minted: 0 })
  })

  test('cannot be told where Cosmos DB fails', async () => {
    standIn.cosmos.faults.add({ container: 'leases', action: 'query', status: 503 })
    const failure = await failureOf(store.burdenOf('orders', since, { liveAccounts: 1 }))
    expect(failure).toMatchObject({ code: 'temporarily_unavailable', reason: 'lease_unavailable' })
  })
})

test('the states of accounts are told by their names, for more than one page of them', async () => {
  const { account } = leaseOf('orders')
  await created(leaseOf('orders', { state: 'revoked' }))
  await container.items.create({ id: 'torn', slot: 'torn', account: 'torn', state: 7 })
  const names = Array.from({ length: 150 }, (_, index) => `nobody-${index}`)
  expect(await store.statesOf([...names, account, 'torn'])).toEqual(
    new Map([
      [account, 'revoked'],
      ['torn', 'unreadable'],
    ]),
  )
})
