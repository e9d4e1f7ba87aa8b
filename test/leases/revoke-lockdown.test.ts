import { beforeEach, describe, expect, test } from 'vitest'
import type { Minter, SessionEnding } from '../../shared/credentials/credential-provider.ts'
import type { DecisionEntry } from '../../shared/decisions/record.ts'
import { unavailable } from '../../shared/errors.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { quotaPlaces } from '../../shared/leases/quota.ts'
import { type RevocationRun, type RevokeDueOptions, revokeDue } from '../../shared/leases/revoke-due.ts'
import { type SearchLive, searchLive } from '../../shared/leases/search-live.ts'
import { type Lockdown, lockdownDocument } from '../../shared/workload/lockdown.ts'
import { minute, noon } from '../rules/facts.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf } from './lease-store.ts'

let store: LeaseMemory
let clock: Clock
let entries: DecisionEntry[]
/** The ids of the runs that there were. */
let runs: string[]
let standing: Lockdown[]
/** The accounts that were ended, in order, and how. */
let ended: [string, SessionEnding][]
/** Happens while an account is ended. */
let meanwhile: () => void
let live: SearchLive

type WhatCame = Omit<RevocationRun, 'run'>

beforeEach(() => {
  store = leaseMemory()
  clock = { time: noon }
  entries = []
  runs = []
  standing = []
  ended = []
  meanwhile = () => {}
  live = searchLive(store)
})

function unused(): never {
  throw new Error('a revocation neither mints nor describes')
}

const minter: Minter<unknown> = {
  mint: unused,
  describe: unused,
  accounts: unused,
  async revoke({ name }, ending) {
    ended.push([name, ending])
    meanwhile()
    return { sessionsEnded: 1, absent: true, at: new Date(clock.time).toISOString() }
  },
  close: async () => {},
}

/** One run, whose id goes to `runs`. */
async function run(overrides: Partial<RevokeDueOptions> = {}): Promise<WhatCame> {
  const write = async (entry: DecisionEntry) => ({ stream: 'hour/boot/0', id: String(entries.push(entry)) })
  const now = () => clock.time
  const places = quotaPlaces({ store: store.places, now })
  const { signal } = new AbortController()
  const steps = { store, places, decisions: { write }, minterOf: () => minter, now, signal }
  const { run: id, ...came } = await revokeDue({
    ...steps,
    lockdowns: async () => standing,
    searchLive: live,
    ...overrides,
  })
  runs.push(id)
  return came
}

/** An active lease of that target, whose account nobody makes any more. */
async function activeLease(target: string, more: Partial<Lease> = {}): Promise<Lease> {
  const leases = instanceOn(store, clock)
  const held = await leases.hold(requestOf({ target }), 'decision-1')
  await leases.activate(held)
  const mintUntil = new Date(noon - minute).toISOString()
  return store.put({ ...held.stored.lease, state: 'active', dueAt: held.stored.lease.expiresAt, mintUntil, ...more })
    .lease
}

function lockdown(blocks: unknown, id = 'incident-7'): Lockdown {
  return lockdownDocument.parse({ schema: 1, id, blocks, reason: 'stolen', revokeLeases: true })
}

const now = (lease: Lease) => store.leases.get(lease.id)?.lease

describe('while a lockdown stands', () => {
  test('a live lease that it names is ended in the same run, and the record says by which; another stays', async () => {
    const [named, other] = [await activeLease('orders-db'), await activeLease('other-db')]
    standing = [lockdown({ target: 'orders-db' })]
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(now(named)).toMatchObject({ state: 'revoked', cause: 'lockdown', lockdown: 'incident-7' })
    expect(now(other)).toMatchObject({ state: 'active' })
    expect(entries).toMatchObject([
      { kind: 'revocation', outcome: 'revoked', lease: { id: named.id, cause: 'lockdown', lockdown: 'incident-7' } },
    ])
  })

  test('so is a lease made after it was put, in the next run, and a reserved one, once nobody can make its account', async () => {
    standing = [lockdown('everything')]
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    const made = await activeLease('orders-db')
    const { lease: reserved } = (await instanceOn(store, clock).hold(requestOf({ target: 'other-db' }), 'd')).stored
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(now(made)).toMatchObject({ state: 'revoked', cause: 'lockdown' })
    expect(now(reserved)).toMatchObject({ state: 'revoking', cause: 'lockdown', dueAt: reserved.dueAt })
    clock.time = Date.parse(reserved.dueAt)
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(now(reserved)).toMatchObject({ state: 'revoked', cause: 'lockdown' })
  })

  test('an expired lease whose sessions may finish a transaction has them ended at once', async () => {
    const finishing = { state: 'revoking', cause: 'expired', onExpiry: 'finish-transactions' } as const
    const dueAt = new Date(noon + 5 * minute).toISOString()
    const lease = await activeLease('orders-db', { ...finishing, lastError: 'sessions_busy', dueAt })
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    standing = [lockdown('everything')]
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(now(lease)).toMatchObject({ state: 'revoked', cause: 'lockdown' })
    expect(ended).toEqual([[lease.account, 'now']])
  })

  test('a lease whose revocation failed before waits for nothing', async () => {
    const dueAt = new Date(noon + 15 * minute).toISOString()
    const failing = {
      state: 'revoking',
      cause: 'released',
      attempts: 9,
      lastError: 'target_unavailable',
      dueAt,
    } as const
    const lease = await activeLease('orders-db', failing)
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    standing = [lockdown('everything')]
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(now(lease)).toMatchObject({ state: 'revoked' })
  })

  test('a lease that expires meanwhile ends for the lockdown, and at once', async () => {
    const lease = await activeLease('orders-db', { onExpiry: 'finish-transactions' })
    clock.time = Date.parse(lease.expiresAt)
    standing = [lockdown({ namespace: 'payments' })]
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(now(lease)).toMatchObject({ state: 'revoked', cause: 'lockdown' })
    expect(ended).toEqual([[lease.account, 'now']])
  })

  test('a lease that was given back keeps that as its cause', async () => {
    const lease = await activeLease('orders-db', {
      state: 'revoking',
      cause: 'released',
      dueAt: new Date(noon).toISOString(),
    })
    standing = [lockdown('everything')]
    await run()
    expect(now(lease)).toMatchObject({ state: 'revoked', cause: 'released' })
  })
})

