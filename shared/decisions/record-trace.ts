import type { RuleTrace, TestTrace } from '../rules/decision.ts'
import type { EntraIdentity, Workload } from '../workload/workload.ts'
import type { DecisionEntry, ExchangeEntry } from './record.ts'

/** How many tests of one rule a record shows: a rule may have 64 selectors of seven tests each. */
const shownTests = 16
/** How many deciding rules a record names: a grant has one a scope at most, but any number of rules may deny. */
const namedRules = 32
/** How many limits it names, beyond the ttl that they led to. */
const namedLimits = 8
/** How many deciding rules it names where it has no room for facts. */
const namedWithoutFacts = 8

/** An entry that fits: what was left out of its rules, limits and trace is counted. */
export type FittingEntry = DecisionEntry & Omissions

interface Omissions {
  readonly rulesOmitted?: number
  readonly limitsOmitted?: number
  readonly traceOmitted?: number
}

/**
 * The entry with its rules bounded and its trace cut to `bytes`, so that no number of rules can keep a decision from its
 * record. Rules that decided come first, then those about the workload, then the others, each in the order in which they
 * were judged; of a rule's tests the telling ones are kept, or none where even they do not fit.
 */
export function fitTrace(entry: DecisionEntry, bytes: number): FittingEntry {
  if (entry.kind !== 'exchange') return entry
  const named = withFewNames(entry)
  if (sizeOf(entry.trace) <= bytes) return named
  const decided = new Set(entry.rules.map(({ target, id }) => `${target} ${id}`))
  const weight = ({ rule, target, selected }: RuleTrace) => (decided.has(`${target} ${rule}`) ? 0 : selected ? 1 : 2)
  const trace: RuleTrace[] = []
  let left = bytes
  for (const rule of entry.trace.toSorted((a, b) => weight(a) - weight(b))) {
    const shown = [tellingTests(rule), []].map(tests => ({ ...rule, tests })).find(one => sizeOf(one) <= left)
    if (!shown) break
    left -= sizeOf(shown) + 1
    trace.push(shown)
  }
  return { ...named, trace, traceOmitted: entry.trace.length - trace.length }
}

/**
 * The entry without the facts and claims that others sign, which bounded text makes large: of a denial or a failure that
 * would not fit otherwise. Nobody shall be able to ask without a trace in the log.
 */
export function withoutFacts(entry: DecisionEntry): FittingEntry & { readonly factsOmitted?: true } {
  if (entry.kind !== 'exchange' || entry.outcome === 'allowed') return entry
  const { facts: _facts, workload, actor, rules, ...others } = entry
  const moreRules = rules.length - namedWithoutFacts
  return {
    ...others,
    workload: withoutClaims(workload),
    ...(actor && { actor: withoutClaims(actor) }),
    rules: rules.slice(0, namedWithoutFacts),
    ...(moreRules > 0 && { rulesOmitted: moreRules }),
    factsOmitted: true,
  }
}

/**
 * The last cut, of every kind of entry: what ends a lease or changes a document shall not fail since a workload's token
 * says a lot. Nothing of an allowed exchange is left out.
 */
export function withoutAnyClaims(entry: DecisionEntry): FittingEntry & { readonly claimsOmitted?: true } {
  if (entry.kind === 'exchange') return withoutFacts(entry)
  if (entry.kind === 'admin') return { ...entry, operator: withoutClaims(entry.operator), claimsOmitted: true }
  if (entry.kind !== 'revocation') return entry
  const { workload, actor } = entry
  return {
    ...entry,
    ...(workload && { workload: withoutClaims(workload) }),
    ...(actor && { actor: withoutClaims(actor) }),
    claimsOmitted: true,
  }
}

/** Who it is, without what was said of it: a token may name 64 roles, and an issuer 32 claims that are too large. */
function withoutClaims(workload: Workload): Workload {
  const { issuer, entra, act: _act, claims: _claims, claimsBeyondBounds: _names, ...names } = workload
  return { ...names, issuer: { ...issuer, labels: {} }, ...(entra && { entra: withoutRoles(entra) }), claims: {} }
}

function withoutRoles({ scopes: _scopes, ...identity }: EntraIdentity): EntraIdentity {
  return { ...identity, roles: [] }
}

function withFewNames(entry: ExchangeEntry): ExchangeEntry & Omissions {
  const { rules, limits = [] } = entry
  const [moreRules, moreLimits] = [rules.length - namedRules, limits.length - namedLimits]
  if (moreRules <= 0 && moreLimits <= 0) return entry
  return {
    ...entry,
    ...(moreRules > 0 && { rules: rules.slice(0, namedRules), rulesOmitted: moreRules }),
    ...(moreLimits > 0 && { limits: limits.slice(0, namedLimits), limitsOmitted: moreLimits }),
  }
}

/** The last tests of a rule, which decided it; where some kept a rule about the workload from matching, those first. */
function tellingTests({ selected, matched, tests }: RuleTrace): readonly TestTrace[] {
  if (!selected || matched) return tests.slice(-shownTests)
  const lastFirst = tests.toReversed()
  const telling = [...lastFirst.filter(({ met }) => !met), ...lastFirst.filter(({ met }) => met)].slice(0, shownTests)
  return tests.filter(test => telling.includes(test))
}

/** Bytes of JSON. */
function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
