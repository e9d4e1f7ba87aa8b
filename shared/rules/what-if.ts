import type { Problem } from '../document.ts'
import type { Sample, SampleQuery } from './cosmos-recorded-exchanges.ts'
import { type DocumentDraft, everyTarget } from './document-draft.ts'
import { verdictOf, viewsOf } from './draft-view.ts'
import { draftedRulesets, judgedTargets } from './drafted-rulesets.ts'
import type { Facts } from './facts.ts'
import { impact, type Verdicts } from './impact.ts'
import { type ImpactReport, reportOf } from './impact-report.ts'
import { draftLinter, type LintReport, type LintSources, namingCalendar, problemsOfRule, ruleIn } from './lint-draft.ts'

/** The records that a draft is tried on. Times are epoch milliseconds; the last seven days unless said. */
export interface ImpactRange {
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly max?: number | undefined
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

  /** What would be decided now, and with the draft in its place, of requests for some targets. */
  async function tryOn(targets: readonly string[], draft: DocumentDraft) {
    const isRule = draft.container === 'rules'
    const [known, before] = await Promise.all([calendars(), isRule ? undefined : stored(draft)])
    const { touches, current, drafted } = viewsOf(draft, before, { sight, calendars: known })
    const rulesets = await draftedRulesets(targets, isRule ? draft : undefined, { rulesIn, calendars: known })
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
      const asked = new Set(found.exchanges.flatMap(({ facts }) => (facts ? [facts.target.id] : [])))
      const verdictsOn = await tryOn(isOfOneTarget(draft) ? [draft.name.partition] : [...asked], draft)
      return reportOf(found, to, impact(found.exchanges, verdictsOn))
    },
  }
}

/** A target's document is in a partition of its name, as its rules are. */
function isOfOneTarget({ container, name }: DocumentDraft): boolean {
  return container === 'targets' || (container === 'rules' && name.partition !== everyTarget)
}
