import { v7 as uuid } from 'uuid'
import { describeCause, type ExchangeError } from '../errors.ts'
import type { CountEntry, DecisionLog, RefusalSample } from './record.ts'

/** Counts one refusal. Never throws, never waits. */
export type CountRefusal = (decision: string, error: ExchangeError) => void

/** Refusals, counted by issuer and reason and written once an interval. */
export interface RefusalCounts {
  readonly count: CountRefusal
  /** Writes what was counted. What cannot be written is kept for the next time. */
  flush(): Promise<void>
}

/** How many of a kind are told apart, and how many kinds: registered issuers times reasons, at the very most. */
const maxSamples = 5
const maxKinds = 5_000

type Count = Pick<CountEntry, 'issuer' | 'reason' | 'since'> & { count: number; samples: RefusalSample[] }

/**
 * Requests that proved no identity, or came too often, get no record each, so that a flood costs no write each: they are
 * counted, with samples by which the id that a caller was given can be found. `now` is in epoch milliseconds.
 */
export function refusalCounts(decisions: DecisionLog, now: () => number): RefusalCounts {
  let counts = new Map<string, Count>()
  // One after the other: the last flush, before the end, must find what a failing one put back.
  let flushing = Promise.resolve()

  function counted(issuer: string, reason: Count['reason']): Count {
    const key = `${reason} ${issuer}`
    const known = counts.get(key)
    if (known) return known
    // Reasons are few: beyond the bound, issuers are not told apart any more, and nothing goes uncounted.
    if (counts.size >= maxKinds && issuer !== 'unknown') return counted('unknown', reason)
    const fresh = { issuer, reason, since: new Date(now()).toISOString(), count: 0, samples: [] }
    counts.set(key, fresh)
    return fresh
  }

  /** What cannot be written goes back, together with what was counted since. */
  async function writeAll(): Promise<void> {
    const writing = counts
    counts = new Map()
    for (const [key, count] of writing) {
      await write(count).catch(() => {
        const since = counts.get(key)
        counts.set(key, since ? joined(count, since) : count)
      })
    }
  }

  async function write({ samples, ...count }: Count): Promise<void> {
    await decisions.write({ kind: 'count', decision: uuid(), outcome: 'refused', ...count, samples })
  }

  return {
    count(decision, error) {
      const { issuer = 'unknown', ...detail } = error.detail
      const count = counted(String(issuer), error.reason)
      count.count += 1
      if (count.samples.length < maxSamples) count.samples.push(sampleOf(decision, error, detail))
    },
    flush() {
      flushing = flushing.then(writeAll)
      return flushing
    },
  }
}

function joined(earlier: Count, later: Count): Count {
  const samples = [...earlier.samples, ...later.samples].slice(0, maxSamples)
  return { ...earlier, count: earlier.count + later.count, samples }
}

function sampleOf(decision: string, error: ExchangeError, detail: RefusalSample['detail']): RefusalSample {
  const { code, description, cause } = error
  return {
    decision,
    code,
    ...(description !== undefined && { expected: description }),
    detail: { ...(cause !== undefined && describeCause(cause)), ...detail },
  }
}
