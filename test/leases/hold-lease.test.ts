import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Secret } from '../../shared/credentials/secret.ts'
import type { HeldLease, Leases } from '../../shared/leases/hold-lease.ts'
import { slotAt } from '../../shared/leases/slot.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

let store: LeaseMemory
let clock: Clock
let leases: Leases
/** Another instance of the gateway, with a cache of its own. */
let other: Leases

beforeEach(() => {
  store = leaseMemory()
  // The beginning of a window, so that none ends within a test that does not mean it.
  clock = { time: slotAt({ ...requestOf(), deployment: 'test' }, noon).windowEnd }
  leases = instanceOn(store, clock)
  other = instanceOn(store, clock)
})

const hold = (by = leases) => by.hold(requestOf(), 'decision-1')

async function holdActive(by = leases): Promise<HeldLease> {
  const held = await hold(by)
  await by.activate(held)
  return held
}

/** What the minter's instance does while somebody waits. */
function activateMeanwhile(): void {
  const lease = store.only()
  store.put({ ...lease, state: 'active', dueAt: lease.expiresAt })
}

describe('the first to ask', () => {
  test('reserves the lease and makes the account, within ten seconds', async () => {
    const held = await hold()
    expect(held).toMatchObject({ mustMint: true, expiresAt: clock.time + 15 * minute })
    expect(held.refreshAt).toBe(clock.time + 7.5 * minute)
    expect(store.only()).toMatchObject({
      state: 'reserved',
      generation: 0,
      keyVersion: '2',
      decision: 'decision-1',
      mintUntil: new Date(clock.time + 10_000).toISOString(),
      dueAt: new Date(clock.time + 13_000).toISOString(),
      workload: { issuer: 'aks-prod-weu', podUid: 'uid-of-pod' },
      rules: [{ id: 'payments-reads' }],
    })
    expect(held.account).toMatchObject({ name: store.only().account, scopes: [{ role: 'orders_read' }] })
    expect(held.account.name).toMatch(/^cw_test_[a-z2-7]{16}$/)
  })

  test('leaves no secret in the lease, and shows none when the lease is printed', async () => {
    const held = await holdActive()
    const text = held.secret.reveal()
    expect(JSON.stringify(store.only()) + JSON.stringify(held) + inspect(held, { depth: 9 })).not.toContain(text)
  })

  test('keeps on which server the account was made, for whoever ends it', async () => {
    await leases.activate(await hold(), 'server-1')
    expect(store.only()).toMatchObject({ state: 'active', server: 'server-1' })
    expect((await hold()).account).toMatchObject({ server: 'server-1' })
  })

  test('makes the lease active, and due when it expires', async () => {
    await holdActive()
    expect(store.only()).toMatchObject({ state: 'active', dueAt: store.only().expiresAt })
  })
})

