import { beforeEach, describe, expect, test } from 'vitest'
import type { DecisionEntry } from '../../shared/decisions/record.ts'
import { type Lease, leaseId, type StoredLease } from '../../shared/leases/lease.ts'
import { newLease } from '../../shared/leases/lease-states.ts'
import { type RevokeByOperator, revokeByOperator } from '../../shared/leases/revoke-by-operator.ts'
import { slotAt } from '../../shared/leases/slot.ts'
import { noon, paymentsApi } from '../rules/facts.ts'
import { type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

let store: LeaseMemory
let entries: DecisionEntry[]
const revoker = { operator: paymentsApi, namespaces: 'all' } as const

beforeEach(() => {
  store = leaseMemory()
  entries = []
})

function lease(changes: Partial<Lease> = {}): StoredLease {
  const request = { ...requestOf(), deployment: 'local', decision: 'd' }
  const slot = slotAt(request, noon)
  const made = newLease({ request, slot, generation: 0, keyVersion: 'k', deployment: 'local', now: noon })
  return store.put({ ...made, state: 'active', ...changes })
}

function many(count: number): void {
  for (let number = 0; number < count; number++) {
    const slot = number.toString(16).padStart(64, '0')
    lease({ slot, id: leaseId(slot, 0) })
  }
}

function opened(overrides: { write?: () => never } = {}): RevokeByOperator {
  const write = async (entry: DecisionEntry) => ({ stream: 'hour/boot/0', id: String(entries.push(entry)) })
  const live = async (_: unknown, __: unknown, most: number) => [...store.leases.values()].slice(0, most)
  const search = { live, page: async () => undefined }
  return revokeByOperator({ store, search, decisions: { write: overrides.write ?? write }, now: () => noon })
}

const statesOf = () => [...store.leases.values()].map(({ lease }) => lease.state)

test('a lease that another changes meanwhile is looked at again, and marked once', async () => {
  const { lease: reserved } = lease({ state: 'reserved' })
  store.before('replace', () => store.put({ ...reserved, state: 'active', dueAt: reserved.expiresAt }))
  const ended = await opened().one(reserved.id, revoker)
  expect(ended).toMatchObject({ marked: true, lease: { state: 'revoking', cause: 'operator' } })
})

test('one that the timer ended meanwhile is left as it is', async () => {
  const { lease: active } = lease()
  store.before('replace', () => store.put({ ...active, state: 'revoked', cause: 'expired' }))
  expect(await opened().one(active.id, revoker)).toMatchObject({ marked: false, lease: { cause: 'expired' } })
  expect(entries).toMatchObject([{ outcome: 'intended' }, { outcome: 'done', marked: 0 }])
})

describe('no lease is marked', () => {
  test('without a record of who wanted it', async () => {
    const { lease: active } = lease()
    await expect(opened({ write: storeDown }).one(active.id, revoker)).rejects.toThrow()
    expect(statesOf()).toEqual(['active'])
  })

  test('where there are more than a thousand', async () => {
    many(1_001)
    expect(await opened().all({ target: 't' }, 1_000, revoker)).toEqual({ kind: 'differs', found: 1_000, more: true })
    expect(entries).toEqual([])
    expect(new Set(statesOf())).toEqual(new Set(['active']))
  })
})

test('many are on record in parts that fit, and each part before its leases are marked', async () => {
  many(301)
  await opened().all({ target: 't' }, 301, revoker)
  const told = entries.map(entry => ({ outcome: entry.outcome, leases: 'leases' in entry ? entry.leases.length : 0 }))
  const part = (leases: number) => [
    { outcome: 'intended', leases },
    { outcome: 'done', leases },
  ]
  expect(told).toEqual([...part(150), ...part(150), ...part(1)])
  expect(new Set(entries.map(({ decision }) => decision)).size).toBe(1)
  for (const entry of entries) expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThan(16_384)
  expect(new Set(statesOf())).toEqual(new Set(['revoking']))
})

test('what fails in the middle is on record as failed, with how many were marked', async () => {
  many(12)
  store.before('replace', storeDown)
  await expect(opened().all({ target: 't' }, 12, revoker)).rejects.toThrow()
  expect(entries).toMatchObject([{ outcome: 'intended' }, { outcome: 'failed', marked: 9 }])
})
