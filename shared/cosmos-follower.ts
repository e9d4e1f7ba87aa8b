import { ChangeFeedStartFrom, type Container } from '@azure/cosmos'
import { askCosmos } from './cosmos-error.ts'

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
  const readFrom = (changeFeedStartFrom: ChangeFeedStartFrom) =>
    container.items.getChangeFeedIterator<Record<string, unknown>>({ changeFeedStartFrom })
  const start = from === 'beginning' ? ChangeFeedStartFrom.Beginning() : ChangeFeedStartFrom.Now()
  let feed = readFrom(start)
  let continuation: string | undefined
  let seenUntil = Number.NEGATIVE_INFINITY
  let polling: Promise<void> | undefined

  async function drain(): Promise<void> {
    const startedAt = monotonic()
    for (;;) {
      const page = await askCosmos('snapshot_stale', () => feed.readNext())
      continuation = page.continuationToken
      if (page.statusCode === 304) break
      for (const document of page.result ?? []) onChange(document)
    }
    seenUntil = startedAt
  }

  /** A page that comes too late must not be passed over: what reads on begins where the last page that was seen ended. */
  function beginAgain(error: unknown): never {
    feed = readFrom(continuation === undefined ? start : ChangeFeedStartFrom.Continuation(continuation))
    throw error
  }

  function poll(): Promise<void> {
    polling ??= drain()
      .catch(beginAgain)
      .finally(() => {
        polling = undefined
      })
    return polling
  }

  const timer = setInterval(() => void poll().catch(onError), interval)
  timer.unref()
  poll().catch(onError)

  return {
    async ensureFresh() {
      while (monotonic() - seenUntil > hardLimit) await poll()
    },
    stop: () => clearInterval(timer),
  }
}
