import { beforeEach, describe, expect, test } from 'vitest'
import { accountForm } from '../../shared/account-form.ts'
import type { Minter } from '../../shared/credentials/credential-provider.ts'
import type { DecisionEntry, ReconciliationEntry } from '../../shared/decisions/record.ts'
import { unavailable } from '../../shared/errors.ts'
import { accountName, ownNames } from '../../shared/leases/account-name.ts'
import type { MintingTarget } from '../../shared/leases/find-strays.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { type ReconciliationRun, reconcile } from '../../shared/leases/reconcile.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

const form = { ...accountForm.parse({}), longestName: 63 }
const evidence = { sessionsEnded: 1, absent: true as const, at: '2026-06-01T12:00:00.000Z' }

let store: LeaseMemory
let clock: Clock
/** The accounts of each server, by target. */
let servers: Map<string, Set<string>>
let entries: { readonly at: number; readonly entry: ReconciliationEntry }[]
let removals: string[]
let unasked: Set<string>

beforeEach(() => {
  store = leaseMemory()
  clock = { time: noon }
  servers = new Map([['orders-db', new Set()]])
  entries = []
  removals = []
  unasked = new Set()
})

const ordersDb = () => servers.get('orders-db') ?? new Set<string>()
const reconciliation = (entry: DecisionEntry) => entry as ReconciliationEntry
const outcomes = () => entries.map(({ entry }) => entry.outcome)

function minterOf(accounts: Set<string>): Minter<unknown> {
  const unused = () => {
    throw new Error('a reconciler neither mints nor describes')
  }
  return {
    mint: unused,
    describe: unused,
    async *accounts(prefix) {
      for (const name of accounts) if (name.startsWith(prefix)) yield { name }
    },
    async revoke({ name }) {
      removals.push(name)
      accounts.delete(name)
      return evidence
    },
    close: async () => {},
  }
}

async function* targets(): AsyncGenerator<MintingTarget> {
  for (const [id, accounts] of servers) yield { id, minter: minterOf(accounts), names: ownNames(form, 'test') }
}

function run(overrides: Partial<Parameters<typeof reconcile>[0]> = {}): Promise<ReconciliationRun> {
  const sightings = {
    async between(from: number, to: number) {
      const seen = entries.filter(({ at, entry }) => at >= from && at <= to && entry.outcome === 'seen')
      return new Set(seen.flatMap(({ entry }) => entry.strays.map(({ account }) => account)))
    },
  }
  const write = async (entry: DecisionEntry) => {
    entries.push({ at: clock.time, entry: reconciliation(entry) })
    return { stream: 'hour/boot/0', id: '1' }
  }
  const { signal } = new AbortController()
  const now = () => clock.time
  return reconcile({ targets, store, unasked, sightings, decisions: { write }, now, signal, ...overrides })
}

async function runTwice(): Promise<ReconciliationRun> {
  await run()
  clock.time += 60 * minute
  return run()
}

/** Live leases of so many pods, each with its account. */
async function live(count: number): Promise<readonly Lease[]> {
  const made: Lease[] = []
  for (let pod = 0; pod < count; pod++) {
    const workload = { ...paymentsApi, pod: { name: `api-${pod}`, uid: `uid-${pod}` } }
    const { lease } = (await instanceOn(store, clock).hold(requestOf({ workload }), 'decision')).stored
    ordersDb().add(lease.account)
    made.push(lease)
  }
  return made
}

/** What an account of this deployment is called. */
function ownName(lease: string): string {
  return accountName({ form, deployment: 'test', lease, workload: paymentsApi })
}

/** An account of this deployment of which there is no lease. */
function stray(number: number): string {
  const name = ownName(`stray.${number}`)
  ordersDb().add(name)
  return name
}

describe('an account without a lease', () => {
  test('is removed by the second run that sees it, with its evidence on record', async () => {
    await live(9)
    const account = stray(1)
    expect(await run()).toMatchObject({ accounts: 10, strays: 1, removed: 0, held: [] })
    clock.time += 60 * minute
    const second = await run()
    expect(second).toMatchObject({ strays: 1, removed: 1 })
    expect(removals).toEqual([account])
    expect(outcomes()).toEqual(['seen', 'seen', 'removed'])
    expect(entries.at(-1)?.entry.strays).toEqual([
      { account, target: 'orders-db', lease: 'none', evidence: { ...evidence, run: second.run } },
    ])
    expect(await run()).toMatchObject({ accounts: 9, strays: 0 })
  })

  test('is not removed by two runs at once', async () => {
    await live(9)
    stray(1)
    await Promise.all([run(), run()])
    await run()
    expect(removals).toEqual([])
  })

  test('is not removed where it was last seen so long ago that it may have been another', async () => {
    await live(9)
    stray(1)
    await run()
    clock.time += 4 * 60 * minute
    await run()
    expect(removals).toEqual([])
  })
})

