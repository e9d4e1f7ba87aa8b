import { LRUCache } from 'lru-cache'
import { ExchangeError } from '../errors.ts'
import type { Target } from '../targets/target.ts'
import type { LeaseStore } from './cosmos-leases.ts'

type Budgets = Target['budgets']

/** What a target bears: accounts that may exist, and those made within the last minute. */
export interface Burden {
  live: number
  minted: number
}

/** What targets may be asked to bear, by all instances together. */
export interface TargetBudgets {
  /**
   * Takes the room of one more account. Throws 429 `accounts_over_budget` or `mints_over_budget` where there is none,
   * and 503 `lease_unavailable` where nobody can tell.
   */
  takeRoom(target: string, budgets: Budgets): Promise<void>
}

export interface TargetBudgetsOptions {
  readonly store: Pick<LeaseStore, 'burdenOf'>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/**
 * How long a count serves, in milliseconds. An instance adds what it makes itself meanwhile, so several together may go
 * beyond a budget by what the others reserved in that time.
 */
const freshness = 2_000
const minute = 60_000

/** Seconds after which asking again makes sense: a minute passes by itself, accounts end when their time comes. */
const [afterMints, afterAccounts] = [15, 30]

/** Budgets by counting the leases themselves: there is no counter that an instance which died leaves wrong. */
export function targetBudgets({ store, now }: TargetBudgetsOptions): TargetBudgets {
  const counts = new LRUCache<string, Promise<Burden>>({ max: 1_000, ttl: freshness })

  /** One count for everybody who asks meanwhile; one that failed is made again. */
  function count(target: string, budgets: Budgets): Promise<Burden> {
    const key = JSON.stringify([target, budgets])
    const known = counts.get(key)
    if (known) return known
    const counting = store.burdenOf(target, now() - minute, budgets)
    counts.set(key, counting)
    counting.catch(() => counts.delete(key))
    return counting
  }

  return {
    async takeRoom(target, budgets) {
      const { liveAccounts, mintsPerMinute } = budgets
      if (liveAccounts === undefined && mintsPerMinute === undefined) return
      const burden = await count(target, budgets)
      if (burden.live >= (liveAccounts ?? Number.POSITIVE_INFINITY)) {
        throw new ExchangeError('slow_down', 'accounts_over_budget', { retryAfter: afterAccounts })
      }
      if (burden.minted >= (mintsPerMinute ?? Number.POSITIVE_INFINITY)) {
        throw new ExchangeError('slow_down', 'mints_over_budget', { retryAfter: afterMints })
      }
      burden.live += 1
      burden.minted += 1
    },
  }
}
