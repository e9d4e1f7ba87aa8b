import { beforeEach, describe, expect, test } from 'vitest'
import type { Lease } from '../../shared/leases/lease.ts'
import type { Target } from '../../shared/targets/target.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { failureOf } from '../workload/tokens.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

let store: LeaseMemory
let clock: Clock

beforeEach(() => {
  store = leaseMemory()
  clock = { time: noon }
})

/** The lease of another pod each time, made by an instance of its own unless one is given. */
async function lease(pod: number, budgets: Target['budgets'], instance = instanceOn(store, clock)): Promise<Lease> {
  const workload = { ...paymentsApi, pod: { name: `api-${pod}`, uid: `uid-${pod}` } }
  return (await instance.hold(requestOf({ workload, budgets }), `decision-${pod}`)).stored.lease
}

describe('a budget of live accounts', () => {
  const budgets = { liveAccounts: 3 }

  test('refuses the account that is one too many, before anything is written', async () => {
    for (const pod of [1, 2, 3]) await lease(pod, budgets)
    const failure = await failureOf(lease(4, budgets))
    expect(failure).toMatchObject({ code: 'slow_down', reason: 'accounts_over_budget', retryAfter: 30 })
    expect(store.leases.size).toBe(3)
    expect(store.asked.filter(what => what === 'create')).toHaveLength(3)
  })

  test('holds within one instance, which counts what it makes itself', async () => {
    const instance = instanceOn(store, clock)
    for (const pod of [1, 2, 3]) await lease(pod, budgets, instance)
    await expect(lease(4, budgets, instance)).rejects.toMatchObject({ reason: 'accounts_over_budget' })
  })

  test('holds when twenty ask one instance at once', async () => {
    const instance = instanceOn(store, clock)
    const asked = await Promise.allSettled(Array.from({ length: 20 }, (_, pod) => lease(pod, budgets, instance)))
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(store.leases.size).toBe(3)
  })

  test('never refuses a live lease to whom it is', async () => {
    for (const pod of [1, 2, 3]) await instanceOn(store, clock).activate(await held(pod))
    expect((await lease(2, budgets)).state).toBe('active')

    function held(pod: number) {
      const workload = { ...paymentsApi, pod: { name: `api-${pod}`, uid: `uid-${pod}` } }
      return instanceOn(store, clock).hold(requestOf({ workload, budgets }), `decision-${pod}`)
    }
  })

  test('counts an account whose end has not been seen', async () => {
    for (const pod of [1, 2, 3]) store.put({ ...(await lease(pod, budgets)), state: 'revoking' })
    await expect(lease(4, budgets)).rejects.toMatchObject({ reason: 'accounts_over_budget' })
    for (const { lease } of [...store.leases.values()].slice(0, 1)) store.put({ ...lease, state: 'revoked' })
    expect((await lease(4, budgets)).state).toBe('reserved')
  })

  test("is the target's own", async () => {
    for (const pod of [1, 2, 3]) await lease(pod, budgets)
    const other = requestOf({ target: 'stock-db', budgets })
    expect((await instanceOn(store, clock).hold(other, 'decision')).mustMint).toBe(true)
  })
})

describe('a budget of mints per minute', () => {
  const budgets = { mintsPerMinute: 2 }

  test('refuses the third within a minute, however short the first two lived', async () => {
    for (const pod of [1, 2]) store.put({ ...(await lease(pod, budgets)), state: 'revoked' })
    const failure = await failureOf(lease(3, budgets))
    expect(failure).toMatchObject({ code: 'slow_down', reason: 'mints_over_budget', retryAfter: 15 })
    clock.time += minute + 1
    expect((await lease(3, budgets)).state).toBe('reserved')
  })
})

describe('a lease that nothing was made for', () => {
  const budgets = { liveAccounts: 2, mintsPerMinute: 2 }

  test('is no account, and takes no room until it is taken up again', async () => {
    const instance = instanceOn(store, clock)
    for (const pod of [1, 2]) await instance.abandon(await instance.hold(asked(pod), 'decision'), 'nothing')
    for (const pod of [3, 4]) await lease(pod, budgets)
    await expect(lease(1, budgets)).rejects.toMatchObject({ reason: 'accounts_over_budget' })
  })

  test('and is one more mint when it is, however long ago it was created', async () => {
    const instance = instanceOn(store, clock)
    for (const pod of [1, 2, 3]) {
      const held = await instance.hold(asked(pod, { mintsPerMinute: 5 }), 'decision')
      await instance.abandon(held, 'nothing')
    }
    clock.time += 2 * minute
    const again = [1, 2, 3].map(pod => lease(pod, { mintsPerMinute: 2 }))
    const outcomes = await Promise.allSettled(again)
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
    await expect(lease(9, { mintsPerMinute: 2 })).rejects.toMatchObject({ reason: 'mints_over_budget' })
  })

  function asked(pod: number, given: Target['budgets'] = budgets) {
    const workload = { ...paymentsApi, pod: { name: `api-${pod}`, uid: `uid-${pod}` } }
    return requestOf({ workload, budgets: given })
  }
})

test('without a budget nothing is counted', async () => {
  store.burdenOf = storeDown
  expect((await lease(1, {})).state).toBe('reserved')
})

test('a count that fails lets nothing be made, and is made again', async () => {
  const { burdenOf } = store
  store.burdenOf = storeDown
  const instance = instanceOn(store, clock)
  await expect(lease(1, { liveAccounts: 5 }, instance)).rejects.toMatchObject({ reason: 'lease_unavailable' })
  expect(store.leases.size).toBe(0)
  store.burdenOf = burdenOf
  expect((await lease(1, { liveAccounts: 5 }, instance)).state).toBe('reserved')
})
