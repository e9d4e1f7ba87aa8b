import { beforeEach, describe, expect, test } from 'vitest'
import type { DecisionEntry } from '../../shared/decisions/record.ts'
import { unavailable } from '../../shared/errors.ts'
import { type AttestLease, attestLease } from '../../shared/leases/attest-lease.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { absenceCountsFrom } from '../../shared/leases/lease-states.ts'
import { noon, paymentsApi } from '../rules/facts.ts'
import { instanceOn, type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

let store: LeaseMemory
let entries: DecisionEntry[]
let attest: AttestLease
let stuck: Lease
let now: number
const revoker = { operator: paymentsApi, namespaces: 'all' } as const
const reason = 'decommissioned on 1 June, ticket 4711'

beforeEach(async () => {
  store = leaseMemory()
  entries = []
  const clock = { time: noon }
  const { lease } = (await instanceOn(store, clock).hold(requestOf(), 'decision-1')).stored
  now = Date.parse(lease.expiresAt)
  const dueAt = new Date(now + 900_000).toISOString()
  stuck = { ...lease, state: 'revoking', cause: 'expired', attempts: 9, lastError: 'server_changed', dueAt }
  store.put(stuck)
  const write = async (entry: DecisionEntry) => ({ stream: 'hour/boot/0', id: String(entries.push(entry)) })
  attest = attestLease({ store, decisions: { write }, now: () => now })
})

test('a stuck lease whose account an operator says is gone is due before all that waits for its server', async () => {
  const said = await attest(stuck.id, reason, revoker)
  expect(said).toMatchObject({ attested: true, lease: { state: 'revoking', attested: { reason } } })
  expect(store.only()).toMatchObject({ state: 'revoking', cause: 'expired', dueAt: stuck.expiresAt })
})

test('it is on record before it is kept, and what came of it after', async () => {
  store.before('replace', () => expect(entries.map(({ outcome }) => outcome)).toEqual(['intended']))
  await attest(stuck.id, reason, revoker)
  const what = { kind: 'admin', action: 'attest', leases: [stuck.id], attested: { reason }, operator: paymentsApi }
  expect(entries).toMatchObject([
    { ...what, outcome: 'intended' },
    { ...what, outcome: 'done', follows: { id: '1' } },
  ])
})

test('one that changed meanwhile, or cannot be kept, is refused, and that is on record', async () => {
  store.before('replace', () => store.put({ ...stuck, attempts: 10 }))
  await expect(attest(stuck.id, reason, revoker)).rejects.toMatchObject({ reason: 'lease_lost' })
  store.before('replace', storeDown)
  await expect(attest(stuck.id, reason, revoker)).rejects.toMatchObject({ reason: 'lease_lost' })
  expect(entries.map(({ outcome }) => outcome)).toEqual(['intended', 'failed', 'intended', 'failed'])
  expect(store.only().attested).toBe(undefined)
})

test('without a record of who says so nothing is kept', async () => {
  const write = () => Promise.reject(unavailable('record_unavailable'))
  const unrecorded = attestLease({ store, decisions: { write }, now: () => now })
  await expect(unrecorded(stuck.id, reason, revoker)).rejects.toMatchObject({ reason: 'record_unavailable' })
  expect(store.only()).toEqual(stuck)
})

describe('it is not for an operator to say', () => {
  test.each<[string, Partial<Lease>]>([
    ['of a live lease', { state: 'active' }],
    ['of one that has ended', { state: 'revoked' }],
    ['of one that was not tried yet', { attempts: 0 }],
    ['where its server refused', { lastError: 'target_refused' }],
    ['where PostgreSQL did not let us in', { lastError: 'target_unavailable', lastDetail: { answer: '28P01' } }],
    ['where MySQL was full', { lastError: 'target_unavailable', lastDetail: { answer: 1040 } }],
    ['where nobody can tell', { lastError: 'target_unavailable', lastDetail: { answer: 'unknown' } }],
    ['where its sessions may finish', { lastError: 'sessions_busy' }],
    ['where nothing was said of why', { lastError: undefined }],
    ['before it has expired', { expiresAt: new Date(noon + 86_400_000).toISOString() }],
    ['while its account may still be made', { mintUntil: new Date(noon + 86_400_000).toISOString() }],
  ])('%s', async (_, changes) => {
    const lease = store.put({ ...stuck, ...changes }).lease
    expect(await attest(stuck.id, reason, revoker)).toEqual({ lease, attested: false })
    expect([store.only(), entries]).toEqual([lease, []])
  })

  test('but it is where nobody answered', async () => {
    store.put({ ...stuck, lastError: 'target_unavailable', lastDetail: { error: 'Error', code: 'ECONNREFUSED' } })
    expect(await attest(stuck.id, reason, revoker)).toMatchObject({ attested: true })
  })

  test('to the millisecond', async () => {
    store.put({ ...stuck, mintUntil: stuck.expiresAt })
    now = absenceCountsFrom({ mintUntil: stuck.expiresAt }) - 1
    expect(await attest(stuck.id, reason, revoker)).toMatchObject({ attested: false })
    now += 1
    expect(await attest(stuck.id, reason, revoker)).toMatchObject({ attested: true })
  })

  test('of another namespace, or of none that is there', async () => {
    expect(await attest(stuck.id, reason, { operator: paymentsApi, namespaces: ['other'] })).toBe(undefined)
    expect(await attest('none', reason, revoker)).toBe(undefined)
  })
})
