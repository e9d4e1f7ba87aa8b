import { hourLength, hourOfStream, startOfHour } from './checkpoint-hours.ts'
import type { Anchor, StreamVerdict } from './verify-stream.ts'

/** The time that is looked at, epoch milliseconds; without bounds where it is infinite. */
export interface TimeRange {
  /** The horizon: what is older may have been taken by retention. */
  readonly from: number
  readonly to: number
}

/** What others say of a stream. */
export interface StreamNotes {
  /** The deployment that registered it. */
  registered?: string
  /** Records that checkpoints name. */
  readonly anchors: Anchor[]
  /** Records that the first records of other streams name. */
  readonly claims: Anchor[]
  /** Its first record's own words, and the hash by which they are to be found again. */
  opening?: {
    readonly hash: string | undefined
    /** What it takes over from. */
    readonly predecessor?: { readonly stream: string; readonly number: number }
    readonly unresolved?: string
  }
}

/** A stream whose records were all seen. */
export interface JudgedStream extends StreamNotes {
  readonly name: string
  readonly verdict: StreamVerdict
  /** What named it may be older than the horizon. */
  readonly mayBeOlder: boolean
}

/** The streams that are looked at. */
export interface NotedStreams {
  /** What is known of a stream; undefined for one that is not looked at. */
  of(stream: string): StreamNotes | undefined
  /** All that were asked for, in the order of their names. */
  inOrder(): readonly (readonly [string, StreamNotes])[]
}

/** Nothing is known of any stream yet. */
export function notedStreams({ from, to }: TimeRange): NotedStreams {
  const notes = new Map<string, StreamNotes>()

  function isBeyond(stream: string): boolean {
    const start = startOfHour(hourOfStream(stream))
    return start + hourLength <= from || start >= to
  }

  return {
    of(stream) {
      if (isBeyond(stream)) return undefined
      const found = notes.get(stream) ?? { anchors: [], claims: [] }
      notes.set(stream, found)
      return found
    },
    inOrder: () => [...notes].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  }
}
