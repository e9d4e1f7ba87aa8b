import type { Stored } from '../document.ts'
import type { Calendars } from './calendar.ts'
import { type DocumentDraft, everyTarget } from './document-draft.ts'
import { putRule } from './lint-draft.ts'
import { compileRules, type Ruleset } from './ruleset.ts'

/** What decides about one target: as it is, and with a draft of a rule among its rules. */
export interface DraftedRuleset {
  readonly current: Ruleset
  readonly drafted: Ruleset
}

/** What rulesets are made of. */
export interface RulesetSources {
  readonly rulesIn: (partition: string) => Promise<readonly Stored<unknown>[]>
  readonly calendars: Calendars
}

/** Of a guardrail, so many targets are judged: each costs a query. */
export const judgedTargets = 200

/** The rulesets of targets, {@link judgedTargets} at the most, with a draft of a rule where there is one. */
export async function draftedRulesets(
  targets: readonly string[],
  draft: DocumentDraft | undefined,
  { rulesIn, calendars }: RulesetSources,
): Promise<ReadonlyMap<string, DraftedRuleset>> {
  const compiled = async (partition: string) =>
    compileTwice(await rulesIn(partition), draft?.name.partition === partition ? draft : undefined)
  const guardrails = await compiled(everyTarget)
  const found = new Map<string, DraftedRuleset>()
  for (const target of targets.slice(0, judgedTargets)) {
    const own = await compiled(target)
    const rulesetOf = (of: keyof DraftedRuleset) => ({ own: own[of], guardrails: guardrails[of], calendars })
    found.set(target, { current: rulesetOf('current'), drafted: rulesetOf('drafted') })
  }
  return found
}

/** The rules of a partition, as they are and with a draft among them. */
function compileTwice(stored: readonly Stored<unknown>[], draft: DocumentDraft | undefined) {
  const current = compileRules(stored)
  return { current, drafted: draft ? compileRules(putRule(stored, draft)) : current }
}
