import type { RuleTrace } from '../rules/decision.ts'
import type { DecisionEntry } from './record.ts'

/** How many rules that were not about the workload a record shows. */
const shownMisses = 16

/**
 * The entry with its trace cut to what fits in a record: every rule that was about the workload, the first of those
 * that were not, and how many were left out.
 */
export function recordTrace(entry: DecisionEntry): DecisionEntry & { readonly traceOmitted?: number } {
  if (entry.kind !== 'exchange' || entry.trace.length <= shownMisses) return entry
  let misses = 0
  const trace = entry.trace.filter((rule: RuleTrace) => rule.selected || misses++ < shownMisses)
  return { ...entry, trace, traceOmitted: entry.trace.length - trace.length }
}
