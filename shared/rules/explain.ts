import { decideAmong } from './decide.ts'
import type { Decision } from './decision.ts'
import type { Facts } from './facts.ts'
import { byOrder, type RulePartition, type Ruleset } from './ruleset.ts'

/** What a rule set says of one request, told in full. */
export interface Explanation {
  /** With the trace of every rule, whoever it is about. */
  readonly decision: Decision
  /** What would be decided if the report-only rules were enforced; absent where there are none. */
  readonly ifEnforced?: Decision
}

/** Decides as an exchange would, and shows every rule: for operators who ask why, or what if. Pure. */
export function explain(facts: Facts, ruleset: Ruleset): Explanation {
  const decision = decideAmongAll(ruleset, facts)
  const { own, guardrails } = ruleset
  const isInForce = [own, guardrails].every(({ rules }) => rules.every(({ state }) => state === 'enforced'))
  if (isInForce) return { decision }
  const inForce = { ...ruleset, own: enforced(own), guardrails: enforced(guardrails) }
  return { decision, ifEnforced: decideAmongAll(inForce, facts) }
}

function decideAmongAll(ruleset: Ruleset, facts: Facts): Decision {
  return decideAmong([...ruleset.own.rules, ...ruleset.guardrails.rules].sort(byOrder), ruleset, facts)
}

/** The index of the partition stays as it was: where all rules are judged, nobody asks it. */
function enforced(partition: RulePartition): RulePartition {
  return { ...partition, rules: partition.rules.map(rule => ({ ...rule, state: 'enforced' })) }
}
