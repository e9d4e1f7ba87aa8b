import { randomUUID } from 'node:crypto'
import type { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Minter } from '../../shared/credentials/credential-provider.ts'
import type { PostgresqlScope } from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import type { DecisionEntry } from '../../shared/decisions/record.ts'
import type { HeldLease, Leases } from '../../shared/leases/hold-lease.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { quotaPlaces } from '../../shared/leases/quota.ts'
import { type RevocationRun, revokeDue } from '../../shared/leases/revoke-due.ts'
import { searchLive } from '../../shared/leases/search-live.ts'
import { lockdownDocument } from '../../shared/workload/lockdown.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf } from '../leases/lease-store.ts'
import { minute, paymentsApi } from '../rules/facts.ts'
import { type Fixture, openMinter, openSession, startFixture, until } from './postgresql-fixture.ts'

let fixture: Fixture
let minter: Minter<PostgresqlScope>
let store: LeaseMemory
let clock: Clock
let leases: Leases
let entries: DecisionEntry[]
const { signal } = new AbortController()
const hour = 60 * minute

beforeAll(async () => {
  fixture = await startFixture()
  minter = openMinter(fixture)
})
afterAll(async () => {
  await minter?.close()
  await fixture?.stop()
})
beforeEach(() => {
  store = leaseMemory()
  clock = { time: Date.now() }
  leases = instanceOn(store, clock)
  entries = []
})

/** One run of the timer, by the simulated clock. */
function run(more: { readonly lockedDown?: true } = {}): Promise<RevocationRun> {
  const lockdown = { schema: 1, id: 'incident-7', blocks: 'everything', reason: 'stolen', revokeLeases: true }
  const now = () => clock.time
  return revokeDue({
    store,
    places: quotaPlaces({ store: store.places, now }),
    decisions: { write: async entry => ({ stream: 'hour/boot/0', id: String(entries.push(entry)) }) },
    minterOf: () => minter as Minter<unknown>,
    lockdowns: async () => (more.lockedDown ? [lockdownDocument.parse(lockdown)] : []),
    searchLive: searchLive(store),
    now,
    signal,
  })
}

interface Live {
  readonly held: HeldLease
  /** Its sessions, open. */
  readonly sessions: readonly [Client, Client]
}

async function liveLease(onExpiry: Lease['onExpiry'] = 'finish-transactions'): Promise<Live> {
  // A target of its own, and so an account that no other test has.
  const request = requestOf({ target: randomUUID(), meanings: [{ role: 'orders_write' }], onExpiry })
  const held = await leases.hold(request, 'decision-1')
  const account = { ...held.account, scopes: [{ role: 'orders_write' }] }
  const credential = await minter.mint(account, new Secret(held.secret.reveal()), signal)
  await leases.activate(held)
  return { held, sessions: [await openSession(credential), await openSession(credential)] }
}

const order = (session: Client, customer: string) =>
  session.query('INSERT INTO orders (customer, amount) VALUES ($1, 1)', [customer])

async function ordersOf(customer: string): Promise<number> {
  const query = 'SELECT FROM orders WHERE customer = $1'
  return (await fixture.superuser(client => client.query(query, [customer]))).rowCount ?? 0
}

const nothing = { revoked: 0, failed: 0, unreadable: [] }
const one = { revoked: 1, failed: 0, unreadable: [] }
const isEnded = (session: Client) => expect(session.query('SELECT')).rejects.toThrow()

