import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Account, Minter, RevocationEvidence } from '../../shared/credentials/credential-provider.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import type { DecisionEntry } from '../../shared/decisions/record.ts'
import { unavailable } from '../../shared/errors.ts'
import type { LeftOut } from '../../shared/leases/cosmos-leases.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { absenceCountsFrom, locationOf, minting } from '../../shared/leases/lease-states.ts'
import { quotaPlaces } from '../../shared/leases/quota.ts'
import { type RevocationRun, revokeDue } from '../../shared/leases/revoke-due.ts'
import { searchLive } from '../../shared/leases/search-live.ts'
import { lockdownDocument } from '../../shared/workload/lockdown.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

const evidence: RevocationEvidence = { sessionsEnded: 2, absent: true, at: '2026-06-01T12:15:00.000Z' }

let store: LeaseMemory
let clock: Clock
let entries: DecisionEntry[]
/** The ids of the runs that there were. */
let runs: string[]
/** The accounts that were ended, in order. */
let ended: string[]
let revoke: (account: Account<unknown>) => Promise<RevocationEvidence>

type WhatCame = Omit<RevocationRun, 'run'>

beforeEach(() => {
  store = leaseMemory()
  clock = { time: noon }
  entries = []
  runs = []
  ended = []
  revoke = async () => evidence
})

function unused(): never {
  throw new Error('a revocation neither mints nor describes')
}

const minter: Minter<unknown> = {
  mint: unused,
  describe: unused,
  accounts: unused,
  revoke(account) {
    ended.push(account.name)
    return revoke(account)
  },
  close: async () => {},
}

/** One run, whose id goes to `runs`. */
async function run(overrides: Partial<Parameters<typeof revokeDue>[0]> = {}): Promise<WhatCame> {
  const { signal } = new AbortController()
  const write = async (entry: DecisionEntry) => ({ stream: 'hour/boot/0', id: String(entries.push(entry)) })
  const now = () => clock.time
  const places = quotaPlaces({ store: store.places, now })
  const steps = { store, places, decisions: { write }, minterOf: () => minter, now, signal }
  const { run: id, ...came } = await revokeDue({
    ...steps,
    lockdowns: async () => [],
    searchLive: searchLive(store),
    ...overrides,
  })
  runs.push(id)
  return came
}

async function activeLease(request = requestOf()): Promise<Lease> {
  const leases = instanceOn(store, clock)
  const held = await leases.hold(request, 'decision-1')
  await leases.activate(held)
  return held.stored.lease
}

async function reservedLease(): Promise<Lease> {
  return (await instanceOn(store, clock).hold(requestOf(), 'decision-1')).stored.lease
}

/** One of which it is certain that no account was made. */
async function vacantLease(request = requestOf()): Promise<Lease> {
  const leases = instanceOn(store, clock)
  const held = await leases.hold(request, 'decision-1')
  await leases.abandon(held, 'nothing')
  return held.stored.lease
}

function only(): Lease {
  return store.only()
}

