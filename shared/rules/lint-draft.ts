import type { Problem, Stored } from '../document.ts'
import type { DocumentName } from '../document-kind.ts'
import type { Calendars } from './calendar.ts'
import type { StoredRules } from './cosmos-rules.ts'
import { type DocumentDraft, everyTarget } from './document-draft.ts'
import { type DocumentSight, withCalendar } from './draft-view.ts'
import { lint, type Warning } from './lint.ts'
import { type IssuerWarning, lintActing, lintIssuer, lintTarget } from './lint-references.ts'
import type { Rule } from './rule.ts'
import { parseRule } from './ruleset.ts'

/** Warnings. `complete`: they are all that there are, of all the rules that the draft bears on. */
export interface LintReport {
  readonly warnings: readonly (Warning | IssuerWarning)[]
  readonly complete: boolean
}

/** What is there beside a draft. Everything throws 503 where it cannot be read. */
export interface LintSources {
  /** The stored rules of a partition; of all, some thousand at most. */
  readonly rules: (partition: string | undefined) => Promise<StoredRules>
  readonly calendars: () => Promise<Calendars>
  /** The document that is there now. */
  readonly stored: (draft: DocumentDraft) => Promise<Stored<unknown> | undefined>
  /** The issuers whose tokens may need an actor of that one. */
  readonly actedForBy: (issuer: string) => Promise<readonly string[]>
  readonly sight: DocumentSight
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

const shown = 200

/** Tells what is probably not meant, in rules and in what names a document, with a draft in its place. */
export function draftLinter({ rules, calendars, stored, actedForBy, sight, now }: LintSources) {
  const rulesIn = async (partition: string | undefined) => {
    const read = await rules(partition)
    return { ...read, rules: read.rules.flatMap(({ content }) => ruleIn(content)) }
  }

  async function ofRule(draft: DocumentDraft): Promise<LintReport> {
    const isGuardrail = draft.name.partition === everyTarget
    const own = await rules(isGuardrail ? undefined : draft.name.partition)
    const guardrails = isGuardrail ? [] : (await rules(everyTarget)).rules
    const parsed = [...putRule(own.rules, draft), ...guardrails].flatMap(({ content }) => ruleIn(content))
    return { ...own, warnings: lint(parsed, { now: now(), calendars: await calendars() }) }
  }

  async function ofIssuer(draft: DocumentDraft): Promise<LintReport> {
    const { id } = draft.name
    const [all, before] = await Promise.all([rulesIn(undefined), stored(draft)])
    const counting = (content: unknown) => {
      const seen = sight.issuer(content)
      return seen?.enabled ? seen.facts : undefined
    }
    const change = { id, before: counting(before?.content), after: counting(draft.document) }
    const acting = change.after ? [] : await actedForBy(id)
    return { ...all, warnings: [...lintIssuer(all.rules, change), ...lintActing(id, acting)] }
  }

  async function ofTarget({ name, document }: DocumentDraft): Promise<LintReport> {
    const own = await rulesIn(name.id)
    return { ...own, warnings: lintTarget(own.rules, document === undefined ? undefined : scopesIn(document)) }
  }

  const scopesIn = (document: unknown) => sight.target(document)?.facts.scopes

  async function ofCalendar({ name: { id }, document }: DocumentDraft): Promise<LintReport> {
    const [all, known] = await Promise.all([rulesIn(undefined), calendars()])
    const warnings = lint(namingCalendar(all.rules, id), { now: now(), calendars: withCalendar(known, id, document) })
    return { ...all, warnings: warnings.filter(({ kind }) => kind === 'calendar') }
  }

  const linters = { rules: ofRule, issuers: ofIssuer, targets: ofTarget, calendars: ofCalendar }

  return async (draft: DocumentDraft): Promise<LintReport> => {
    const { container } = draft
    if (container === 'lockdowns' || container === 'posture') return { warnings: [], complete: true }
    const { warnings, complete } = await linters[container](draft)
    return { warnings: warnings.slice(0, shown), complete: complete && warnings.length <= shown }
  }
}

/** What is wrong with a rule whoever names it; nothing where it can be read. */
export function problemsOfRule(document: unknown): readonly Problem[] {
  const parsed = parseRule(document)
  return 'problems' in parsed ? parsed.problems : []
}

/** The rules that name a calendar. */
export function namingCalendar(rules: readonly Rule[], id: string): readonly Rule[] {
  return rules.filter(({ conditions }) => conditions.time?.calendars.includes(id))
}

/** A stored rule; none where it cannot be read. */
export function ruleIn(content: unknown): readonly Rule[] {
  const parsed = parseRule(content)
  return 'rule' in parsed ? [parsed.rule] : []
}

/** The rules of a partition as they would be stored with a draft among them. */
export function putRule(
  stored: readonly Stored<unknown>[],
  { name, document }: DocumentDraft,
): readonly Stored<unknown>[] {
  const others = stored.filter(({ content }) => !isCalled(content, name))
  return document === undefined ? others : [...others, { content: document, version: 'draft' }]
}

function isCalled(content: unknown, { id, partition }: DocumentName): boolean {
  if (typeof content !== 'object' || content === null || !('id' in content) || !('target' in content)) return false
  return content.id === id && content.target === partition
}
