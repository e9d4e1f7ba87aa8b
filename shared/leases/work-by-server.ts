/** How a piece of work went, as far as the server that it is for is concerned. */
export type Contact = 'reached' | 'unreachable'

export interface WorkByServer<Item> {
  /**
   * Takes one more piece of work for a server. False where too much waits already, or the server was given up: then it is
   * left to the next run.
   */
  add(server: string, item: Item): boolean
  /** Returns when all that was added is done, or given up, or there is no time left. */
  finish(): Promise<void>
}

interface Lane<Item> {
  readonly server: string
  readonly waiting: Item[]
  running: number
  reached: number
  unreachable: number
}

/** Pieces of work at once, in all and for one server; and how many may wait, in all and for one. */
const [workers, workersOfServer] = [32, 4]
const [mayWait, mayWaitForServer] = [5_000, 500]
/** A server that could not be reached so often, and not once between, is left alone by this run. */
const tries = 3

/**
 * Works for many servers at once, in turn, so that a dead or slow one delays no other: a server has one worker until it
 * was reached, and four at most. `work` must not throw.
 */
export function workByServer<Item>(work: (item: Item) => Promise<Contact>, signal: AbortSignal): WorkByServer<Item> {
  const lanes = new Map<string, Lane<Item>>()
  let [running, waiting] = [0, 0]
  let whenIdle: (() => void) | undefined

  function nextLane(): Lane<Item> | undefined {
    return [...lanes.values()].find(
      ({ waiting, running, reached }) => waiting.length > 0 && running < Math.min(workersOfServer, 1 + reached),
    )
  }

  /** To the end of the line. */
  function hadItsTurn(lane: Lane<Item>): void {
    lanes.delete(lane.server)
    lanes.set(lane.server, lane)
  }

  async function workOne(lane: Lane<Item>, item: Item): Promise<void> {
    running += 1
    lane.running += 1
    const contact = await work(item)
    running -= 1
    lane.running -= 1
    lane[contact] += 1
    if (contact === 'reached') lane.unreachable = 0
    if (isGivenUp(lane)) waiting -= lane.waiting.splice(0).length
    hadItsTurn(lane)
    startMore()
  }

  function startMore(): void {
    while (!signal.aborted && running < workers) {
      const lane = nextLane()
      const item = lane?.waiting.shift()
      if (!lane || item === undefined) break
      waiting -= 1
      hadItsTurn(lane)
      void workOne(lane, item)
    }
    if (running === 0) whenIdle?.()
  }

  return {
    add(server, item) {
      const lane = lanes.get(server) ?? { server, waiting: [], running: 0, reached: 0, unreachable: 0 }
      lanes.set(server, lane)
      if (isGivenUp(lane) || lane.waiting.length >= mayWaitForServer || waiting >= mayWait) return false
      lane.waiting.push(item)
      waiting += 1
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
