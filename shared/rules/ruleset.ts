import { describeProblems, type Stored } from '../document.ts'
import { guardrailDocument, type Rule, ruleDocument } from './rule.ts'
import { type CompiledSelector, compileSelector } from './selector.ts'

/** A rule as it is judged: parsed and compiled once for each change. */
export interface CompiledRule {
  readonly rule: Rule
  readonly version: string
  readonly state: 'enforced' | 'report-only'
  readonly selectors: readonly CompiledSelector[]
  /** Epoch milliseconds between which the rule is in force. */
  readonly notBefore: number
  readonly expiresAt: number
}

/** Every rule that bears on one target, guardrails among them. */
export interface Ruleset {
  /** By priority and then id. */
  readonly rules: readonly CompiledRule[]
  /** Rules that could not be read. One may have been a deny, so while there is any, nothing is issued. */
  readonly unreadable: readonly UnreadableRule[]
}

export interface UnreadableRule {
  readonly id: string
  readonly problem: string
}

/** Compiles stored rules. Never throws: what cannot be read is named. */
export function compileRules(documents: readonly Stored<unknown>[]): Ruleset {
  const rules: CompiledRule[] = []
  const unreadable: UnreadableRule[] = []
  for (const { content, version } of documents) {
    const parsed = parseRule(content)
    if ('problems' in parsed) unreadable.push({ id: idOf(content), problem: parsed.problems[0] ?? '' })
    else rules.push(...compile(parsed.rule, version))
  }
  return { rules: sorted(rules), unreadable }
}

/** A target's rules together with the guardrails. */
export function mergeRulesets(own: Ruleset, guardrails: Ruleset): Ruleset {
  return {
    rules: sorted([...own.rules, ...guardrails.rules]),
    unreadable: [...own.unreadable, ...guardrails.unreadable],
  }
}

/** Checks a rule document: the same code when it is saved and when it is read. */
export function parseRule(document: unknown): { readonly rule: Rule } | { readonly problems: readonly string[] } {
  const schema = targetOf(document) === '*' ? guardrailDocument : ruleDocument
  const parsed = schema.safeParse(document)
  return parsed.success ? { rule: parsed.data } : { problems: describeProblems(parsed.error) }
}

/** Nothing, for a rule that is a draft or disabled. */
function compile(rule: Rule, version: string): readonly CompiledRule[] {
  if (rule.state !== 'enforced' && rule.state !== 'report-only') return []
  const compiled = {
    rule,
    version,
    state: rule.state,
    selectors: rule.workloads.map(compileSelector),
    notBefore: rule.notBefore === undefined ? Number.NEGATIVE_INFINITY : Date.parse(rule.notBefore),
    expiresAt: rule.expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(rule.expiresAt),
  }
  return [compiled]
}

function sorted(rules: readonly CompiledRule[]): readonly CompiledRule[] {
  return rules.toSorted(
    ({ rule: a }, { rule: b }) => a.priority - b.priority || (a.id < b.id ? -1 : Number(a.id > b.id)),
  )
}

function targetOf(document: unknown): unknown {
  return typeof document === 'object' && document !== null && 'target' in document ? document.target : undefined
}

function idOf(document: unknown): string {
  return typeof document === 'object' && document !== null && 'id' in document ? String(document.id).slice(0, 64) : ''
}