describe('what is due is ended', () => {
  test('an expired lease: its account ended, the evidence recorded, then kept for a week', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(ended).toEqual([lease.account])
    expect(only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence, ttl: 7 * 86_400 })
    expect(entries).toMatchObject([
      {
        kind: 'revocation',
        outcome: 'revoked',
        lease: { id: lease.id, account: lease.account, cause: 'expired', evidence, reservedBy: 'decision-1' },
      },
    ])
    expect(JSON.stringify(entries)).not.toContain(lease.salt)
  })

  test('not a millisecond before it expires', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt) - 1
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect(ended).toEqual([])
  })

  test('a lease whose minter died, as lapsed: the account may be there all the same', async () => {
    const lease = await reservedLease()
    clock.time = absenceCountsFrom(lease)
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoked', cause: 'lapsed' })
  })

  test('a vacant lease, when its window is over', async () => {
    const { expiresAt } = await vacantLease()
    clock.time += minute
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    clock.time = Date.parse(expiresAt)
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(only().cause).toBe('expired')
  })

  test('a lease that was given back keeps that as its cause', async () => {
    const leases = instanceOn(store, clock)
    const held = await leases.hold(requestOf(), 'decision-1')
    await leases.activate(held)
    const found = await leases.findHeld(new Secret(held.stored.lease.id), requestOf().workload)
    if (!found) throw new Error('expected to find the lease')
    await leases.release(found)
    clock.time = absenceCountsFrom(held.stored.lease)
    await run()
    expect(only()).toMatchObject({ state: 'revoked', cause: 'released' })
  })

  test('once: what is revoked is never taken up again', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    await run()
    clock.time += 86_400_000
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect(ended.length).toBe(1)
  })

  test('while a late minter may still make the account, it counts as absent only when seen so afterwards', async () => {
    const lease = await reservedLease()
    store.put({ ...lease, state: 'revoking', cause: 'failed', dueAt: new Date(clock.time).toISOString() })
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', dueAt: new Date(absenceCountsFrom(lease)).toISOString() })
    expect(entries).toEqual([])
    clock.time = absenceCountsFrom(lease)
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(ended.length).toBe(2)
  })

  test.each([
    ['before a minter’s time was over', -20],
    ['within what clocks may differ after it', 2_999],
  ])('an account that was looked for %s is looked for again, however late the answer came', async (_, lookedAt) => {
    const lease = await reservedLease()
    clock.time = Date.parse(lease.mintUntil) + lookedAt
    store.put({ ...lease, state: 'revoking', cause: 'operator', dueAt: new Date(clock.time).toISOString() })
    revoke = async () => {
      clock.time += minute
      return evidence
    }
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect([only().state, only().evidence]).toEqual(['revoking', undefined])
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(ended.length).toBe(2)
  })
})

describe('a lease of which it is certain that nothing was made', () => {
  const isDead = () => Promise.reject(unavailable('target_unavailable'))
  const everything = lockdownDocument.parse({
    ...{ schema: 1, id: 'incident-7', blocks: 'everything', reason: 'stolen', revokeLeases: true },
  })

  test('ends without its server, and the evidence says so, in the lease and on record', async () => {
    const { id, expiresAt } = await vacantLease()
    clock.time = Date.parse(expiresAt)
    revoke = isDead
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    const seen = { absent: 'never-made', sessionsEnded: 0, run: runs[0], attempt: 1, at: expiresAt }
    expect(only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence: seen, ttl: 7 * 86_400 })
    expect(entries).toMatchObject([{ kind: 'revocation', lease: { id, evidence: seen } }])
    expect(ended).toEqual([])
  })

  test('also where its server has failed it before, and where more wait for that server than may', async () => {
    const vacant = await vacantLease()
    const other = await activeLease(requestOf({ scopes: ['write'] }))
    for (let index = 0; index < 200; index++) store.put({ ...other, id: `${other.slot}-${index}`, state: 'active' })
    clock.time = Date.parse(vacant.expiresAt) + minute
    store.put({ ...vacant, vacant: true, state: 'revoking', attempts: 9, dueAt: new Date(clock.time).toISOString() })
    revoke = isDead
    expect(await run()).toEqual({ revoked: 1, failed: 3, unreadable: [] })
    expect(store.leases.get(vacant.id)?.lease.state).toBe('revoked')
  })

  test('and however many there are', async () => {
    const lease = await vacantLease()
    clock.time = Date.parse(lease.expiresAt)
    store.leases.clear()
    const due = { ...lease, vacant: true, dueAt: lease.expiresAt }
    for (let index = 0; index < 1_200; index++) store.put({ ...due, id: `${lease.slot}-${index}` })
    expect(await run()).toEqual({ revoked: 1_200, failed: 0, unreadable: [] })
  })

  test('leaves its place under a quota to another', async () => {
    const { lease } = (await instanceOn(store, clock).hold(requestOf({ quota: 1 }), 'decision-1')).stored
    // Its minter could not free it.
    store.put({ ...lease, vacant: true, dueAt: lease.mintUntil })
    clock.time = Date.parse(lease.mintUntil)
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    const another = requestOf({ quota: 1, workload: { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } } })
    expect((await instanceOn(store, clock).hold(another, 'decision-2')).mustMint).toBe(true)
  })

  test('is left to an exchange that takes it again before it is claimed', async () => {
    const lease = await vacantLease()
    store.before('replace', () => store.put(minting(lease, clock.time)))
    expect(await run({ lockdowns: async () => [everything] })).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect(only()).toMatchObject({ state: 'reserved', vacant: false })
  })

  test('is not taken again once it is claimed: an exchange makes another account', async () => {
    const lease = await vacantLease()
    const write = async (entry: DecisionEntry) => {
      const { stored, mustMint } = await instanceOn(store, clock).hold(requestOf(), 'decision-2')
      expect([stored.lease.generation, mustMint]).toEqual([1, true])
      return { stream: 'hour/boot/0', id: String(entries.push(entry)) }
    }
    expect(await run({ lockdowns: async () => [everything], decisions: { write } })).toMatchObject({ revoked: 1 })
    expect(store.leases.get(lease.id)?.lease).toMatchObject({ state: 'revoked', cause: 'lockdown' })
    expect([...store.leases.values()].map(({ lease: { state } }) => state)).toEqual(['revoked', 'reserved'])
  })
})

