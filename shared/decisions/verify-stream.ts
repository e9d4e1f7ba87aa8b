import { hashOf } from './record-hash.ts'
import { idOf, numberOf } from './record-id.ts'
import { type LogDocument, textOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import {
  type BrokenLink,
  judgeBroken,
  judgeDisplaced,
  judgeFirst,
  judgeForm,
  judgePlace,
  type Seen,
  type Wrong,
} from './verify-link.ts'
import { misdated, tolerance } from './verify-time.ts'

/** A record that must be there with that hash, and who says so. */
export interface Anchor {
  readonly number: number
  readonly hash: string
  readonly by: string
  /** When a checkpoint that says so was made. */
  readonly at?: string
}

/** What is known of one stream. */
export interface StreamVerdict {
  readonly records: number
  /** The number of the last record that is there; 0 where there is none. */
  readonly last: number
  readonly finding?: Finding
  /** The hash of its first record, where that is there. */
  readonly opening?: string
  /** The claims that do not hold. */
  readonly unmet: readonly Anchor[]
}

/** Checks one stream, record by record in the order of their ids. */
export interface StreamCheck {
  take(record: LogDocument): void
  /** When there are no more records. */
  end(): StreamVerdict
}

export interface StreamCheckOptions {
  readonly stream: string
  /** In the order of their numbers. */
  readonly anchors: readonly Anchor[]
  /** What the first records of other streams say of this one. They may be wrong themselves. */
  readonly claims: readonly Anchor[]
  /** A time before which retention may have taken records: the first that is left is trusted if it is older. */
  readonly horizon?: string
  /** Which all of its records must name. */
  readonly deployment?: string | undefined
}

/**
 * Begins to check a stream. What it keeps does not grow with the number of records. Only the first thing that is wrong
 * is told, since it often makes all else look wrong.
 */
export function streamCheck({ stream, anchors, claims, horizon, deployment }: StreamCheckOptions): StreamCheck {
  let [records, passed] = [0, 0]
  let last: Seen | undefined
  let broken: BrokenLink | undefined
  let wrong: Wrong | undefined
  let stranger: string | undefined
  let odd: Finding | undefined
  let opening: string | undefined
  const claimed = Map.groupBy(claims, ({ number }) => number)
  const unmet: Anchor[] = []

  /** The anchors of one record. Those of records that are not there are passed over: what is wrong is told otherwise. */
  function anchorsOf(number: number): readonly Anchor[] {
    const found: Anchor[] = []
    for (let anchor = anchors[passed]; anchor && anchor.number <= number; anchor = anchors[++passed]) {
      if (anchor.number === number) found.push(anchor)
    }
    return found
  }

  function judge(record: LogDocument, seen: Seen): Wrong | undefined {
    if (!last) return judgeFirst(record, seen, horizon) ?? judgeForm(seen)
    const misplaced = judgePlace(last, seen)
    if (misplaced) return misplaced
    const earlier = broken && judgeBroken(broken, seen)
    if (earlier) return judgeDisplaced(earlier, seen)
    const malformed = judgeForm(seen)
    if (malformed || seen.previous === last.hash) return malformed
    broken = { before: last, after: seen }
    return judgeBroken(broken)
  }

  function judgeAnchor({ number, previous: twin }: Seen, differing: Anchor | undefined): Wrong | undefined {
    if (!differing) return undefined
    const rewritten = broken ? '' : '; it was altered, or one before it and the chain made anew'
    return { kind: 'altered', number, because: `its hash is not what ${differing.by} says${rewritten}`, twin }
  }

  /** What the chain does not tell of a record that is chained and signed: that it was made up later, or elsewhere. */
  function oddityOf(record: LogDocument, number: number, signedAt?: string): Finding | undefined {
    const place = { subject: 'record', stream, id: idOf(number) } as const
    const because = misdated(record['at'], stream, signedAt)
    if (because !== undefined) return { kind: 'misdated', ...place, because }
    if (deployment === undefined || record['deployment'] === deployment) return undefined
    return { kind: 'foreign', ...place, because: `it is of deployment ${textOf(record['deployment'])}` }
  }

  /** What must be there, and is beyond the end. */
  function judgeEnd(): Finding | undefined {
    const beyond = anchors.findLast(({ number }) => number > (last?.number ?? 0))
    if (!beyond || (!last && horizon !== undefined && mayHaveExpired(anchors, horizon))) return undefined
    const because = `${beyond.by} names record ${idOf(beyond.number)}`
    if (!last) return { kind: 'removed', subject: 'stream', stream, because }
    return { kind: 'cut', subject: 'record', stream, id: idOf(last.number + 1), because }
  }

  function finding(): Finding | undefined {
    if (stranger !== undefined) {
      return { kind: 'inserted', subject: 'record', stream, id: stranger, because: 'its id is no number of a record' }
    }
    wrong ??= broken && judgeBroken(broken, 'none')
    if (!wrong) return judgeEnd() ?? odd
    const { kind, number, because } = wrong
    return { kind, subject: 'record', stream, id: idOf(number), because }
  }

  return {
    take(record) {
      records += 1
      const number = numberOf(record['id'])
      if (number === undefined) {
        if (!wrong) stranger ??= textOf(record['id'])
        return
      }
      const hash = hashOf(record)
      const named = anchorsOf(number)
      odd ??= oddityOf(record, number, (named[0] ?? anchors[passed])?.at)
      if (number === 1) opening ??= hash
      for (const claim of claimed.get(number) ?? []) if (claim.hash !== hash) unmet.push(claim)
      const differing = named.find(anchor => anchor.hash !== hash)
      const seen = { number, hash, previous: record['previous'], anchored: named.length > 0 && !differing }
      wrong = wrong ? judgeDisplaced(wrong, seen) : (judge(record, seen) ?? judgeAnchor(seen, differing))
      if (!last || number > last.number) last = seen
    },
    end() {
      const found = finding()
      const end = last?.number ?? 0
      if (last || horizon === undefined) for (const claim of claims) if (claim.number > end) unmet.push(claim)
      const more = { ...(found && { finding: found }), ...(opening !== undefined && { opening }) }
      return { records, last: end, unmet, ...more }
    },
  }
}

/** Of a stream that is gone whole: not where it grew between two checkpoints that are younger than the horizon. */
function mayHaveExpired(anchors: readonly Anchor[], horizon: string): boolean {
  const least = Date.parse(horizon) + tolerance
  const younger = anchors.filter(({ at }) => at !== undefined && Date.parse(at) > least)
  return younger.every(({ number }) => number === younger[0]?.number)
}
