import type { Problem, Stored } from '../document.ts'
import type { DocumentName } from '../document-kind.ts'
import type { Calendars } from './calendar.ts'
import type { Sample, SampleQuery } from './cosmos-recorded-exchanges.ts'
import type { StoredRules } from './cosmos-rules.ts'
import { decide } from './decide.ts'
import type { Facts } from './facts.ts'
import { type Change, impact, type Verdicts } from './impact.ts'
import { lint, type Warning } from './lint.ts'
import type { Rule } from './rule.ts'
import { compileRules, parseRule, type Ruleset } from './ruleset.ts'

/** A rule or guardrail as it would be saved; without a document, removed. */
export interface RuleDraft {
  readonly name: DocumentName
  readonly document?: unknown
}

/** The records that a draft is tried on. Times are epoch milliseconds; the last seven days unless said. */
export interface ImpactRange {
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly max?: number | undefined
}

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

/** Warnings. `complete`: they are all that there are, of all the rules that bear on the draft's target. */
export interface LintReport {
  readonly warnings: readonly Warning[]
  readonly complete: boolean
}

export interface WhatIf {
  /** What is wrong with a rule whoever names it; nothing where it can be read. */
  problemsOf(document: unknown): readonly Problem[]
  /** Warnings about the rules that bear on the draft's target, with the draft in its place. */
  lint(draft: RuleDraft): Promise<LintReport>
  /** Judges recorded exchanges again, with the draft in its place. */
  impact(draft: RuleDraft, range?: ImpactRange): Promise<ImpactReport>
}

export interface WhatIfOptions {
  /** The stored rules of a partition; of all, some thousand at most. */
  readonly rules: (partition: string | undefined) => Promise<StoredRules>
  readonly calendars: () => Promise<Calendars>
  /** How callers name a target. */
  readonly namesOf: (target: string) => Promise<readonly string[]>
  readonly sample: (query: SampleQuery) => Promise<Sample>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

const week = 7 * 86_400_000
const sampled = 5_000
/** Of a guardrail, so many targets are judged: each costs a query. */
const judgedTargets = 200
const shown = 200
const everyTarget = '*'

/** Tries drafts of rules on what is stored and what was recorded. Saves nothing. */
export function openWhatIf({ rules, calendars, namesOf, sample, now }: WhatIfOptions): WhatIf {
  const rulesIn = async (partition: string) => (await rules(partition)).rules

  /** What decides about some targets: as it is, and with the draft in its place. */
  async function tryOn(targets: readonly string[], draft: RuleDraft): Promise<(facts: Facts) => Verdicts | undefined> {
    const current = await calendars()
    const isGuardrail = draft.name.partition === everyTarget
    const guardrails = compileTwice(await rulesIn(everyTarget), isGuardrail ? draft : undefined)
    const found = new Map<string, Readonly<Record<'current' | 'drafted', Ruleset>>>()
    for (const target of targets.slice(0, judgedTargets)) {
      const own = compileTwice(await rulesIn(target), isGuardrail ? undefined : draft)
      const rulesetOf = (of: 'current' | 'drafted') => ({
        own: own[of],
        guardrails: guardrails[of],
        calendars: current,
      })
      found.set(target, { current: rulesetOf('current'), drafted: rulesetOf('drafted') })
    }
    return facts => {
      const rulesets = found.get(facts.target.id)
      return rulesets && { current: decide(rulesets.current, facts), drafted: decide(rulesets.drafted, facts) }
    }
  }

  return {
    problemsOf(document) {
      const parsed = parseRule(document)
      return 'problems' in parsed ? parsed.problems : []
    },

    async lint(draft) {
      const isGuardrail = draft.name.partition === everyTarget
      const own = await rules(isGuardrail ? undefined : draft.name.partition)
      const guardrails = isGuardrail ? [] : await rulesIn(everyTarget)
      const parsed = [...put(own.rules, draft), ...guardrails].flatMap(({ content }) => ruleIn(content))
      const warnings = lint(parsed, { now: now(), calendars: await calendars() })
      return { warnings: warnings.slice(0, shown), complete: own.complete && warnings.length <= shown }
    },

    async impact(draft, { from = now() - week, to = now(), max = sampled } = {}) {
      const { partition } = draft.name
      const targets = partition === everyTarget ? undefined : await namesOf(partition)
      const found = await sample({ targets, from, to, max })
      const { exchanges } = found
      const asked = new Set(exchanges.flatMap(({ facts }) => (facts ? [facts.target.id] : [])))
      const verdictsOn = await tryOn(partition === everyTarget ? [...asked] : [partition], draft)
      const { newlyAllowed, newlyDenied, judged, uncertain, drift } = impact(exchanges, verdictsOn)
      return {
        newlyDenied: newlyDenied.slice(0, shown).map(reported),
        newlyAllowed: newlyAllowed.slice(0, shown).map(reported),
        counts: { newlyDenied: counted(newlyDenied), newlyAllowed: counted(newlyAllowed) },
        judged,
        notJudged: exchanges.length + found.unreadable - judged,
        uncertain,
        drift,
        from: new Date(found.from).toISOString(),
        to: new Date(to).toISOString(),
        complete: found.complete,
      }
    },
  }
}

/** The rules of a partition, as they are and with a draft among them. */
function compileTwice(stored: readonly Stored<unknown>[], draft: RuleDraft | undefined) {
  const current = compileRules(stored)
  return { current, drafted: draft ? compileRules(put(stored, draft)) : current }
}

/** The rules of a partition as they would be stored. */
function put(stored: readonly Stored<unknown>[], { name, document }: RuleDraft): readonly Stored<unknown>[] {
  const others = stored.filter(({ content }) => !isCalled(content, name))
  return document === undefined ? others : [...others, { content: document, version: 'draft' }]
}

function isCalled(content: unknown, { id, partition }: DocumentName): boolean {
  if (typeof content !== 'object' || content === null || !('id' in content) || !('target' in content)) return false
  return content.id === id && content.target === partition
}

function ruleIn(content: unknown): readonly Rule[] {
  const parsed = parseRule(content)
  return 'rule' in parsed ? [parsed.rule] : []
}

function counted(changes: readonly Change[]): ChangeCount {
  return { changes: changes.length, calls: changes.reduce((calls, { count }) => calls + count, 0) }
}

function reported({ count, ...change }: Change): ChangeReport {
  return { ...change, calls: count }
}