describe('the evidence of a lease that was ended', () => {
  test('names the run that saw it, in the lease and on record', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    await run()
    expect(only().evidence).toEqual({ ...evidence, run: runs[0], attempt: 1 })
    expect(entries).toMatchObject([{ lease: { evidence: { run: runs[0], attempt: 1 } } }])
  })

  test('of one whose run died with it in hand is not that of a first look', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    revoke = () => new Promise(() => {})
    void run()
    await new Promise(setImmediate)
    revoke = async () => ({ ...evidence, sessionsFound: 0, sessionsEnded: 0 })
    clock.time += minute
    await run()
    expect(only().evidence).toMatchObject({ sessionsFound: 0, sessionsEnded: 0, attempt: 2, run: runs[0] })
  })

  test('counts the tries that failed', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    revoke = () => Promise.reject(unavailable('target_unavailable'))
    await run()
    clock.time += minute
    revoke = async () => evidence
    await run()
    expect(only().evidence).toMatchObject({ attempt: 2, run: runs[1] })
  })
})

describe('the place that a lease has under a quota', () => {
  const another = requestOf({ quota: 1, workload: { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } } })

  async function releasedLease(): Promise<void> {
    const leases = instanceOn(store, clock)
    const { stored } = await leases.hold(requestOf({ quota: 1 }), 'decision-1')
    store.put({ ...stored.lease, state: 'revoking', cause: 'released', dueAt: stored.lease.mintUntil })
    clock.time = absenceCountsFrom(stored.lease)
  }

  test('is free once the lease is revoked, and not while its account may be there', async () => {
    await releasedLease()
    revoke = () => Promise.reject(unavailable('target_unavailable'))
    expect(await run()).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    await expect(instanceOn(store, clock).hold(another, 'decision-2')).rejects.toMatchObject({
      reason: 'quota_exhausted',
    })
    revoke = async () => evidence
    clock.time += minute
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect((await instanceOn(store, clock).hold(another, 'decision-2')).mustMint).toBe(true)
  })

  test('is freed before the lease is revoked, since nobody looks at it afterwards', async () => {
    await releasedLease()
    store.places.isDown = true
    expect(await run()).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', cause: 'released', attempts: 1 })
    expect(entries).toEqual([])
    store.places.isDown = false
    clock.time += minute
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect((await instanceOn(store, clock).hold(another, 'decision-2')).mustMint).toBe(true)
  })
})

