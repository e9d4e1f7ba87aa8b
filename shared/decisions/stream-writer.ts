import type { ChainHead, UnresolvedRange } from './record.ts'
import { recordHash } from './record-hash.ts'
import { type Attempts, type Settlement, settle, type Unresolved } from './settle.ts'
import { type ChainedRecord, chain, newStream, type Stream, type StreamOrigin, type Unchained } from './stream.ts'
import type { FailureDetail, StreamStore } from './stream-store.ts'

/** A stream that was closed, and why. */
export interface ClosedStream extends UnresolvedRange {
  readonly because: Unresolved
  readonly detail: FailureDetail
}

/** What all lanes of a process share. */
export interface LaneParts {
  readonly store: StreamStore
  readonly origin: StreamOrigin
  /** The hour, which never goes back. */
  readonly hour: () => string
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  readonly monotonic: () => number
  /** How long a batch may take, in milliseconds. */
  readonly patience: number
  /** A number that no lane of this process has had. */
  readonly nextNumber: () => number
  /** Hears of what is there, in the order of the stream. */
  readonly onCommitted: (chained: readonly ChainedRecord[]) => void
  readonly onClosed: (closed: ClosedStream) => void
}

/** Records as they were sent, and what became of them. */
export interface Appended {
  readonly chained: readonly ChainedRecord[]
  readonly settlement: Settlement
}

/** One stream after the other, each of which takes over from the one before it. */
export interface StreamWriter {
  /** The last record that is known to be there. */
  head(): ChainHead | null
  /** Is there a range that the stream shall name, and does not yet? */
  owesOpening(): boolean
  /** A new hour has a new stream, which owes what the one before it owed. */
  rollOver(): void
  /**
   * The next records of the stream, by then (by default, the patience from now on); what opens it goes before its first.
   * Where the outcome is unresolved, the stream is closed, and the next one will say so.
   */
  append(unchained: readonly Unchained[], until?: number): Promise<Appended>
}

/** Writes streams that take over from that record. `onUnclear` hears of attempts that did not tell what became of them. */
export function streamWriter(predecessor: ChainHead | null, parts: LaneParts, onUnclear: () => void): StreamWriter {
  const { store, origin, monotonic, patience } = parts
  let number = parts.nextNumber()
  let head = predecessor
  let stream = nextStream()

  function nextStream(unresolved?: UnresolvedRange): Stream {
    const openedAt = new Date(parts.now()).toISOString()
    const names = { hour: parts.hour(), lane: number, openedAt }
    return newStream(origin, names, { predecessor: head, ...(unresolved && { unresolved }) })
  }

  function settled(attempts: Attempts, until: number): Promise<Settlement> {
    return settle({ ...attempts, onUnclear }, { monotonic, until, leastAttempt: patience / 8 })
  }

  /** Before a stream's first record. A conflict is with an earlier attempt, or with somebody who took the name. */
  async function register(until: number): Promise<Settlement> {
    if (stream.registered) return { kind: 'committed' }
    const { registration } = stream
    const send = (signal: AbortSignal) => store.register(registration, signal)
    const isOurs = async (signal: AbortSignal) => {
      const found = await store.readRegistration(registration, signal)
      return found && recordHash(found) === recordHash(registration)
    }
    const settlement = await settled({ send, isOurs }, until)
    if (settlement.kind === 'committed') stream = { ...stream, registered: true }
    else if (settlement.kind === 'unresolved' && settlement.because === 'conflict') leave(settlement)
    return settlement
  }

  function commit(chained: readonly ChainedRecord[], until: number): Promise<Settlement> {
    const records = chained.map(({ record }) => record)
    const ids = records.map(({ id }) => id)
    const isOurs = async (signal: AbortSignal) => {
      const found = await store.read(stream.registration.stream, ids, signal)
      return found?.every((record, index) => recordHash(record) === chained[index]?.head.hash)
    }
    return settled({ send: signal => store.commit(records, signal), isOurs }, until)
  }

  function advance(chained: readonly ChainedRecord[]): void {
    const last = chained.at(-1)?.head
    if (!last) return
    head = last
    stream = { ...stream, last }
    parts.onCommitted(chained)
  }

  /** Nothing is written to it any more. The next one has another name and says what was left open. */
  function close(chained: readonly ChainedRecord[], { because, detail }: Extract<Settlement, { kind: 'unresolved' }>) {
    const [from, to] = [chained[0]?.head.id ?? '', chained.at(-1)?.head.id ?? '']
    const closed = { stream: stream.registration.stream, from, to }
    parts.onClosed({ ...closed, because, detail })
    number = parts.nextNumber()
    stream = nextStream(owesOpening() ? stream.unresolved : closed)
  }

  /** Somebody else registered its name. Nothing of ours is in it. */
  function leave({ because, detail }: Pick<ClosedStream, 'because' | 'detail'>): void {
    parts.onClosed({ stream: stream.registration.stream, from: '', to: '', because, detail })
    number = parts.nextNumber()
    stream = nextStream(stream.unresolved)
  }

  function owesOpening(): boolean {
    return stream.unresolved !== undefined && !stream.last
  }

  return {
    head: () => head,
    owesOpening,
    rollOver() {
      if (stream.registration.hour < parts.hour()) stream = nextStream(owesOpening() ? stream.unresolved : undefined)
    },
    async append(unchained, until = monotonic() + patience) {
      const registered = await register(until)
      // Where its registration is unclear, of the records it is certain that they are not there.
      if (registered.kind !== 'committed')
        return { chained: [], settlement: { kind: 'refused', detail: registered.detail } }
      const chained = chain(stream, origin.ttl, unchained)
      const settlement = await commit(chained, until)
      if (settlement.kind === 'committed') advance(chained)
      // The opening of such a stream is sent again, with the same bytes, until it is there.
      else if (settlement.kind === 'unresolved' && !(owesOpening() && settlement.because === 'unsettled'))
        close(chained, settlement)
      return { chained, settlement }
    },
  }
}
