import type { ExchangeEntry } from '../decisions/record.ts'
import type { Calendars } from './calendar.ts'
import type { AllowRule, Rule } from './rule.ts'
import { patternsOf } from './selector.ts'
import { covers, mayOverlap } from './selector-relations.ts'

/** What is probably not meant, in a rule that is acceptable all the same. */
export interface Warning {
  readonly target: string
  readonly rule: string
  readonly kind: WarningKind
  readonly text: string
}

export type WarningKind =
  | 'broad'
  | 'unreachable'
  | 'expired'
  | 'unused'
  | 'granted-differently'
  | 'calendar'
  /** It names what would not be there any more. */
  | 'names-nothing'
  /** It would be about other workloads than before. */
  | 'selection'

export interface LintOptions {
  /** Wall clock, epoch milliseconds. */
  readonly now: number
  /** The calendars that there are; without them, none is missed. */
  readonly calendars?: Calendars
  /** What was decided in the past; without it, no rule is called unused. */
  readonly recorded?: Iterable<Pick<ExchangeEntry, 'rules'>>
}

/** Warnings about rules, guardrails among them, of one target or of many. Pure. */
export function lint(rules: readonly Rule[], options: LintOptions): readonly Warning[] {
  const used = options.recorded && namesIn(options.recorded)
  const inForce = rules.filter(({ state }) => state === 'enforced')
  const allows = inForce.filter(rule => rule.effect === 'allow')
  return [
    ...rules.flatMap(rule => [...whenBroad(rule), ...whenExpired(rule, options), ...aboutCalendars(rule, options)]),
    ...allows.flatMap(allow => [...whenUnreachable(allow, inForce), ...whenUnused(allow, used)]),
    ...[...Map.groupBy(allows, ({ target }) => target).values()].flatMap(whenGrantedDifferently),
  ]
}

function whenBroad(rule: Rule): readonly Warning[] {
  const isBroad = rule.workloads.some(
    selector =>
      typeof selector.issuer === 'string' && patternsOf(selector).every(({ text, exact }) => !exact && text === ''),
  )
  if (rule.effect !== 'allow' || !isBroad) return []
  return [warning(rule, 'broad', 'whoever asks is selected: every member is *')]
}

function whenExpired(rule: Rule, { now }: LintOptions): readonly Warning[] {
  if (rule.expiresAt === undefined || Date.parse(rule.expiresAt) > now) return []
  return [warning(rule, 'expired', `it ended at ${rule.expiresAt}`)]
}

/** How long before a calendar's end it is time to see to it, in milliseconds. */
const notice = 30 * 86_400_000

function aboutCalendars(rule: Rule, { calendars, now }: LintOptions): readonly Warning[] {
  if (!calendars) return []
  return (rule.conditions.time?.calendars ?? []).flatMap(id => {
    const calendar = calendars.get(id)
    if (!calendar) return [warning(rule, 'calendar', `there is no calendar "${id}"`)]
    const end = (calendar.knownUntil + 1) * 86_400_000
    if (end - notice > now) return []
    return [warning(rule, 'calendar', `calendar "${id}" ends on ${new Date(end - 1).toISOString().slice(0, 10)}`)]
  })
}

/** A deny that always matches takes away all that the allow could give. */
function whenUnreachable(allow: AllowRule, inForce: readonly Rule[]): readonly Warning[] {
  const shadow = inForce.find(rule => rule.effect === 'deny' && isUnconditional(rule) && shadows(rule, allow))
  return shadow ? [warning(allow, 'unreachable', `${name(shadow)} denies all that it allows`)] : []
}

function isUnconditional({ conditions, notBefore, expiresAt }: Rule): boolean {
  return notBefore === undefined && expiresAt === undefined && Object.keys(conditions).length === 0
}

function shadows(deny: Rule, allow: AllowRule): boolean {
  const sameTarget = deny.target === '*' || deny.target === allow.target
  const allScopes = allow.scopes.every(scope => deny.scopes?.includes(scope) ?? true)
  return sameTarget && allScopes && allow.workloads.every(narrow => deny.workloads.some(wide => covers(wide, narrow)))
}

function whenUnused(allow: AllowRule, used: ReadonlySet<string> | undefined): readonly Warning[] {
  if (!used || used.has(name(allow))) return []
  return [warning(allow, 'unused', 'no recorded decision rests on it')]
}

/** Of the allows of one target that grant a scope, only the first by priority and id counts: others may be meant. */
function whenGrantedDifferently(allows: readonly AllowRule[]): readonly Warning[] {
  return allows.flatMap((one, at) => allows.slice(at + 1).flatMap(other => aboutPair(one, other)))
}

function aboutPair(one: AllowRule, other: AllowRule): readonly Warning[] {
  const scopes = one.scopes.filter(scope => other.scopes.includes(scope))
  if (scopes.length === 0 || JSON.stringify(one.grant) === JSON.stringify(other.grant)) return []
  if (!one.workloads.some(a => other.workloads.some(b => mayOverlap(a, b)))) return []
  return [
    warning(one, 'granted-differently', `${other.id} grants ${scopes.join(', ')} otherwise to the same workloads`),
  ]
}

function namesIn(recorded: Iterable<Pick<ExchangeEntry, 'rules'>>): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { rules } of recorded) for (const { target, id } of rules) names.add(`${target}/${id}`)
  return names
}

function name({ target, id }: Rule): string {
  return `${target}/${id}`
}

function warning({ target, id }: Rule, kind: WarningKind, text: string): Warning {
  return { target, rule: id, kind, text }
}