test('without a lockdown that revokes leases, the live leases are not even read', async () => {
  await activeLease('orders-db')
  const searched = () => {
    throw new Error('expected no search')
  }
  expect(await run({ searchLive: searched })).toEqual({ revoked: 0, failed: 0, unreadable: [] })
})

describe('what is due is ended all the same', () => {
  test('where the lockdowns could be too old, and the run says so', async () => {
    const lease = await activeLease('orders-db')
    await activeLease('other-db', { dueAt: new Date(noon + 60 * minute).toISOString() })
    clock.time = Date.parse(lease.expiresAt)
    const lockdowns = () => Promise.reject(unavailable('snapshot_stale'))
    const told = { revoked: 1, failed: 0, unreadable: [], lockdownProblem: 'snapshot_stale' }
    expect(await run({ lockdowns })).toEqual(told)
    expect(now(lease)).toMatchObject({ state: 'revoked', cause: 'expired' })
  })

  test('where the live leases cannot be searched, and the run says so', async () => {
    const lease = await activeLease('orders-db')
    clock.time = Date.parse(lease.expiresAt)
    standing = [lockdown({ target: 'other-db' })]
    live = searchLive({
      // biome-ignore lint/correctness/useYield: it fails before it finds anything
      async *live() {
        throw unavailable('lease_unavailable')
      },
    })
    const told = { revoked: 1, failed: 0, unreadable: [], lockdownProblem: 'lease_unavailable' }
    expect(await run()).toEqual(told)
  })
})

describe('more leases than one run has time for', () => {
  async function manyLeases(count: number): Promise<void> {
    const lease = await activeLease('orders-db')
    store.leases.clear()
    const idOf = (index: number) => `${lease.slot}-${String(index).padStart(3, '0')}`
    for (let index = 0; index < count; index++) store.put({ ...lease, id: idOf(index) })
  }
  const statesOf = (state: Lease['state']) => [...store.leases.values()].filter(({ lease }) => lease.state === state)

  test('are ended by the next runs, each once', async () => {
    await manyLeases(100)
    standing = [lockdown('everything')]
    const time = new AbortController()
    meanwhile = () => {
      if (ended.length === 30) time.abort()
    }
    const first = await run({ signal: time.signal })
    expect(first.revoked).toBeGreaterThanOrEqual(30)
    expect(first.revoked).toBeLessThan(50)
    expect(await run()).toEqual({ revoked: 100 - first.revoked, failed: 0, unreadable: [] })
    expect(statesOf('revoked').length).toBe(100)
    expect(entries.length).toBe(100)
  })

  test('are searched on from where a run stopped, so that those which no lockdown names hide none', async () => {
    await manyLeases(100)
    const last = store.leases.get([...store.leases.keys()].at(-1) ?? '')?.lease
    if (!last) throw new Error('expected leases')
    store.put({ ...last, target: 'other-db' })
    standing = [lockdown({ target: 'other-db' })]
    let runs = 0
    for (; statesOf('revoked').length === 0; runs++) {
      // Time for two pages of ten.
      const time = new AbortController()
      let pages = 0
      const inTime = searchLiveOnce(() => {
        if (++pages === 2) time.abort()
      })
      await run({ signal: time.signal, searchLive: inTime })
      if (runs > 20) throw new Error('expected the search to go on')
    }
    // Nine pages by the first five, and the tenth by one that has time left for what is on it.
    expect(runs).toBe(6)
  })

  /** The one search of this test, which tells when it comes to a page. */
  function searchLiveOnce(onPage: () => void): SearchLive {
    paging = onPage
    return paged
  }
  let paging = () => {}
  const paged = searchLive({
    async *live(from) {
      for await (const page of store.live(from)) {
        paging()
        yield page
      }
    },
  })
})

test('where Cosmos DB does not know the place any more, the next search begins at the start', async () => {
  await activeLease('orders-db')
  const asked: (string | undefined)[] = []
  const search = searchLive({
    async *live(from) {
      asked.push(from)
      if (from !== undefined) throw unavailable('lease_unavailable')
      yield { leases: [...store.leases.values()], next: 'a place' }
    },
  })
  const time = new AbortController()
  for await (const _ of search(time.signal)) time.abort()
  const { signal } = new AbortController()
  await expect(search(signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ reason: 'lease_unavailable' })
  await search(signal)[Symbol.asyncIterator]().next()
  expect(asked).toEqual([undefined, 'a place', undefined])
})