describe('who asks again', () => {
  test('gets the same account and secret without asking the store', async () => {
    const first = await holdActive()
    store.asked.length = 0
    const again = await hold()
    expect(again).toMatchObject({ mustMint: false, account: first.account, expiresAt: first.expiresAt })
    expect(again.secret.reveal()).toBe(first.secret.reveal())
    expect(store.asked).toEqual([])
  })

  test('of another instance gets it after one create that fails and one read, and then from memory', async () => {
    const first = await holdActive()
    store.asked.length = 0
    const [again, third] = [await hold(other), await hold(other)]
    expect(store.asked).toEqual(['create', 'read'])
    for (const held of [again, third]) expect(held.secret.reveal()).toBe(first.secret.reveal())
  })

  test('costs one read where the instance knew it longer ago than it may trust that', async () => {
    await holdActive()
    store.asked.length = 0
    // The cache looks at its clock once a millisecond.
    await setTimeout(5)
    const later = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + minute)
    onTestFinished(() => later.mockRestore())
    await hold()
    expect(store.asked).toEqual(['read'])
  })

  test('trusts what was read for no longer because the answer was late', async () => {
    await holdActive()
    const begun = performance.now()
    const clocks = vi.spyOn(performance, 'now').mockReturnValue(begun)
    onTestFinished(() => clocks.mockRestore())
    // The answer takes ten seconds: five of the fifteen are left.
    store.before('read', () => void clocks.mockReturnValue(begun + 10_000))
    await hold(other)
    store.asked.length = 0
    await setTimeout(5)
    clocks.mockReturnValue(begun + 15_001)
    await hold(other)
    expect(store.asked).toEqual(['read'])
  })

  test('in the next window gets another lease', async () => {
    const first = await holdActive()
    clock.time = first.refreshAt
    expect((await hold()).stored.lease.slot).not.toBe(first.stored.lease.slot)
  })

  test('after the lease was given back gets the next generation', async () => {
    const { stored } = await holdActive()
    const found = await leases.findHeld(new Secret(stored.lease.id), paymentsApi)
    if (!found) throw new Error('expected to find the lease')
    await leases.release(found)
    expect(store.only()).toMatchObject({
      state: 'revoking',
      cause: 'released',
      dueAt: new Date(clock.time).toISOString(),
    })
    expect((await hold()).stored.lease.generation).toBe(1)
  })
})

test('who asks while a lease is being given back gets the next generation, and never the old one from memory', async () => {
  const { stored } = await holdActive()
  const found = await leases.findHeld(new Secret(stored.lease.id), paymentsApi)
  if (!found) throw new Error('expected to find the lease')
  let meanwhile: Promise<HeldLease> | undefined
  store.before('replace', () => {
    meanwhile = hold()
  })
  await leases.release(found)
  await meanwhile
  expect((await hold()).stored.lease.generation).toBe(1)
})

describe('two who ask at once', () => {
  test('make one account: whoever loses the create describes it once it is there', async () => {
    const winner = await hold(other)
    store.leases.clear()
    store.before('create', () => store.put(winner.stored.lease))
    store.before('read', activateMeanwhile)
    const loser = await hold()
    expect(loser.mustMint).toBe(false)
    expect(loser.secret.reveal()).toBe(winner.secret.reveal())
    expect(store.leases.size).toBe(1)
  })

  test('of ten, exactly one makes the account', async () => {
    const asking = Array.from({ length: 10 }, () => instanceOn(store, { time: clock.time }))
    const held = await Promise.allSettled(asking.map(hold))
    const minters = held.filter(outcome => outcome.status === 'fulfilled' && outcome.value.mustMint)
    expect(minters.length).toBe(1)
    expect(store.leases.size).toBe(1)
  })

  test('one waits while the other makes it', async () => {
    const minter = await hold(other)
    store.before('read', () => {})
    store.before('read', () => {})
    store.before('read', activateMeanwhile)
    const waited = await hold()
    expect(waited).toMatchObject({ mustMint: false, account: { name: minter.account.name } })
  })

  test('one waits about three seconds and is then told to come back', async () => {
    await hold(other)
    const startedAt = clock.time
    await expect(hold()).rejects.toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'lease_pending',
      retryAfter: 1,
    })
    expect(clock.time - startedAt).toBe(3_000)
    expect(store.only().state).toBe('reserved')
  })
})

