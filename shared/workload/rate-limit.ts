import { LRUCache } from 'lru-cache'
import { ExchangeError } from '../errors.ts'
import type { Workload } from './workload.ts'

/** How many exchanges a second an instance does for one workload and for one issuer. */
export interface Rates {
  readonly workload: number
  readonly issuer: number
}

/** Takes one exchange from a workload's bucket and its issuer's. Throws 429 `rate_limited` where one is empty. */
export type TakeRate = (workload: Workload) => void

interface Bucket {
  tokens: number
  filledAt: number
}

/** A bucket holds this many seconds' worth, for bursts, and one exchange at the least. */
const burst = 5
const rememberedBuckets = 50_000

/** Token buckets in memory. A pod is a workload of its own. `monotonic` is in milliseconds. */
export function rateLimit(rates: Rates, monotonic: () => number): TakeRate {
  const buckets = new LRUCache<string, Bucket>({ max: rememberedBuckets })

  /** Seconds until the bucket has one again: 0 where it was taken now. */
  function take(name: string, rate: number): number {
    const now = monotonic()
    const capacity = Math.max(1, rate * burst)
    const bucket = buckets.get(name) ?? { tokens: capacity, filledAt: now }
    bucket.tokens = Math.min(capacity, bucket.tokens + ((now - bucket.filledAt) / 1000) * rate)
    bucket.filledAt = now
    buckets.set(name, bucket)
    if (bucket.tokens < 1) return (1 - bucket.tokens) / rate
    bucket.tokens -= 1
    return 0
  }

  return ({ issuer, subject, pod }) => {
    const own = take(JSON.stringify([issuer.id, subject, pod?.uid]), rates.workload)
    const retryAfter = own > 0 ? own : take(issuer.id, rates.issuer)
    if (retryAfter > 0) {
      throw new ExchangeError('slow_down', 'rate_limited', { retryAfter, detail: { issuer: issuer.id, subject } })
    }
  }
}
