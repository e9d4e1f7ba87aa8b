import type { ExchangeEntry } from '../decisions/record.ts'
import type { Reason } from '../errors.ts'
import { type Decision, denialReasons } from './decision.ts'
import type { Facts } from './facts.ts'

/** A record of an exchange, as far as it can be judged again. */
export type RecordedExchange = Pick<
  ExchangeEntry,
  'decision' | 'outcome' | 'reason' | 'follows' | 'workload' | 'actor' | 'client' | 'facts'
>

/** What would be decided of a request: as its documents are now, and as a draft would have them. */
export interface Verdicts {
  readonly current: Verdict
  readonly drafted: Verdict
}

/** As far as a decision is compared with another. */
export type Verdict = Pick<Decision, 'outcome' | 'rules' | 'trace'> & { readonly reason?: Reason }

/** What a draft would make of past requests, compared with what would be made of them now. */
export interface Impact {
  /** How many decisions were judged again. */
  readonly judged: number
  /** How many were not made by rules: a lockdown made them, a quota, or something that was down. */
  readonly notByRules: number
  /**
   * For how many of those judged a rule asks for something that the record does not hold: they may turn out otherwise,
   * even where nothing seems to change.
   */
  readonly uncertain: number
  /** How many of those judged would be decided otherwise today than they were, draft or no draft. */
  readonly drift: number
  /** By workload, the most frequent first. */
  readonly newlyAllowed: readonly Change[]
  readonly newlyDenied: readonly Change[]
}

/** Requests of one workload, for the same scopes of one target, that would be answered differently. */
export interface Change {
  readonly target: string
  readonly workload: { readonly issuer: string; readonly subject: string }
  readonly actor?: { readonly issuer: string; readonly subject: string }
  readonly scopes: readonly string[]
  readonly count: number
  /** ISO 8601: the first and the last time that it was asked for. */
  readonly first: string
  readonly last: string
  /** Ids of the rules that would decide, and why where they would deny. */
  readonly rules: readonly string[]
  readonly reason?: Reason
  /** How many of them are uncertain. */
  readonly uncertain: number
  /** The ids of the first few decisions. */
  readonly decisions: readonly string[]
}

const shownDecisions = 5

/**
 * Judges recorded exchanges again, with a draft and without: what would be newly allowed and newly denied by it. What the
 * record says came of them is no measure of the draft, since other changes have been made meanwhile. `verdictsOn` gives
 * undefined for a request that the draft does not touch. Pure where that is.
 */
export function impact(
  recorded: Iterable<RecordedExchange>,
  verdictsOn: (facts: Facts) => Verdicts | undefined,
): Impact {
  const changes = { allowed: new Map<string, Change>(), denied: new Map<string, Change>() }
  const counts = { judged: 0, notByRules: 0, uncertain: 0, drift: 0 }
  for (const entry of recorded) {
    const facts = factsIn(entry)
    const verdicts = facts && verdictsOn(facts)
    // What was allowed and then failed has two records: the first is the decision.
    if (entry.follows || (facts && !verdicts)) continue
    const outcome = outcomeByRules(entry)
    counts[verdicts && outcome ? 'judged' : 'notByRules'] += 1
    if (!facts || !verdicts || !outcome) continue
    const { current, drafted } = verdicts
    counts.uncertain += Number(isUncertain(verdicts))
    counts.drift += Number(current.outcome !== outcome)
    if (drafted.outcome !== current.outcome) add(changes[drafted.outcome], changeOf(entry.decision, facts, verdicts))
  }
  return { ...counts, newlyAllowed: sorted(changes.allowed), newlyDenied: sorted(changes.denied) }
}

/** The facts of a record, as `decide` takes them. Undefined where the exchange ended before there were any. */
export function factsIn({ workload, actor, client, facts }: RecordedExchange): Facts | undefined {
  return facts && { ...facts, workload, ...(actor && { actor }), client }
}

function outcomeByRules({ outcome, reason }: RecordedExchange): Decision['outcome'] | undefined {
  if (outcome === 'allowed') return outcome
  return outcome === 'denied' && denialReasons.some(each => each === reason) ? outcome : undefined
}

function isUncertain({ current, drafted }: Verdicts): boolean {
  const inForce = [...current.trace, ...drafted.trace].filter(({ state }) => state === 'enforced')
  return inForce.some(({ tests }) => tests.some(({ unevaluable }) => unevaluable !== undefined))
}

function changeOf(decision: string, { workload, actor, target, scopes, time }: Facts, verdicts: Verdicts): Change {
  const { drafted } = verdicts
  const at = new Date(time).toISOString()
  return {
    target: target.id,
    workload: { issuer: workload.issuer.id, subject: workload.subject },
    ...(actor && { actor: { issuer: actor.issuer.id, subject: actor.subject } }),
    scopes: scopes.toSorted(),
    count: 1,
    first: at,
    last: at,
    rules: drafted.rules.map(({ id }) => id),
    ...(drafted.reason !== undefined && { reason: drafted.reason }),
    uncertain: Number(isUncertain(verdicts)),
    decisions: [decision],
  }
}

/** Changes of one workload, target, scopes and outcome are one, with all the rules that decide. */
function add(changes: Map<string, Change>, change: Change): void {
  const { target, workload, actor, scopes, reason } = change
  const key = JSON.stringify([target, workload, actor, scopes, reason])
  const known = changes.get(key)
  changes.set(key, known ? merged(known, change) : change)
}

function merged(known: Change, change: Change): Change {
  return {
    ...change,
    rules: [...new Set([...known.rules, ...change.rules])],
    count: known.count + 1,
    first: known.first < change.first ? known.first : change.first,
    last: known.last > change.last ? known.last : change.last,
    uncertain: known.uncertain + change.uncertain,
    decisions: [...known.decisions, ...change.decisions].slice(0, shownDecisions),
  }
}

function sorted(changes: ReadonlyMap<string, Change>): readonly Change[] {
  return [...changes.values()].sort((a, b) => b.count - a.count)
}
