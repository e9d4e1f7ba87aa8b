import type { Sample } from './cosmos-recorded-exchanges.ts'
import type { Change, Impact } from './impact.ts'

/** What a draft would have made of past decisions, and of how many of them that is said. */
export interface ImpactReport {
  readonly newlyDenied: readonly ChangeReport[]
  readonly newlyAllowed: readonly ChangeReport[]
  /** Of all of them, beyond those that are listed. */
  readonly counts: { readonly newlyDenied: ChangeCount; readonly newlyAllowed: ChangeCount }
  readonly judged: number
  /** Records that were not judged: something else than rules decided, or they cannot be read. */
  readonly notJudged: number
  /** Of those judged, for how many a rule asks for something that the record does not hold. */
  readonly uncertain: number
  /** Of those judged, how many would be decided otherwise today than they were, draft or no draft. */
  readonly drift: number
  /** ISO 8601: the records of this time were looked at. `complete`: that is all that was asked for. */
  readonly from: string
  readonly to: string
  readonly complete: boolean
}

export type ChangeReport = Omit<Change, 'count'> & { readonly calls: number }

/** How many calls would be answered differently, and how many changes they are: by workload, target and scopes. */
export interface ChangeCount {
  readonly changes: number
  readonly calls: number
}

const shown = 200

/** The report of what was found in a sample of records up to a time, in epoch milliseconds. */
export function reportOf({ exchanges, unreadable, from, complete }: Sample, to: number, impact: Impact): ImpactReport {
  const { newlyAllowed, newlyDenied, judged, uncertain, drift } = impact
  return {
    newlyDenied: newlyDenied.slice(0, shown).map(reported),
    newlyAllowed: newlyAllowed.slice(0, shown).map(reported),
    counts: { newlyDenied: counted(newlyDenied), newlyAllowed: counted(newlyAllowed) },
    judged,
    notJudged: exchanges.length + unreadable - judged,
    uncertain,
    drift,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    complete,
  }
}

function counted(changes: readonly Change[]): ChangeCount {
  return { changes: changes.length, calls: changes.reduce((calls, { count }) => calls + count, 0) }
}

function reported({ count, ...change }: Change): ChangeReport {
  return { ...change, calls: count }
}
