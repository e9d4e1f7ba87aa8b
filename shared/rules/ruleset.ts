import { type Problem, problemOfStructure, problemsIn, problemText, type Stored } from '../document.ts'
import type { Callers } from '../workload/identify.ts'
import type { Calendars } from './calendar.ts'
import type { Condition } from './conditions/condition.ts'
import { environmentTest } from './conditions/environment.ts'
import { scopesTest } from './conditions/scopes.ts'
import { validityTests } from './conditions/validity.ts'
import type { SignalName } from './facts.ts'
import { guardrailDocument, type Rule, ruleDocument } from './rule.ts'
import { indexRules, type RuleIndex } from './rule-index.ts'
import { type CompiledSelector, compileSelector } from './selector.ts'

/** A rule as it is judged: parsed and compiled once for each change. */
export interface CompiledRule {
  readonly rule: Rule
  readonly version: string
  readonly state: 'enforced' | 'report-only'
  readonly selectors: readonly CompiledSelector[]
  /** What is tested of a request whose workload is selected, cheap before dear. */
  readonly tests: readonly Condition[]
  /** So dear that they are made only where all others are met. */
  readonly lastTests: readonly Condition[]
}

/** The rules of one partition: a target's own, or the guardrails. */
export interface RulePartition extends RuleIndex {
  /** By priority and then id. */
  readonly rules: readonly CompiledRule[]
  /** Rules that could not be read. One may have been a deny, so while there is any, nothing is issued. */
  readonly unreadable: readonly UnreadableRule[]
}

/** Everything that decides about one target. */
export interface Ruleset {
  readonly own: RulePartition
  readonly guardrails: RulePartition
  readonly calendars: Calendars
}

export interface UnreadableRule {
  readonly id: string
  readonly problem: string
}

/** Compiles the stored rules of a partition. Never throws: what cannot be read is named. */
export function compileRules(documents: readonly Stored<unknown>[]): RulePartition {
  const compiled: CompiledRule[] = []
  const unreadable: UnreadableRule[] = []
  for (const { content, version } of documents) {
    const parsed = parseRule(content)
    if ('problems' in parsed) unreadable.push({ id: idOf(content), problem: parsed.problems.map(problemText)[0] ?? '' })
    else compiled.push(...compile(parsed.rule, version))
  }
  const rules = compiled.sort(byOrder)
  return { rules, unreadable, ...indexRules(rules) }
}

/** Checks a rule document: the same code when it is saved and when it is read. Never throws. */
export function parseRule(document: unknown): { readonly rule: Rule } | { readonly problems: readonly Problem[] } {
  const problem = problemOfStructure(document)
  if (problem !== undefined) return { problems: [problem] }
  const schema = targetOf(document) === '*' ? guardrailDocument : ruleDocument
  try {
    const parsed = schema.safeParse(document, { reportInput: true })
    return parsed.success ? { rule: parsed.data } : { problems: problemsIn(parsed.error) }
  } catch {
    // A condition that cannot be compiled for a reason nobody thought of: one document must not end a whole partition.
    return { problems: [{ path: [], detail: 'it cannot be read' }] }
  }
}

/** The order in which rules grant: by priority, then id, guardrails after rules of the same name. */
export function byOrder({ rule: a }: CompiledRule, { rule: b }: CompiledRule): number {
  return a.priority - b.priority || compareText(a.id, b.id) || compareText(b.target, a.target)
}

/** The rules of a ruleset that could be about the callers, in their order. */
export function candidatesOf({ own, guardrails }: Ruleset, callers: Callers): readonly CompiledRule[] {
  const [mine, others] = [own.candidates(callers), guardrails.candidates(callers)]
  if (mine.length === 0) return others
  return others.length === 0 ? mine : [...mine, ...others].sort(byOrder)
}

/** The signals that must be known before anything can be decided about the callers, in an order of their own. */
export function postureAskedFor(ruleset: Ruleset, callers: Callers): readonly SignalName[] {
  const asked = candidatesOf(ruleset, callers).flatMap(({ rule }) => rule.conditions.posture?.asked ?? [])
  const byName = new Map(asked.map(name => [`${name.of}/${name.signal}`, name]))
  return [...byName].sort(([a], [b]) => compareText(a, b)).map(([, name]) => name)
}

/** Nothing, for a rule that is a draft or disabled. */
function compile(rule: Rule, version: string): readonly CompiledRule[] {
  const { state, conditions } = rule
  if (state !== 'enforced' && state !== 'report-only') return []
  const mayCross = rule.effect !== 'allow' || rule.crossEnvironment
  const tests = [
    ...validityTests(rule),
    scopesTest(rule.scopes),
    ...(mayCross ? [] : [environmentTest]),
    ...(conditions.time?.conditions ?? []),
    ...(conditions.network ?? []),
    ...(conditions.geography ?? []),
    ...(conditions.posture?.conditions ?? []),
    ...(conditions.claims ?? []),
  ]
  return [
    {
      rule,
      version,
      state,
      selectors: rule.workloads.map(compileSelector),
      tests,
      lastTests: conditions.expression ?? [],
    },
  ]
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

function targetOf(document: unknown): unknown {
  return typeof document === 'object' && document !== null && 'target' in document ? document.target : undefined
}

function idOf(document: unknown): string {
  return typeof document === 'object' && document !== null && 'id' in document ? String(document.id).slice(0, 64) : ''
}
