import { describe, expect, test } from 'vitest'
import type { Lease } from '../../shared/leases/lease.ts'
import { newLease } from '../../shared/leases/lease-states.ts'
import { isLockedDown } from '../../shared/leases/locked-down.ts'
import { type SlotIdentity, slotAt } from '../../shared/leases/slot.ts'
import { lockdownDocument } from '../../shared/workload/lockdown.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { noon, paymentsApi } from '../rules/facts.ts'
import { requestOf } from './lease-store.ts'

const application: Workload = {
  issuer: { id: 'entra', kind: 'entra', labels: {} },
  subject: 'api-management',
  claims: {},
  token: { keyId: 'entra-key', issuedAt: 1, expiresAt: 2 },
}

/** A new lease, as the next reader finds it. */
function leaseOf(overrides: Partial<SlotIdentity> = {}): Lease {
  const request = { ...requestOf(overrides), deployment: 'test', decision: 'decision-1' }
  const slot = slotAt(request, noon)
  return newLease({ request, slot, generation: 0, keyVersion: '1', deployment: 'test', now: noon })
}

function isNamed(lease: Lease, blocks: unknown): boolean {
  return isLockedDown(lease, lockdownDocument.parse({ schema: 1, id: 'incident-7', blocks, reason: 'stolen' }))
}

describe('a lease is locked down by', () => {
  test.each([
    ['issuer', 'aks-prod-weu', 'aks-dev'],
    ['namespace', 'payments', 'payment'],
    ['serviceAccount', 'api', 'api-2'],
    ['podUid', 'uid-of-pod', 'api-7d9c6b5f4-x2x7k'],
    ['node', 'aks-pool1-vmss000000', 'uid-of-node'],
    ['keyId', 'key-1', 'key-2'],
    ['target', 'orders-db', 'mainframe'],
    ['rule', 'payments-reads', 'payments-writes'],
  ])('%s: %s, and not %s', (member, found, other) => {
    expect(isNamed(leaseOf(), { [member]: found })).toBe(true)
    expect(isNamed(leaseOf(), { [member]: other })).toBe(false)
  })

  test('everything: every lease', () => {
    expect(isNamed(leaseOf(), 'everything')).toBe(true)
    expect(isNamed(leaseOf({ target: 'other', rules: [], workload: application }), 'everything')).toBe(true)
  })

  test('all that is named together: one that differs leaves it alone', () => {
    const all = { issuer: 'aks-prod-weu', namespace: 'payments', serviceAccount: 'api', target: 'orders-db' }
    expect(isNamed(leaseOf(), all)).toBe(true)
    for (const name of Object.keys(all)) expect(isNamed(leaseOf(), { ...all, [name]: 'other' }), name).toBe(false)
  })

  test('the actor as well as the workload, and never by a mixture of both', () => {
    const lease = leaseOf({ actor: application })
    expect(isNamed(lease, { issuer: 'entra' })).toBe(true)
    expect(isNamed(lease, { keyId: 'entra-key' })).toBe(true)
    expect(isNamed(leaseOf(), { issuer: 'entra' })).toBe(false)
    expect(isNamed(lease, { issuer: 'entra', namespace: 'payments' })).toBe(false)
  })
})

describe('a lease that pods share', () => {
  const shared = leaseOf({ share: 'workload' })

  test.each(['podUid', 'node', 'keyId'])('is locked down by any %s, since any of them may hold it', member => {
    expect(isNamed(shared, { [member]: 'any' })).toBe(true)
    expect(isNamed(shared, { [member]: 'any', issuer: 'aks-prod-weu', namespace: 'payments' })).toBe(true)
    expect(isNamed(shared, { [member]: 'any', serviceAccount: 'api', target: 'orders-db' })).toBe(true)
  })

  test.each(['issuer', 'namespace', 'serviceAccount', 'target', 'rule'])(
    'is left alone where the %s is another',
    member => {
      expect(isNamed(shared, { podUid: 'any', [member]: 'other' })).toBe(false)
    },
  )

  test('of no cluster has no pods and no nodes, but keys', () => {
    const lease = leaseOf({ share: 'workload', workload: application })
    expect(isNamed(lease, { podUid: 'any' })).toBe(false)
    expect(isNamed(lease, { node: 'any' })).toBe(false)
    expect(isNamed(lease, { keyId: 'any' })).toBe(true)
  })
})

describe('what a lease does not tell', () => {
  test('of its pod or node may be the one that is named, in a cluster', () => {
    const { pod: _pod, node: _node, ...untold } = paymentsApi
    const lease = leaseOf({ workload: untold })
    expect(isNamed(lease, { podUid: 'any' })).toBe(true)
    expect(isNamed(lease, { node: 'any' })).toBe(true)
    expect(isNamed(lease, { node: 'any', namespace: 'other' })).toBe(false)
    expect(isNamed(lease, { keyId: 'any' })).toBe(false)
  })

  test('is not there where it is of no cluster', () => {
    const lease = leaseOf({ workload: application })
    for (const member of ['podUid', 'node', 'namespace', 'serviceAccount', 'keyId']) {
      expect(isNamed(lease, { [member]: 'any' }), member).toBe(false)
    }
  })

  test('may be anything where the document is older than that', () => {
    const { issuer, subject, podUid } = leaseOf().workload
    const lease: Lease = { ...leaseOf(), workload: { issuer, subject, podUid } }
    for (const member of ['namespace', 'serviceAccount', 'node', 'keyId']) {
      expect(isNamed(lease, { [member]: 'any' }), member).toBe(true)
    }
    expect(isNamed(lease, { podUid: 'other' })).toBe(false)
    expect(isNamed(lease, { issuer: 'other', namespace: 'any' })).toBe(false)
    expect(isNamed({ ...lease, share: 'workload' }, { podUid: 'other' })).toBe(true)
  })
})