describe('where a target lets transactions finish', () => {
  it('one that is open commits after the lease expired, and only then is its session ended', async () => {
    const { held, sessions } = await liveLease()
    const [busy, idle] = sessions
    await busy.query('BEGIN')
    await order(busy, 'before')
    clock.time = held.expiresAt
    expect(await run()).toEqual(nothing)
    await isEnded(idle)
    expect(entries).toEqual([])
    expect(store.only()).toMatchObject({ state: 'revoking', cause: 'expired', lastError: 'sessions_busy' })

    await order(busy, 'after')
    await busy.query('COMMIT')
    expect([await ordersOf('before'), await ordersOf('after')]).toEqual([1, 1])
    clock.time = Date.parse(store.only().dueAt)
    expect(await run()).toEqual(one)
    await isEnded(busy)
    expect(await fixture.roles(held.account.name)).toBe(0)
    expect(store.only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence: { sessionsEnded: 1 } })
    expect(entries).toMatchObject([{ outcome: 'revoked', lease: { cause: 'expired', evidence: { absent: true } } }])
  })

  it('no session begins any more while one finishes', async () => {
    const { held, sessions } = await liveLease()
    const credential = minter.describe({ ...held.account, scopes: [{ role: 'orders_write' }] }, held.secret)
    await sessions[0].query('BEGIN')
    clock.time = held.expiresAt
    await run()
    await expect(openSession(credential)).rejects.toMatchObject({ code: '28000' })
  })

  it('a session without one ends at once, and the account with it', async () => {
    const { held, sessions } = await liveLease()
    clock.time = held.expiresAt
    expect(await run()).toEqual(one)
    for (const session of sessions) await isEnded(session)
    expect(await fixture.roles(held.account.name)).toBe(0)
    expect(store.only()).toMatchObject({ state: 'revoked', evidence: { sessionsEnded: 2 } })
  })

  it('a single statement that is at work finishes too, and so does a transaction that failed', async () => {
    const { held, sessions } = await liveLease()
    const [working, failed] = sessions
    await failed.query('BEGIN; SAVEPOINT before')
    await expect(failed.query('SELECT 1/0')).rejects.toThrow()
    const { rows } = await working.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    // It ends once the superuser lets go of the lock that it waits for.
    await fixture.superuser(async client => {
      await client.query('BEGIN; SELECT pg_advisory_xact_lock(7)')
      const statement = working.query('SELECT pg_advisory_lock(7)')
      const waits = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'advisory'"
      await until(async () => (await client.query(waits, [rows[0]?.pid])).rowCount === 1)
      clock.time = held.expiresAt
      expect(await run()).toEqual(nothing)
      await client.query('COMMIT')
      await statement
    })
    await failed.query('ROLLBACK TO before; COMMIT')
    clock.time = Date.parse(store.only().dueAt)
    expect(await run()).toEqual(one)
  })

  it('one that never ends is waited for at every run, and ended after an hour', async () => {
    const { held, sessions } = await liveLease()
    await sessions[0].query('BEGIN')
    const waits: number[] = []
    for (clock.time = held.expiresAt; clock.time <= held.expiresAt + hour; clock.time += 10 * minute) {
      expect(await run()).toEqual(nothing)
      expect(store.only()).toMatchObject({ state: 'revoking', attempts: 0 })
      waits.push(Date.parse(store.only().dueAt) - clock.time)
    }
    expect(waits.length).toBe(7)
    expect(Math.max(...waits)).toBeLessThan(minute)
    await sessions[0].query('SELECT')
    clock.time = held.expiresAt + hour + minute
    expect(await run()).toEqual(one)
    await isEnded(sessions[0])
    expect(await fixture.roles(held.account.name)).toBe(0)
    expect(store.only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence: { sessionsEnded: 1 } })
  })

  it('a lease that is given back ends at once, whatever its sessions are doing', async () => {
    const { held, sessions } = await liveLease()
    await sessions[0].query('BEGIN')
    const found = await leases.findHeld(new Secret(held.stored.lease.id), paymentsApi)
    if (!found) throw new Error('expected to find the lease')
    await leases.release(found)
    clock.time = Date.parse(held.stored.lease.mintUntil)
    expect(await run()).toEqual(one)
    await isEnded(sessions[0])
    expect(store.only()).toMatchObject({ state: 'revoked', cause: 'released', evidence: { sessionsEnded: 2 } })
  })

  it('a lockdown ends one that was left to finish, at once', async () => {
    const { held, sessions } = await liveLease()
    await sessions[0].query('BEGIN')
    clock.time = held.expiresAt
    expect(await run()).toEqual(nothing)
    expect(await run({ lockedDown: true })).toEqual(one)
    await isEnded(sessions[0])
    expect(store.only()).toMatchObject({ state: 'revoked', cause: 'lockdown', lockdown: 'incident-7' })
  })
})

it('where a target says nothing, an expired lease ends its sessions in the middle of a transaction', async () => {
  const { held, sessions } = await liveLease('end-sessions')
  await sessions[0].query('BEGIN')
  clock.time = held.expiresAt
  expect(await run()).toEqual(one)
  await isEnded(sessions[0])
})
