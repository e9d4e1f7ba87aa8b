import { ChangeFeedStartFrom, type Container } from '@azure/cosmos'
import { fromCosmos } from './cosmos-error.ts'
import { unavailable } from './errors.ts'

/** Sees every change of a container, so that what was read from it can be kept in memory and still be in force. */
export interface Follower {
  /**
   * Returns when everything that was written more than the hard limit ago has been seen, asking Cosmos DB first if
   * need be. Throws `snapshot_stale` (503) where that fails.
   */
  ensureFresh(): Promise<void>
  /** Ends the background polling. */
  stop(): void
}

export interface FollowerOptions {
  readonly container: Container
  /** `beginning` hands over every document that there is; `now` only what changes from here on. */
  readonly from: 'beginning' | 'now'
  /** Sees each changed document at its latest version. Must not throw. */
  readonly onChange: (document: Readonly<Record<string, unknown>>) => void
  /** Milliseconds between polls. */
  readonly interval: number
  /** Milliseconds by a clock that never jumps. */
  readonly monotonic: () => number
  readonly onError: (error: unknown) => void
}

/** Nothing decides by what was read longer ago than this, in milliseconds. */
export const hardLimit = 15_000

/**
 * Follows a container by its change feed (pull model, latest version). One poll costs about one request unit where
 * nothing changed. Deletes do not appear in the feed: documents are replaced by tombstones instead.
 */
export function followContainer(options: FollowerOptions): Follower {
  const { container, from, onChange, interval, monotonic, onError } = options
  const changeFeedStartFrom = from === 'beginning' ? ChangeFeedStartFrom.Beginning() : ChangeFeedStartFrom.Now()
  const feed = container.items.getChangeFeedIterator<Record<string, unknown>>({ changeFeedStartFrom })
  let seenUntil = Number.NEGATIVE_INFINITY
  let polling: Promise<void> | undefined

  async function drain(): Promise<void> {
    const startedAt = monotonic()
    for (;;) {
      const page = await feed.readNext()
      if (page.statusCode === 304) break
      for (const document of page.result ?? []) onChange(document)
    }
    seenUntil = startedAt
  }

  function poll(): Promise<void> {
    polling ??= drain().finally(() => {
      polling = undefined
    })
    return polling
  }

  const timer = setInterval(() => void poll().catch(onError), interval)
  timer.unref()
  poll().catch(onError)

  return {
    async ensureFresh() {
      while (monotonic() - seenUntil > hardLimit) {
        try {
          await poll()
        } catch (cause) {
          throw unavailable('snapshot_stale', { detail: fromCosmos(cause), cause })
        }
      }
    },
    stop: () => clearInterval(timer),
  }
}
