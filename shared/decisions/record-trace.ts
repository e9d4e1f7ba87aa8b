import type { RuleTrace } from '../rules/decision.ts'
import type { DecisionEntry } from './record.ts'

/** How many tests of one rule a record shows: a rule may have 64 selectors of seven tests each. */
const shownTests = 16
/** How many deciding rules a record names: a grant has one a scope at most, but any number of rules may deny. */
const namedRules = 32

/** An entry that fits: what was left out of its rules and its trace is counted. */
export type FittingEntry = DecisionEntry & { readonly rulesOmitted?: number; readonly traceOmitted?: number }

/**
 * The entry with its rules bounded and its trace cut to `bytes`, so that no number of rules can keep a decision from its
 * record. Rules that decided come first, then those about the workload, then the others, each in the order in which they
 * were judged; of a rule's tests the last ones are kept, which decided it, or none where even they do not fit.
 */
export function fitTrace(entry: DecisionEntry, bytes: number): FittingEntry {
  if (entry.kind !== 'exchange') return entry
  const rules = entry.rules.slice(0, namedRules)
  const rulesOmitted = entry.rules.length - rules.length
  const named = rulesOmitted > 0 ? { ...entry, rules, rulesOmitted } : entry
  if (sizeOf(entry.trace) <= bytes) return named
  const decided = new Set(entry.rules.map(({ target, id }) => `${target} ${id}`))
  const weight = ({ rule, target, selected }: RuleTrace) => (decided.has(`${target} ${rule}`) ? 0 : selected ? 1 : 2)
  const trace: RuleTrace[] = []
  let left = bytes
  for (const rule of entry.trace.toSorted((a, b) => weight(a) - weight(b))) {
    const shown = [rule.tests.slice(-shownTests), []]
      .map(tests => ({ ...rule, tests }))
      .find(one => sizeOf(one) <= left)
    if (!shown) break
    left -= sizeOf(shown) + 1
    trace.push(shown)
  }
  return { ...named, trace, traceOmitted: entry.trace.length - trace.length }
}

/** Bytes of JSON. */
function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