describe('what fails is tried again', () => {
  test('with waits that grow to a quarter of an hour, and it is never dropped', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    revoke = () => Promise.reject(unavailable('target_unavailable'))
    const waits: number[] = []
    for (let attempt = 1; attempt <= 30; attempt++) {
      expect(await run()).toEqual({ revoked: 0, failed: 1, unreadable: [] })
      expect(only()).toMatchObject({ state: 'revoking', attempts: attempt, lastError: 'target_unavailable' })
      expect(only().ttl).toBe(undefined)
      const dueAt = Date.parse(only().dueAt)
      waits.push((dueAt - clock.time) / 1000)
      clock.time = dueAt
    }
    expect(waits.slice(0, 8)).toEqual([15, 30, 60, 120, 240, 480, 900, 900])
    expect(new Set(waits.slice(8))).toEqual(new Set([900]))
    revoke = async () => evidence
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
  })

  test('and is left alone until then', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    revoke = () => Promise.reject(unavailable('target_unavailable'))
    await run()
    clock.time += 14_999
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
  })

  test('where the record cannot be written, the lease is not revoked', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    const write = () => Promise.reject(unavailable('record_unavailable'))
    expect(await run({ decisions: { write } })).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', lastError: 'record_unavailable' })
  })

  test('where its provider is not there any more, without the text of the error', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    const minterOf = () => {
      throw new Error('password=hunter2')
    }
    expect(await run({ minterOf })).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', lastError: 'internal' })
  })

  test('where even the failure cannot be written, the lease stays due', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    revoke = () => {
      store.before('replace', storeDown)
      return Promise.reject(unavailable('target_unavailable'))
    }
    expect(await run()).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', attempts: 0 })
    // Claimed for a minute by the run that failed, and by nobody after that.
    clock.time += minute
    revoke = async () => evidence
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
  })

  test('one that fails keeps no other from being ended', async () => {
    await activeLease()
    const second = await activeLease(requestOf({ target: 'other-db' }))
    clock.time = noon + 15 * minute
    revoke = ({ name }) =>
      name === second.account ? Promise.reject(unavailable('target_refused')) : Promise.resolve(evidence)
    expect(await run()).toEqual({ revoked: 1, failed: 1, unreadable: [] })
  })
})

test('a lease that cannot even be marked stays due, and keeps no other from being ended', async () => {
  await activeLease()
  await activeLease(requestOf({ target: 'other-db' }))
  clock.time = noon + 15 * minute
  store.before('replace', storeDown)
  expect(await run()).toEqual({ revoked: 1, failed: 1, unreadable: [] })
  expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
})

describe('a run', () => {
  test('ends everything that is due, however much', async () => {
    const lease = await activeLease()
    store.leases.clear()
    for (let index = 0; index < 350; index++)
      store.put({ ...lease, id: `${lease.slot}-${index}`, state: 'active', dueAt: lease.expiresAt })
    clock.time = Date.parse(lease.expiresAt)
    expect(await run()).toEqual({ revoked: 350, failed: 0, unreadable: [] })
    expect(entries.length).toBe(350)
  })

  test('tells of documents that are no leases, twenty at most, and ends the others', async () => {
    const lease = await activeLease()
    store.unreadable.push(...Array.from({ length: 25 }, (_, index) => `torn-${index}`))
    clock.time = Date.parse(lease.expiresAt)
    const { revoked, failed, unreadable } = await run()
    expect({ revoked, failed }).toEqual({ revoked: 1, failed: 0 })
    expect(unreadable).toEqual(store.unreadable.slice(0, 20))
  })
})