describe('an account with a lease stays', () => {
  test.each(['reserved', 'active', 'revoking'] as const)('that is %s', async state => {
    const [first] = await live(1)
    if (first) store.put({ ...first, state })
    await runTwice()
    expect(removals).toEqual([])
    expect(entries).toEqual([])
  })

  test('of whichever target', async () => {
    servers.set('stock-db', new Set((await live(2)).map(({ account }) => account)))
    await runTwice()
    expect(removals).toEqual([])
  })

  test('unless that was revoked: then it came back from the dead', async () => {
    const [first] = await live(1)
    if (first) store.put({ ...first, state: 'revoked' })
    expect(await runTwice()).toMatchObject({ removed: 1, held: [] })
    expect(entries.at(-1)?.entry.strays[0]).toMatchObject({ lease: 'revoked' })
  })

  test('and so does one that is not of this deployment, whatever it begins with', async () => {
    await live(9)
    for (const name of ['postgres', 'cw_test_admin', 'cw_test2_abcdefghijklmnop', 'cw_other_abcdefghijklmnop'])
      ordersDb().add(name)
    expect(await runTwice()).toMatchObject({ accounts: 9, strays: 0 })
  })
})

describe('a server that leases alone name', () => {
  const prefix = 'old_test_'
  const isOwn = (name: string) => name.startsWith(prefix)

  /** A server that no target names any more, with these accounts. */
  function withSite(accounts: Set<string>, minter = minterOf(accounts)) {
    return async function* () {
      yield* targets()
      yield { id: 'old-db', minter, names: { prefix, isOwn }, onlyRevoked: true }
    }
  }

  test('loses the accounts that came back from the dead, and no other', async () => {
    const [lease] = await live(1)
    if (lease) store.put({ ...lease, id: 'old', account: 'old_test_back', state: 'revoked' })
    if (lease) store.put({ ...lease, id: 'older', account: 'old_test_active', state: 'active' })
    const sites = withSite(new Set(['old_test_back', 'old_test_active', 'old_test_unknown', 'other']))
    await run({ targets: sites })
    clock.time += 60 * minute
    const found = await run({ targets: sites })
    expect(found).toMatchObject({ accounts: 2, strays: 1, removed: 1, held: [], failed: {} })
    expect(removals).toEqual(['old_test_back'])
  })

  test('is no failure where it cannot be asked: it may be gone for good', async () => {
    const gone: Minter<unknown> = {
      ...minterOf(new Set()),
      // biome-ignore lint/correctness/useYield: it fails before it could
      async *accounts() {
        throw unavailable('target_unavailable')
      },
    }
    expect(await run({ targets: withSite(new Set(), gone) })).toMatchObject({ failed: {}, complete: true })
    expect(unasked).toEqual(new Set())
  })

  test('takes no stray from a target that names the same one', async () => {
    await live(9)
    const account = stray(1)
    async function* both(): AsyncGenerator<MintingTarget> {
      const names = { prefix: 'cw_test_', isOwn: (name: string) => name.startsWith('cw_test_') }
      const site = { id: 'orders-db', minter: minterOf(ordersDb()), names, onlyRevoked: true }
      yield site
      yield* targets()
      yield site
    }
    await run({ targets: both })
    clock.time += 60 * minute
    expect(await run({ targets: both })).toMatchObject({ accounts: 10, strays: 1, removed: 1 })
    expect(removals).toEqual([account])
  })
})

