import { beforeEach, describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import { rateLimit, type TakeRate } from '../../shared/workload/rate-limit.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { paymentsApi } from '../rules/facts.ts'

let clock: number
let take: TakeRate
beforeEach(() => {
  clock = 1_000_000
  take = rateLimit({ workload: 2, issuer: 20 }, () => clock)
})

/** How many of so many exchanges are let in. */
function letIn(attempts: number, who: (attempt: number) => Workload = () => paymentsApi): number {
  let count = 0
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      take(who(attempt))
      count += 1
    } catch (error) {
      expect(error).toBeInstanceOf(ExchangeError)
    }
  }
  return count
}

const pod = (name: string): Workload => ({ ...paymentsApi, pod: { name, uid: `uid-${name}` } })
const other = { ...paymentsApi, issuer: { ...paymentsApi.issuer, id: 'arc-dev' } }

describe('a bucket', () => {
  test('holds five seconds worth, and not one more', () => {
    expect(letIn(100)).toBe(10)
  })

  test('of the lowest rate holds one exchange, and gives another one in ten seconds', () => {
    take = rateLimit({ workload: 0.1, issuer: 20 }, () => clock)
    expect(letIn(10)).toBe(1)
    clock += 9_999
    expect(letIn(10)).toBe(0)
    clock += 1
    expect(letIn(10)).toBe(1)
  })

  test('fills again with time, and never beyond its size', () => {
    letIn(100)
    clock += 499
    expect(letIn(10)).toBe(0)
    clock += 1
    expect(letIn(10)).toBe(1)
    clock += 3_600_000
    expect(letIn(100)).toBe(10)
  })

  test('loses nothing to attempts that it refused', () => {
    letIn(10)
    let letInMeanwhile = 0
    for (let step = 0; step < 8; step++) {
      clock += 125
      letInMeanwhile += letIn(5)
    }
    expect(letInMeanwhile).toBe(2)
  })

  test('that is empty is told: 429, come back in a second, and who it was for the count', () => {
    letIn(10)
    expect(() => take(paymentsApi)).toThrow(
      expect.objectContaining({
        code: 'slow_down',
        reason: 'rate_limited',
        retryAfter: expect.closeTo(0.5, 1),
        detail: { issuer: 'aks-prod-weu', subject: 'system:serviceaccount:payments:api' },
      }),
    )
  })
})

describe('buckets', () => {
  test('are of one pod each: another pod of the same workload is not held up', () => {
    letIn(100)
    expect(letIn(100, () => pod('api-2'))).toBe(10)
  })

  test('are of one issuer together: a hundred pods get no more than their issuer may', () => {
    expect(letIn(1_000, attempt => pod(`api-${attempt % 200}`))).toBe(100)
    expect(letIn(5, () => pod('fresh'))).toBe(0)
  })

  test('of one issuer are not those of another', () => {
    letIn(1_000, attempt => pod(`api-${attempt % 200}`))
    expect(letIn(100, () => other)).toBe(10)
  })

  test('of an issuer lose nothing to a workload that is refused already', () => {
    letIn(10_000)
    expect(letIn(1_000, attempt => pod(`api-${attempt % 200}`))).toBe(90)
  })

  test('cannot be mixed up by what is in a subject', () => {
    const forged = { ...paymentsApi, subject: `${paymentsApi.subject}","x`, pod: { name: 'x', uid: 'y' } }
    letIn(100)
    expect(letIn(100, () => forged)).toBe(10)
  })

  test('are bounded: the one that was used longest ago is forgotten, and begins full', () => {
    take = rateLimit({ workload: 2, issuer: 1_000_000 }, () => clock)
    letIn(100)
    expect(letIn(1)).toBe(0)
    for (let count = 0; count < 49_990; count++) take(pod(`flood-${count}`))
    expect(letIn(1)).toBe(0)
    for (let count = 0; count < 50_000; count++) take(pod(`more-${count}`))
    expect(letIn(100)).toBe(10)
  })
})