describe('a backlog of thousands', () => {
  const servers = { dead: { host: 'dead' }, well: { host: 'well' } }

  /** So many leases each of a server that cannot be reached and of one that can. Those of the dead one are longer overdue. */
  async function backlog(count: number, more: Partial<Lease> = {}): Promise<Lease> {
    const lease = await activeLease()
    store.leases.clear()
    for (const [name, settings] of Object.entries(servers)) {
      const dueAt = new Date(Date.parse(lease.expiresAt) - (name === 'dead' ? minute : 0)).toISOString()
      const location = locationOf({ ...lease, settings })
      for (let index = 0; index < count; index++) {
        const id = `${name}-${index}`
        store.put({ ...lease, id, account: id, state: 'active', settings, location, dueAt, ...more })
      }
    }
    clock.time = Date.parse(lease.expiresAt)
    revoke = async ({ name }) => {
      await new Promise(setImmediate)
      if (name.startsWith('dead')) throw unavailable('target_unavailable')
      return evidence
    }
    return lease
  }

  test('is ended in one run, but for what is on a server that cannot be reached', async () => {
    await backlog(1_500)
    expect(await run()).toEqual({ revoked: 1_500, failed: 3, unreadable: [] })
  })

  test('of leases for which no account was made is not read over and over', async () => {
    await backlog(1_500, { vacant: true })
    let read = 0
    async function* due(now: number, without: LeftOut) {
      for await (const one of store.due(now, without)) {
        read += 1
        yield one
      }
    }
    const replace: typeof store.replace = async (...changed) => {
      await new Promise(setImmediate)
      return store.replace(...changed)
    }
    expect(await run({ store: { ...store, due, replace } })).toEqual({ revoked: 3_000, failed: 0, unreadable: [] })
    expect(read).toBeLessThan(12_000)
  })

  test('and that of a server that cannot be reached is not read to its end', async () => {
    await backlog(1_500)
    let read = 0
    async function* due(now: number, without: LeftOut) {
      for await (const one of store.due(now, without)) {
        if ('lease' in one && one.lease.account.startsWith('dead')) read += 1
        yield one
      }
    }
    expect(await run({ store: { ...store, due } })).toMatchObject({ revoked: 1_500 })
    expect(read).toBeLessThan(200)
  })

  test('also where its documents do not tell where their accounts are', async () => {
    await backlog(600)
    for (const { lease } of [...store.leases.values()]) {
      const { location: _, ...older } = lease
      store.put(older)
    }
    expect(await run()).toEqual({ revoked: 600, failed: 3, unreadable: [] })
  })

  test('under a lockdown of everything: each ends, or is due where its server cannot be reached', async () => {
    await backlog(1_500, { dueAt: new Date(noon + 60 * minute).toISOString() })
    const everything = lockdownDocument.parse({
      ...{ schema: 1, id: 'incident-7', blocks: 'everything', reason: 'stolen', revokeLeases: true },
    })
    expect(await run({ lockdowns: async () => [everything] })).toEqual({ revoked: 1_500, failed: 3, unreadable: [] })
    const states = [...store.leases.values()].map(({ lease: { state, lockdown } }) => `${state} by ${lockdown}`)
    expect(new Set(states)).toEqual(new Set(['revoked by incident-7', 'revoking by incident-7', 'active by undefined']))
  })

  test('is left where there is no time for it', async () => {
    await backlog(600)
    const time = new AbortController()
    revoke = async () => {
      if (ended.length === 100) time.abort()
      return evidence
    }
    const { revoked } = await run({ signal: time.signal })
    expect(revoked).toBeGreaterThanOrEqual(100)
    expect(revoked).toBeLessThan(110)
  })
})

describe('servers that drop what is sent to them', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Leases of servers, one list after the other as they are due. */
  async function due(servers: Readonly<Record<string, { readonly count: number; readonly leases: number }>>) {
    const lease = await activeLease()
    store.leases.clear()
    let dueAt = noon
    for (const [name, { count, leases }] of Object.entries(servers)) {
      for (let number = 0; number < count * leases; number++) {
        const settings = { host: `${name}-${number % count}` }
        const id = `${settings.host}/${number}`
        const at = new Date(++dueAt).toISOString()
        store.put({ ...lease, id, account: id, state: 'active', settings, location: settings.host, dueAt: at })
      }
    }
    clock.time = Date.parse(lease.expiresAt)
  }

  /** A run of 50 seconds. A server that is dead takes six to fail, one that is well a tenth of one. */
  async function runBeside(): Promise<WhatCame> {
    const time = new AbortController()
    revoke = async ({ name }) => {
      const isDead = name.startsWith('dead')
      await new Promise(resolve => setTimeout(resolve, isDead ? 6_000 : 100))
      if (isDead) throw unavailable('target_unavailable')
      return evidence
    }
    setTimeout(() => time.abort(), 50_000)
    const running = run({ signal: time.signal })
    await vi.advanceTimersByTimeAsync(60_000)
    return running
  }

  test.each([
    ['a few', 4],
    ['more than may wait', 60],
  ])('keep none from those that are well, also where there are 150 of them with %s leases each', async (_, leases) => {
    await due({ dead: { count: 150, leases }, well: { count: 3, leases: 100 } })
    expect(await runBeside()).toMatchObject({ revoked: 300 })
  })
})

