import { describe, expect, test } from 'vitest'
import { type Lease, leaseDocument } from '../../shared/leases/lease.ts'
import { newLease, sessionEndingOf } from '../../shared/leases/lease-states.ts'
import { slotAt } from '../../shared/leases/slot.ts'
import { minute, noon } from '../rules/facts.ts'
import { requestOf } from './lease-store.ts'

function leaseOf(onExpiry?: Lease['onExpiry']): Lease {
  const request = { ...requestOf(onExpiry && { onExpiry }), deployment: 'test', decision: 'decision-1' }
  const slot = slotAt(request, noon)
  return newLease({ request, slot, generation: 0, keyVersion: '1', deployment: 'test', now: noon })
}

const expired: Lease = { ...leaseOf('finish-transactions'), state: 'revoking', cause: 'expired' }
const end = Date.parse(expired.expiresAt)

describe('sessions may finish a transaction', () => {
  test('where the lease says so and has expired, for an hour and not a millisecond more', () => {
    expect(sessionEndingOf(expired, end)).toBe('finish-transactions')
    expect(sessionEndingOf(expired, end + 60 * minute)).toBe('finish-transactions')
    expect(sessionEndingOf(expired, end + 60 * minute + 1)).toBe('now')
  })

  test.each(['lapsed', 'failed', 'released', 'lockdown'] as const)('and not where the lease is %s', cause => {
    expect(sessionEndingOf({ ...expired, cause }, end)).toBe('now')
  })

  test('and not where the target said nothing, or the document is older than that', () => {
    const { onExpiry: _, ...older } = expired
    for (const lease of [leaseOf(), leaseOf('end-sessions'), leaseDocument.parse(older)]) {
      expect(sessionEndingOf({ ...lease, cause: 'expired' }, end)).toBe('now')
    }
  })
})

test('how sessions end makes no other account: the same slot serves before and after the target says so', () => {
  expect(leaseOf('finish-transactions').slot).toBe(leaseOf().slot)
})
