import { describe, expect, test } from 'vitest'
import { blocks, type Lockdown, type LockdownSubject, lockdownDocument } from '../../shared/workload/lockdown.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { noon, paymentsApi } from '../rules/facts.ts'

const actor: Workload = {
  issuer: { id: 'entra', kind: 'entra', labels: {} },
  subject: 'api-management',
  claims: {},
  token: { keyId: 'entra-key', issuedAt: 1, expiresAt: 2 },
}
const subject: LockdownSubject = {
  workload: paymentsApi,
  actor,
  target: 'orders-db',
  rules: [{ id: 'payments-reads', target: 'orders-db', version: 'v' }],
}

function lockdownOf(changed: Readonly<Record<string, unknown>>): Lockdown {
  return lockdownDocument.parse({ schema: 1, id: 'incident-7', blocks: 'everything', reason: 'stolen', ...changed })
}

const blocked = (named: unknown, who = subject) => blocks(lockdownOf({ blocks: named }), who, noon)

describe('a lockdown blocks by', () => {
  test.each([
    ['issuer', 'aks-prod-weu', 'aks-dev'],
    ['namespace', 'payments', 'payment'],
    ['serviceAccount', 'api', 'api-2'],
    ['podUid', 'uid-of-pod', 'api-7d9c6b5f4-x2x7k'],
    ['node', 'aks-pool1-vmss000000', 'aks-pool1-vmss00000'],
    ['keyId', 'key-1', 'key-2'],
    ['target', 'orders-db', 'mainframe'],
    ['rule', 'payments-reads', 'payments-writes'],
  ])('%s: %s, and not %s', (member, found, other) => {
    expect(blocked({ [member]: found })).toBe(true)
    expect(blocked({ [member]: other })).toBe(false)
  })

  test('everything: everyone', () => {
    expect(blocked('everything')).toBe(true)
    expect(blocked('everything', { workload: actor, actor: undefined, target: 'x', rules: [] })).toBe(true)
  })

  test('the actor as well as the workload', () => {
    expect(blocked({ issuer: 'entra' })).toBe(true)
    expect(blocked({ keyId: 'entra-key' })).toBe(true)
    expect(blocked({ issuer: 'entra' }, { ...subject, actor: undefined })).toBe(false)
  })

  test('all that it names together: one that differs lets through', () => {
    const all = { issuer: 'aks-prod-weu', namespace: 'payments', serviceAccount: 'api', target: 'orders-db' }
    expect(blocked(all)).toBe(true)
    for (const name of Object.keys(all)) expect(blocked({ ...all, [name]: 'other' }), name).toBe(false)
  })

  test('what one of the two is, and never by a mixture of both', () => {
    expect(blocked({ issuer: 'entra', namespace: 'payments' })).toBe(false)
  })

  test('nothing that a workload does not have', () => {
    const bare = { ...subject, workload: actor, actor: undefined }
    for (const named of [{ namespace: 'payments' }, { podUid: 'uid-of-pod' }, { node: 'n' }]) {
      expect(blocked(named, bare)).toBe(false)
    }
  })
})

test('of a node or a pod: a token of a cluster that does not tell its own may be of that one', () => {
  const { node: _node, pod: _pod, ...untold } = { ...subject.workload }
  const who = { ...subject, workload: untold, actor: undefined }
  expect(blocked({ node: 'any' }, who)).toBe(true)
  expect(blocked({ podUid: 'any' }, who)).toBe(true)
  expect(blocked({ node: 'any', namespace: 'other' }, who)).toBe(false)
})

test('a lockdown ends at its time, to the millisecond', () => {
  const lockdown = lockdownOf({ expiresAt: new Date(noon).toISOString() })
  expect(blocks(lockdown, subject, noon - 1)).toBe(true)
  expect(blocks(lockdown, subject, noon)).toBe(false)
})

describe('a lockdown document', () => {
  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['that names nothing', { blocks: {} }],
    ['that names what nobody knows', { blocks: { cluster: 'aks' } }],
    ['that names everything in a list', { blocks: ['everything'] }],
    ['of another word', { blocks: 'all' }],
    ['with an empty name', { blocks: { namespace: '' } }],
    ['without a reason', { reason: '' }],
    ['that expires some time', { expiresAt: 'tomorrow' }],
    ['with a member that nobody knows', { until: '2026-01-01T00:00:00Z' }],
  ])('%s is refused', (_, changed) => {
    expect(() => lockdownOf(changed)).toThrow()
  })

  test('leaves leases alone unless it says otherwise', () => {
    expect(lockdownOf({}).revokeLeases).toBe(false)
    expect(lockdownOf({ revokeLeases: true }).revokeLeases).toBe(true)
  })
})