describe('two runs at once', () => {
  test('write one record of a lease that the first has in hand for less than a minute', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    let other: Promise<WhatCame> | undefined
    revoke = async () => {
      clock.time += 59_999
      other ??= run()
      await other
      return evidence
    }
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(await other).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect(entries.length).toBe(1)
    expect(ended).toEqual([lease.account])
  })

  test('leave no lease to a run that died with it in hand: the next takes it after a minute', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    revoke = () => new Promise(() => {})
    void run()
    await new Promise(setImmediate)
    expect(only()).toMatchObject({ state: 'revoking', dueAt: new Date(clock.time + minute).toISOString() })
    revoke = async () => evidence
    clock.time += minute
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
  })

  test('end a lease once, and one of them counts it', async () => {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    const came = await Promise.all([run(), run()])
    expect(came.map(({ revoked }) => revoked).toSorted()).toEqual([0, 1])
    expect(came.map(({ failed }) => failed)).toEqual([0, 0])
    expect(ended).toEqual([lease.account])
    expect(entries.length).toBe(1)
  })

  test('a lease that an exchange made active meanwhile is left to it', async () => {
    const lease = await reservedLease()
    clock.time = absenceCountsFrom(lease)
    store.before('replace', () => store.put({ ...lease, state: 'active', dueAt: lease.expiresAt }))
    expect(await run()).toEqual({ revoked: 0, failed: 0, unreadable: [] })
    expect(only().state).toBe('active')
    expect(ended).toEqual([])
  })
})

describe('a lease whose account an operator says is gone', () => {
  async function attested(): Promise<void> {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    store.put({ ...lease, state: 'revoking', cause: 'expired', attested: { reason: 'decommissioned' } })
  }

  test.each(['server_changed', 'target_unavailable', 'secret_not_found'] as const)(
    'ends by that where its server answers %s, and the evidence says by what',
    async reason => {
      await attested()
      revoke = () => Promise.reject(unavailable(reason))
      expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
      const seen = { absent: 'attested', sessionsEnded: 0, run: runs[0], at: new Date(clock.time).toISOString() }
      expect(only()).toMatchObject({ state: 'revoked', cause: 'attested', evidence: seen, ttl: 7 * 86_400 })
      expect(entries).toMatchObject([{ lease: { cause: 'attested', attested: { reason: 'decommissioned' } } }])
    },
  )

  test('ends by what is seen where its server can be asked', async () => {
    await attested()
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence })
  })

  test('stays where its server refuses: the account is there', async () => {
    await attested()
    revoke = () => Promise.reject(unavailable('target_refused'))
    expect(await run()).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', attempts: 1 })
  })

  test.each(['target_refused', 'sessions_busy'] as const)(
    'stays at a later outage too, once its server has answered %s',
    async reason => {
      await attested()
      revoke = () => Promise.reject(unavailable(reason))
      await run()
      clock.time = Date.parse(only().dueAt)
      revoke = () => Promise.reject(unavailable('target_unavailable'))
      await run()
      expect(only()).toMatchObject({ state: 'revoking', lastError: 'target_unavailable' })
      expect(only().attested).toBe(undefined)
    },
  )

  test.each(['28P01', 1040])('stays where its server answers that it does not let us in (%s)', async answer => {
    await attested()
    revoke = () => Promise.reject(unavailable('target_unavailable', { detail: { answer } }))
    await run()
    expect(only()).toMatchObject({ state: 'revoking', lastError: 'target_unavailable', lastDetail: { answer } })
    expect(only().attested).toBe(undefined)
  })

  test('stays while nobody can tell whether its server is there, and ends by that once it is known to be gone', async () => {
    await attested()
    revoke = () => Promise.reject(unavailable('target_unavailable', { detail: { answer: 'unknown' } }))
    expect(await run()).toEqual({ revoked: 0, failed: 1, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoking', attested: { reason: 'decommissioned' } })
    clock.time = Date.parse(only().dueAt)
    revoke = () => Promise.reject(unavailable('target_unavailable'))
    expect(await run()).toEqual({ revoked: 1, failed: 0, unreadable: [] })
    expect(only()).toMatchObject({ state: 'revoked', cause: 'attested' })
  })

  test('stays where the end of its run broke off the asking', async () => {
    await attested()
    const time = new AbortController()
    revoke = () => {
      time.abort()
      return Promise.reject(unavailable('target_unavailable'))
    }
    await run({ signal: time.signal })
    expect(only()).toMatchObject({ state: 'revoking', lastError: 'target_unavailable' })
  })

  test('ends by that once the log can be written again: its server said nothing to the contrary', async () => {
    await attested()
    revoke = () => Promise.reject(unavailable('target_unavailable'))
    await run({ decisions: { write: () => Promise.reject(unavailable('record_unavailable')) } })
    expect(only()).toMatchObject({ state: 'revoking', lastError: 'record_unavailable' })
    clock.time = Date.parse(only().dueAt)
    await run()
    expect(only()).toMatchObject({ state: 'revoked', cause: 'attested' })
  })
})

