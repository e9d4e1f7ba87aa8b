import type { Problem, Stored } from '../document.ts'
import type { Calendars } from './calendar.ts'
import type { Sample, SampleQuery } from './cosmos-recorded-exchanges.ts'
import { type DocumentDraft, everyTarget } from './document-draft.ts'
import { verdictOf, viewsOf } from './draft-view.ts'
import type { Facts } from './facts.ts'
import { type Change, impact, type Verdicts } from './impact.ts'
import {
  draftLinter,
  type LintReport,
  type LintSources,
  namingCalendar,
  problemsOfRule,
  putRule,
  ruleIn,
} from './lint-draft.ts'
import { compileRules, type Ruleset } from './ruleset.ts'

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

export interface WhatIf {
  /** What is wrong with a rule whoever names it; nothing where it can be read. */
  problemsOf(document: unknown): readonly Problem[]
  /** Warnings about what the draft bears on, with the draft in its place. */
  lint(draft: DocumentDraft): Promise<LintReport>
  /** Judges recorded exchanges again, with the draft in its place and without. Of rules, targets, issuers and calendars. */
  impact(draft: DocumentDraft, range?: ImpactRange): Promise<ImpactReport>
}

export interface WhatIfOptions extends LintSources {
  /** How callers name a target. */
  readonly namesOf: (target: string) => Promise<readonly string[]>
  readonly sample: (query: SampleQuery) => Promise<Sample>
}

const week = 7 * 86_400_000
const sampled = 5_000
/** Of a guardrail, so many targets are judged: each costs a query. */
const judgedTargets = 200
const shown = 200

/** What decides about one target: as it is, and with a draft of a rule among its rules. */
interface Rulesets {
  readonly current: Ruleset
  readonly drafted: Ruleset
}

/** Tries drafts of documents on what is stored and what was recorded. Saves nothing. */
export function openWhatIf(options: WhatIfOptions): WhatIf {
  const { rules, calendars, stored, sight, namesOf, sample, now } = options
  const rulesIn = async (partition: string) => (await rules(partition)).rules

  /** Which records the draft can bear on, as far as a search for them can tell. */
  async function soughtFor({ container, name }: DocumentDraft): Promise<Pick<SampleQuery, 'targets' | 'issuer'>> {
    if (container === 'issuers') return { issuer: name.id }
    if (container === 'targets') return { targets: await namesOf(name.id) }
    if (container === 'rules') return name.partition === everyTarget ? {} : { targets: await namesOf(name.partition) }
    const all = await rules(undefined)
    const naming = namingCalendar(
      all.rules.flatMap(({ content }) => ruleIn(content)),
      name.id,
    )
    const targets = [...new Set(naming.map(({ target }) => target))]
    if (!all.complete || targets.length > judgedTargets || targets.includes(everyTarget)) return {}
    return { targets: (await Promise.all(targets.map(namesOf))).flat() }
  }

  async function rulesetsOf(
    targets: readonly string[],
    draft: DocumentDraft | undefined,
    known: Calendars,
  ): Promise<ReadonlyMap<string, Rulesets>> {
    const isGuardrail = draft?.name.partition === everyTarget
    const guardrails = compileTwice(await rulesIn(everyTarget), isGuardrail ? draft : undefined)
    const found = new Map<string, Rulesets>()
    for (const target of targets.slice(0, judgedTargets)) {
      const own = compileTwice(await rulesIn(target), draft?.name.partition === target ? draft : undefined)
      const rulesetOf = (of: keyof Rulesets) => ({ own: own[of], guardrails: guardrails[of], calendars: known })
      found.set(target, { current: rulesetOf('current'), drafted: rulesetOf('drafted') })
    }
    return found
  }

  /** What would be decided now, and with the draft in its place, of requests for some targets. */
  async function tryOn(targets: readonly string[], draft: DocumentDraft) {
    const isRule = draft.container === 'rules'
    const [known, before] = await Promise.all([calendars(), isRule ? undefined : stored(draft)])
    const { touches, current, drafted } = viewsOf(draft, before, { sight, calendars: known })
    const rulesets = await rulesetsOf(targets, isRule ? draft : undefined, known)
    return (facts: Facts): Verdicts | undefined => {
      const decisive = touches(facts) ? rulesets.get(facts.target.id) : undefined
      return (
        decisive && {
          current: verdictOf(current, decisive.current, facts),
          drafted: verdictOf(drafted, decisive.drafted, facts),
        }
      )
    }
  }

  return {
    problemsOf: problemsOfRule,
    lint: draftLinter(options),

    async impact(draft, { from = now() - week, to = now(), max = sampled } = {}) {
      const found = await sample({ ...(await soughtFor(draft)), from, to, max })
      const { exchanges } = found
      const asked = new Set(exchanges.flatMap(({ facts }) => (facts ? [facts.target.id] : [])))
      const verdictsOn = await tryOn(isOfOneTarget(draft) ? [draft.name.partition] : [...asked], draft)
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
function compileTwice(stored: readonly Stored<unknown>[], draft: DocumentDraft | undefined) {
  const current = compileRules(stored)
  return { current, drafted: draft ? compileRules(putRule(stored, draft)) : current }
}

/** A target's document is in a partition of its name, as its rules are. */
function isOfOneTarget({ container, name }: DocumentDraft): boolean {
  return container === 'targets' || (container === 'rules' && name.partition !== everyTarget)
}

function counted(changes: readonly Change[]): ChangeCount {
  return { changes: changes.length, calls: changes.reduce((calls, { count }) => calls + count, 0) }
}

function reported({ count, ...change }: Change): ChangeReport {
  return { ...change, calls: count }
}
