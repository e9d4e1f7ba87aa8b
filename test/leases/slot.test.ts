import { describe, expect, test } from 'vitest'
import { type SlotIdentity, slotAt } from '../../shared/leases/slot.ts'
import { minute, noon, paymentsApi } from '../rules/facts.ts'
import { requestOf } from './lease-store.ts'

const identity: SlotIdentity = { ...requestOf(), deployment: 'test' }
const { windowEnd } = slotAt(identity, noon)
const windowStart = windowEnd - 7.5 * minute

function idOf(changed: Partial<SlotIdentity>, now = windowStart): string {
  return slotAt({ ...identity, ...changed }, now).id
}

describe('the window of a slot', () => {
  test.each([1, 1.5, 5, 15, 59.99, 24 * 60])(
    'leaves between half and all of a ttl of %s minutes, at any time',
    minutes => {
      const ttl = Math.round(minutes * minute)
      for (let step = 0; step < 500; step++) {
        const now = noon + Math.round((step * ttl) / 97) + step
        const slot = slotAt({ ...identity, ttl }, now)
        const left = slot.expiresAt - now
        expect(left).toBeGreaterThanOrEqual(ttl / 2)
        expect(left).toBeLessThanOrEqual(ttl)
        expect(slot.windowEnd).toBeGreaterThan(now)
        expect(slot.windowEnd).toBeLessThanOrEqual(slot.expiresAt)
      }
    },
  )

  test('is one slot from its first to its last millisecond, and another after it', () => {
    expect(idOf({}, windowEnd - 1)).toBe(idOf({}, windowStart))
    expect(idOf({}, windowEnd)).not.toBe(idOf({}, windowStart))
    expect(idOf({}, windowStart - 1)).not.toBe(idOf({}, windowStart))
  })

  test('begins at another time for another workload, so that replicas do not all roll at once', () => {
    const starts = Array.from({ length: 50 }, (_, pod) => {
      const workload = { ...paymentsApi, pod: { name: 'api', uid: `pod-${pod}` } }
      return slotAt({ ...identity, workload }, noon).windowEnd
    })
    expect(new Set(starts).size).toBeGreaterThan(45)
    const spread = Math.max(...starts) - Math.min(...starts)
    expect(spread).toBeGreaterThan(6 * minute)
  })

  test('is cut where a rule that was used ends, and never prolonged by one that ends later', () => {
    expect(slotAt({ ...identity, endsAt: noon + minute }, noon).expiresAt).toBe(noon + minute)
    const later = { ...identity, endsAt: noon + 600 * minute }
    expect(slotAt(later, noon).expiresAt).toBeLessThanOrEqual(noon + 15 * minute)
  })
})

describe('two requests share a slot', () => {
  test.each<[string, Partial<SlotIdentity>]>([
    ['that are the same', {}],
    ['whose rule is at another version', { rules: [{ id: 'payments-reads', target: 'orders-db', version: '"2"' }] }],
    [
      'of one pod with another token',
      { workload: { ...paymentsApi, token: { keyId: 'k', issuedAt: 1, expiresAt: 2 } } },
    ],
    ['of one pod on another node', { workload: { ...paymentsApi, node: { name: 'another' } } }],
    ['under another quota', { quota: 7 }],
  ])('%s', (_, changed) => {
    expect(idOf(changed)).toBe(idOf({}))
  })

  test('whatever the order of members of the settings', () => {
    expect(idOf({ settings: { a: 1, b: 2 } })).toBe(idOf({ settings: { b: 2, a: 1 } }))
  })

  test('whose rule ends with the lease or later, at any time of the same windows', () => {
    for (const endsAt of [windowStart + 15 * minute, noon + 600 * minute]) {
      const ending = { ...identity, endsAt }
      expect(slotAt(ending, windowStart)).toEqual(slotAt(identity, windowStart))
      expect(slotAt(ending, windowEnd - 1)).toEqual(slotAt(identity, windowEnd - 1))
    }
  })

  test('of two pods, where the workload shares one account', () => {
    const other = { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } }
    expect(idOf({ share: 'workload', workload: other })).toBe(idOf({ share: 'workload' }))
  })
})

describe('two requests do not share a slot', () => {
  const { pod: _, ...podless } = paymentsApi
  test.each<[string, Partial<SlotIdentity>]>([
    ['of two deployments', { deployment: 'other' }],
    ['for two targets', { target: 'other' }],
    ['for two providers', { provider: 'other' }],
    ['of a target whose settings changed', { settings: { host: 'db2' } }],
    ['for two scopes', { scopes: ['write'] }],
    ['for scopes whose meaning changed', { meanings: [{ role: 'orders_write' }] }],
    ['for two ttls', { ttl: 14 * minute }],
    ['for a shared account and one of its own', { share: 'workload' }],
    ['by another rule', { rules: [{ id: 'other', target: 'orders-db', version: '"1"' }] }],
    ['by a rule that was shortened', { endsAt: noon + minute }],
    ['of two issuers', { workload: { ...paymentsApi, issuer: { ...paymentsApi.issuer, id: 'other' } } }],
    ['of two subjects', { workload: { ...paymentsApi, subject: 'other' } }],
    ['of a service account made anew', { workload: { ...paymentsApi, serviceAccount: { name: 'api', uid: 'new' } } }],
    ['of two pods', { workload: { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } } }],
    ['of a pod and none', { workload: podless }],
  ])('%s', (_, changed) => {
    const ids = [windowStart, windowEnd].map(now => idOf(changed, now))
    expect(ids).not.toContain(idOf({}))
  })

  test('of which one is cut by a millisecond, in windows that are the same', () => {
    const [whole, cut] = [identity, { ...identity, endsAt: windowStart + 15 * minute - 1 }].map(one =>
      slotAt(one, windowStart),
    )
    expect(cut?.id).not.toBe(whole?.id)
    expect(cut?.windowEnd).toBe(whole?.windowEnd)
    expect(cut?.expiresAt).toBe(windowStart + 15 * minute - 1)
  })

  test('that could be taken for each other by joining their parts', () => {
    expect(idOf({ deployment: 'a', target: 'bc' })).not.toBe(idOf({ deployment: 'ab', target: 'c' }))
  })
})