describe('a lease whose minter died', () => {
  test('is on its way out, and the next generation, another account and secret, takes its place', async () => {
    const dead = await hold(other)
    clock.time += 10_000
    const next = await hold()
    expect(next).toMatchObject({ mustMint: true, stored: { lease: { generation: 1 } } })
    expect(store.leases.get(dead.stored.lease.id)?.lease).toMatchObject({ state: 'revoking', cause: 'lapsed' })
    expect(next.account.name).not.toBe(dead.account.name)
    expect(next.secret.reveal()).not.toBe(dead.secret.reveal())
  })

  test('never becomes active afterwards: the late minter releases nothing', async () => {
    const late = await hold(other)
    clock.time += 10_000
    await hold()
    await expect(other.activate(late)).rejects.toMatchObject({ code: 'temporarily_unavailable', reason: 'lease_lost' })
    expect((await hold(other).catch(error => error)).reason).toBe('lease_pending')
  })

  test('but just in time, while another was about to give it up, is described and not made a second time', async () => {
    const late = await hold(other)
    clock.time += 10_000
    store.before('replace', activateMeanwhile)
    const found = await hold()
    expect(found).toMatchObject({ mustMint: false, stored: { lease: { generation: 0 } } })
    expect(found.secret.reveal()).toBe(late.secret.reveal())
    expect(store.leases.size).toBe(1)
  })

  test('is not given up a millisecond too early', async () => {
    await hold(other)
    clock.time += 9_999 - 3_000
    await expect(hold()).rejects.toMatchObject({ reason: 'lease_pending' })
    expect(store.only().state).toBe('reserved')
  })
})

describe('a mint that failed', () => {
  test('certainly without an account: the next exchange tries under the same generation', async () => {
    const first = await hold()
    await leases.abandon(first, 'nothing')
    expect(store.only()).toMatchObject({ state: 'reserved', vacant: true })
    clock.time += minute
    const second = await hold(other)
    expect(second).toMatchObject({ mustMint: true, account: { name: first.account.name } })
    expect(store.only()).toMatchObject({ vacant: false, mintUntil: new Date(clock.time + 10_000).toISOString() })
  })

  test('certainly without an account: the lease names the decision of the exchange that tried again', async () => {
    await leases.abandon(await leases.hold(requestOf(), 'decision-1'), 'nothing')
    await other.hold(requestOf(), 'decision-2')
    expect(store.only().decision).toBe('decision-2')
  })

  test('certainly without an account: of two who try again, one makes it', async () => {
    await leases.abandon(await hold(), 'nothing')
    const settled = await Promise.allSettled([hold(), hold(other)])
    expect(settled.filter(one => one.status === 'fulfilled' && one.value.mustMint).length).toBe(1)
  })

  test('unclearly: the account is ended as soon as nobody may make it any more, and another takes its place', async () => {
    const first = await hold()
    await leases.abandon(first, 'unclear')
    const { dueAt } = first.stored.lease
    expect(store.only()).toMatchObject({ state: 'revoking', cause: 'failed', dueAt })
    expect((await hold()).stored.lease.generation).toBe(1)
  })

  test('is no second failure where the store is down too: the lease lapses', async () => {
    const held = await hold()
    store.before('replace', storeDown)
    await expect(leases.abandon(held, 'unclear')).resolves.toBe(undefined)
    expect(store.only().state).toBe('reserved')
  })

  test('eight times in a window: no more accounts, until the window ends', async () => {
    for (let time = 0; time < 8; time++) await leases.abandon(await hold(), 'unclear')
    await expect(hold()).rejects.toMatchObject({ code: 'slow_down', reason: 'lease_generations', retryAfter: 450 })
    expect(store.leases.size).toBe(8)
    clock.time += 450_000
    expect((await hold()).mustMint).toBe(true)
  })
})

test('a lease that could not be made active is not remembered as live', async () => {
  const held = await hold()
  store.before('replace', storeDown)
  await expect(leases.activate(held)).rejects.toMatchObject({ reason: 'lease_unavailable' })
  await expect(hold()).rejects.toMatchObject({ reason: 'lease_pending' })
})

test('a lease keeps the derivation key that it names when the key is rotated', async () => {
  const old = { ...(await holdActive()).stored.lease, keyVersion: '1' }
  store.put({ ...old, state: 'active' })
  const [one, two] = [await hold(other), await hold(instanceOn(store, clock))]
  expect(one.secret.reveal()).toBe(two.secret.reveal())
  expect(one.secret.reveal()).not.toBe((await hold(leases)).secret.reveal())
})