describe('too many strays to believe it', () => {
  test('an emptied container: nothing is removed, and it is on record', async () => {
    await live(8)
    store.leases.clear()
    expect(await runTwice()).toMatchObject({ strays: 8, removed: 0, held: ['orders-db'] })
    expect(removals).toEqual([])
    expect(outcomes()).toEqual(['held', 'held'])
  })

  test('more than ten, of however many accounts', async () => {
    await live(100)
    for (let number = 0; number < 11; number++) stray(number)
    expect(await runTwice()).toMatchObject({ removed: 0, held: ['orders-db'] })
    ordersDb().delete(stray(0))
    expect(await runTwice()).toMatchObject({ removed: 10, held: [] })
  })

  test('more than a fifth of ten accounts or more', async () => {
    await live(8)
    for (const number of [1, 2, 3]) stray(number)
    expect(await runTwice()).toMatchObject({ accounts: 11, removed: 0, held: ['orders-db'] })
    await live(12)
    expect(await runTwice()).toMatchObject({ accounts: 23, removed: 3, held: [] })
  })

  test('more than half of fewer than ten', async () => {
    await live(3)
    for (const number of [1, 2, 3]) stray(number)
    expect(await runTwice()).toMatchObject({ accounts: 6, removed: 3, held: [] })
    for (const number of [1, 2, 3, 4]) stray(number)
    expect(await runTwice()).toMatchObject({ accounts: 7, removed: 0, held: ['orders-db'] })
  })

  test('on one server: those of another are removed, whoever made the first ones', async () => {
    await live(9)
    const account = stray(1)
    const forged = Array.from({ length: 11 }, (_, index) => ownName(`forged.${index}`))
    servers.set('other-db', new Set(forged))
    expect(await runTwice()).toMatchObject({ accounts: 21, strays: 12, removed: 1, held: ['other-db'] })
    expect(removals).toEqual([account])
    const held = entries.find(({ entry }) => entry.outcome === 'held')?.entry
    expect(held).toMatchObject({ accounts: 11, strays: forged.map(name => ({ account: name, target: 'other-db' })) })
  })

  test('but those whose leases say that they were revoked are ended, however many: a server was restored', async () => {
    const back = await live(12)
    for (const lease of back) store.put({ ...lease, state: 'revoked' })
    for (let number = 0; number < 8; number++) stray(number)
    expect(await runTwice()).toMatchObject({ strays: 20, removed: 12, held: ['orders-db'] })
    expect(removals.toSorted()).toEqual(back.map(({ account }) => account).toSorted())
  })

  test('two hundred are counted, and a hundred named', async () => {
    for (let number = 0; number < 200; number++) stray(number)
    await run()
    expect(entries[0]?.entry.strays).toHaveLength(100)
    expect(entries[0]?.entry.straysOmitted).toBe(100)
  })
})

describe('what fails', () => {
  test('a target that does not answer is named, and keeps no other waiting', async () => {
    await live(9)
    const account = stray(1)
    const down: Minter<unknown> = {
      ...minterOf(new Set()),
      // biome-ignore lint/correctness/useYield: it fails before it could
      async *accounts() {
        throw unavailable('target_unavailable')
      },
    }
    async function* withOneDown(): AsyncGenerator<MintingTarget> {
      yield { id: 'down-db', minter: down, names: ownNames(form, 'test') }
      yield { id: 'torn-db', problem: 'settings: expected object' }
      yield* targets()
    }
    await run({ targets: withOneDown })
    clock.time += 60 * minute
    const found = await run({ targets: withOneDown })
    expect(found.failed).toEqual({ 'down-db': 'target_unavailable', 'torn-db': 'target_unreadable' })
    expect(removals).toEqual([account])
  })

  test('a target that did not answer is asked after all others by the next run', async () => {
    const asked: string[] = []
    const isDown = (id: string): Minter<unknown> => ({
      ...minterOf(new Set()),
      // biome-ignore lint/correctness/useYield: it fails before it could
      async *accounts() {
        asked.push(id)
        if (id === 'down-db') throw unavailable('target_unavailable')
      },
    })
    async function* both(): AsyncGenerator<MintingTarget> {
      for (const id of ['down-db', 'well-db']) yield { id, minter: isDown(id), names: ownNames(form, 'test') }
    }
    await run({ targets: both })
    await run({ targets: both })
    expect(asked).toEqual(['down-db', 'well-db', 'well-db', 'down-db'])
  })

  test('leases that cannot be read: nothing is removed', async () => {
    await live(9)
    stray(1)
    await run()
    clock.time += 60 * minute
    store.statesOf = storeDown
    await expect(run()).rejects.toMatchObject({ reason: 'lease_unavailable' })
    expect(removals).toEqual([])
  })

  test('a record that cannot be written: nothing is removed', async () => {
    await live(9)
    stray(1)
    await run()
    clock.time += 60 * minute
    const decisions = { write: () => Promise.reject(unavailable('record_unavailable')) }
    await expect(run({ decisions })).rejects.toMatchObject({ reason: 'record_unavailable' })
    expect(removals).toEqual([])
  })

  test('no time is left: nothing is removed', async () => {
    await live(9)
    stray(1)
    await run()
    clock.time += 60 * minute
    expect(await run({ signal: AbortSignal.abort() })).toMatchObject({ removed: 0, complete: false })
    expect(removals).toEqual([])
  })
})
