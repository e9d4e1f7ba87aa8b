/** How a piece of work went, as far as its target is concerned. */
export type Contact = 'reached' | 'unreachable'

export interface WorkByTarget<Item> {
  /** Takes one more piece of work. False where its target has too much waiting already, or was given up. */
  add(target: string, item: Item): boolean
  /** Returns when all that was added is done, or given up, or there is no time left. */
  finish(): Promise<void>
}

interface Lane<Item> {
  readonly target: string
  readonly waiting: Item[]
  running: number
  reached: number
  unreachable: number
}

/** Pieces of work at once, in all and for one target, and how many may wait for one. */
const [workers, workersOfTarget, mayWait] = [32, 4, 2_000]
/** A target that could not be reached so often, and not once between, is left alone by this run. */
const tries = 3

/**
 * Works for many targets at once, in turn, so that a dead or slow one delays no other: a target has one worker until it
 * was reached, and four at most. `work` must not throw.
 */
export function workByTarget<Item>(work: (item: Item) => Promise<Contact>, signal: AbortSignal): WorkByTarget<Item> {
  const lanes = new Map<string, Lane<Item>>()
  let running = 0
  let whenIdle: (() => void) | undefined

  function nextLane(): Lane<Item> | undefined {
    return [...lanes.values()].find(
      ({ waiting, running, reached }) => waiting.length > 0 && running < Math.min(workersOfTarget, 1 + reached),
    )
  }

  /** To the end of the line. */
  function hadItsTurn(lane: Lane<Item>): void {
    lanes.delete(lane.target)
    lanes.set(lane.target, lane)
  }

  async function workOne(lane: Lane<Item>, item: Item): Promise<void> {
    running += 1
    lane.running += 1
    const contact = await work(item)
    running -= 1
    lane.running -= 1
    lane[contact] += 1
    if (contact === 'reached') lane.unreachable = 0
    if (isGivenUp(lane)) lane.waiting.length = 0
    hadItsTurn(lane)
    startMore()
  }

  function startMore(): void {
    while (!signal.aborted && running < workers) {
      const lane = nextLane()
      const item = lane?.waiting.shift()
      if (!lane || item === undefined) break
      hadItsTurn(lane)
      void workOne(lane, item)
    }
    if (running === 0) whenIdle?.()
  }

  return {
    add(target, item) {
      const lane = lanes.get(target) ?? { target, waiting: [], running: 0, reached: 0, unreachable: 0 }
      lanes.set(target, lane)
      if (isGivenUp(lane) || lane.waiting.length >= mayWait) return false
      lane.waiting.push(item)
      startMore()
      return true
    },
    async finish() {
      if (running === 0) return
      await new Promise<void>(resolve => {
        whenIdle = resolve
      })
    },
  }
}

function isGivenUp({ unreachable }: Lane<unknown>): boolean {
  return unreachable >= tries
}