describe('a lease that is in hand when the time of its run is over', () => {
  async function cutOffAfter(milliseconds: number): Promise<void> {
    const lease = await activeLease()
    clock.time = Date.parse(lease.expiresAt)
    const time = new AbortController()
    revoke = async () => {
      clock.time += milliseconds
      time.abort()
      throw unavailable('deadline')
    }
    await run({ signal: time.signal })
  }

  test('is not stuck, and the next run looks again', async () => {
    await cutOffAfter(19_999)
    expect(only()).toMatchObject({ state: 'revoking', attempts: 0, lastError: 'deadline' })
    expect(Date.parse(only().dueAt)).toBe(clock.time + 15_000)
  })

  test('is stuck where it had time enough', async () => {
    await cutOffAfter(20_000)
    expect(only()).toMatchObject({ state: 'revoking', attempts: 1, lastError: 'deadline' })
  })
})

test('a run whose time is over takes up nothing more', async () => {
  const lease = await activeLease()
  clock.time = Date.parse(lease.expiresAt)
  expect(await run({ signal: AbortSignal.abort() })).toEqual({ revoked: 0, failed: 0, unreadable: [] })
  expect(only().state).toBe('active')
})

test('what a target says of a failure stays with its lease, for whoever looks why it is stuck', async () => {
  const { expiresAt } = await activeLease()
  clock.time = Date.parse(expiresAt)
  const detail = { problem: 'owns_objects', objects: 3 }
  revoke = () => Promise.reject(unavailable('target_refused', { detail }))
  await run()
  expect(only()).toMatchObject({ lastError: 'target_refused', lastDetail: detail })
})

test('a dead server keeps no lease of the same target waiting that is on another', async () => {
  const lease = await activeLease()
  store.leases.clear()
  const past = new Date(clock.time - minute).toISOString()
  const on = (host: string, name: string) => {
    const settings = { host }
    store.put({
      ...lease,
      id: name,
      account: name,
      settings,
      location: locationOf({ ...lease, settings }),
      dueAt: past,
    })
  }
  for (let index = 0; index < 300; index++) on('old', `dead-${index}`)
  clock.time += minute
  on('new', 'well')
  revoke = async ({ name }) => {
    if (name.startsWith('dead')) throw unavailable('target_unavailable')
    return evidence
  }
  expect(await run()).toMatchObject({ revoked: 1, failed: 3 })
  expect(store.leases.get('well')?.lease.state).toBe('revoked')
})
