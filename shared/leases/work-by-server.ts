/** How a piece of work went, as far as the server that it is for is concerned. */
export type Contact = 'reached' | 'unreachable'

export interface WorkByServer<Item> {
  /** Takes one more piece of work for a server. False where too much waits already, or the server was given up. */
  add(server: string, item: Item): boolean
  /** The servers for which nothing more is taken: those that were refused work and have no room yet, and those given up. */
  closed(): readonly string[]
  /**
   * True as soon as a server that was refused work for want of room has some again, so that it is worth looking for more.
   * False where there is none, or no time left.
   */
  room(): Promise<boolean>
  /** Returns when all that was added is done, or given up, or there is no time left. */
  finish(): Promise<void>
}

interface Lane<Item> {
  readonly server: string
  readonly waiting: Item[]
  running: number
  reached: number
  unreachable: number
  /** It was refused work for want of room. */
  full: boolean
}

/** Pieces of work at once, in all and for one server. */
const [workers, workersOfServer] = [32, 4]
/** So many of the workers are for servers of which it is not known that they answer, however much others have to do. */
const workersToReach = 16
/**
 * How many may wait, in all for servers that answer and as many for the others, for a server that answers, and for one of
 * the others. A server for which nothing waits has room in any case: whether it answers shows by its first piece.
 */
const [mayWait, mayWaitForServer, mayWaitUnreached] = [5_000, 500, 50]
/** A server that could not be reached so often, and not once between, is left alone by this run. */
const tries = 3

export interface WorkOptions {
  /** Servers that answer for certain. */
  readonly answering?: readonly string[]
  /** From 0 up to 1. */
  readonly random?: () => number
}

/**
 * Works for many servers at once. Up to half of the workers try servers of which it is not known that they answer: first
 * those that were not tried yet, in no order, so that none is behind the same ones in every run, then those that failed.
 * All others work for those that answer, each in turn. A server has one worker until it was reached, and four at most.
 * `work` must not throw.
 */
export function workByServer<Item>(
  work: (item: Item) => Promise<Contact>,
  signal: AbortSignal,
  { answering: known = [], random = Math.random }: WorkOptions = {},
): WorkByServer<Item> {
  const lanes = new Map<string, Lane<Item>>()
  let running = 0
  const whenOneIsDone: (() => void)[] = []

  function nextLane(): Lane<Item> | undefined {
    const all = [...lanes.values()]
    const ready = all.filter(
      ({ waiting, running, reached }) => waiting.length > 0 && running < Math.min(workersOfServer, 1 + reached),
    )
    const answering = ready.find(answers)
    const others = ready.filter(lane => !answers(lane))
    const untried = others.filter(({ unreachable }) => unreachable === 0)
    const other = untried[Math.floor(random() * untried.length)] ?? others[0]
    const reaching = sum(all.filter(lane => !answers(lane)).map(({ running }) => running))
    return reaching < workersToReach ? (other ?? answering) : (answering ?? other)
  }

  function newLane(server: string): Lane<Item> {
    const reached = known.includes(server) ? workersOfServer : 0
    return { server, waiting: [], running: 0, reached, unreachable: 0, full: false }
  }

  /** Whether as much waits for lanes of its kind as `most` says: neither kind takes the other's room. */
  function isCrowded(lane: Lane<Item>, most: number): boolean {
    const alike = [...lanes.values()].filter(other => answers(other) === answers(lane))
    return sum(alike.map(({ waiting }) => waiting.length)) >= most
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
    if (isGivenUp(lane)) lane.waiting.length = 0
    hadItsTurn(lane)
    startMore()
    for (const tell of whenOneIsDone.splice(0)) tell()
  }

  function startMore(): void {
    while (!signal.aborted && running < workers) {
      const lane = nextLane()
      const item = lane?.waiting.shift()
      if (!lane || item === undefined) break
      hadItsTurn(lane)
      void workOne(lane, item)
    }
  }

  function oneIsDone(): Promise<void> {
    return new Promise(resolve => whenOneIsDone.push(resolve))
  }

  /** Nothing waits, or half of what may: looking for more is worth it then. */
  function hasRoom(lane: Lane<Item>): boolean {
    const { length } = lane.waiting
    return length === 0 || (length <= mostWaitingOf(lane) / 2 && !isCrowded(lane, mayWait / 2))
  }

  return {
    add(server, item) {
      const lane = lanes.get(server) ?? newLane(server)
      lanes.set(server, lane)
      if (isGivenUp(lane)) return false
      const { length } = lane.waiting
      lane.full ||= length >= mostWaitingOf(lane) || (length > 0 && isCrowded(lane, mayWait))
      if (lane.full) return false
      lane.waiting.push(item)
      startMore()
      return true
    },
    closed: () => [...lanes.values()].filter(lane => lane.full || isGivenUp(lane)).map(({ server }) => server),
    async room() {
      while (!signal.aborted) {
        const full = [...lanes.values()].filter(lane => lane.full && !isGivenUp(lane))
        const roomy = full.filter(hasRoom)
        for (const lane of roomy) lane.full = false
        if (roomy.length > 0) return true
        if (full.length === 0 || running === 0) return false
        await oneIsDone()
      }
      return false
    },
    async finish() {
      while (running > 0) await oneIsDone()
    },
  }
}

/** It was reached in this run, and at the last try. */
function answers({ reached, unreachable }: Lane<unknown>): boolean {
  return reached > 0 && unreachable === 0
}

function mostWaitingOf(lane: Lane<unknown>): number {
  return answers(lane) ? mayWaitForServer : mayWaitUnreached
}

function isGivenUp({ unreachable }: Lane<unknown>): boolean {
  return unreachable >= tries
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
