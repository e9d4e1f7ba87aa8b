import type { Problem } from '../document.ts'
import type { Callers } from '../workload/identify.ts'
import type { LockdownSubject } from '../workload/lockdown.ts'
import type { WorkloadIssuer } from '../workload/workload.ts'
import type { Decision } from './decision.ts'
import { type Asked, parseQuestion } from './evaluate-question.ts'
import { explain } from './explain.ts'
import type { Client, Facts, Posture, TargetFacts } from './facts.ts'
import type { Ruleset, UnreadableRule } from './ruleset.ts'

/** What would be decided, with the trace of every rule. */
export interface Evaluation {
  readonly outcome: 'allowed' | 'denied'
  /** Why it would be denied, where it would. */
  readonly reason?: string
  /** The lockdown that stands above the rules. */
  readonly lockdown?: string
  /** Absent where there is no such target. */
  readonly decision?: Decision
  /** What would be decided if the report-only rules were enforced. */
  readonly ifEnforced?: Decision
  readonly facts?: Facts
  readonly unreadable: readonly UnreadableRule[]
  /** What this cannot tell, or told only by halves. */
  readonly notes: readonly string[]
}

/** A target as it is stored, as far as rules see it. */
export interface EvaluatedTarget {
  readonly facts: TargetFacts
  readonly defaultScopes: readonly string[]
  readonly enabled: boolean
}

/** What is stored, as it is now. Everything throws 503 where Cosmos DB cannot be asked. */
export interface EvaluateSources {
  readonly rulesetOf: (target: string) => Promise<Ruleset>
  readonly targetOf: (id: string) => Promise<EvaluatedTarget | { readonly problem: string } | undefined>
  readonly issuerOf: (id: string) => Promise<WorkloadIssuer | undefined>
  /** Verifies pasted tokens, expired ones too, and says what was not verified. Throws `invalid_request`. */
  readonly callersOf: (token: string, actorToken: string | undefined) => Promise<Callers & { notes: readonly string[] }>
  readonly postureOf: (ruleset: Ruleset, callers: Callers) => Promise<Posture>
  readonly lockdownOf: (subject: LockdownSubject, time: number) => Promise<string | undefined>
  readonly clientAt: (address: string | undefined) => Client
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Says what would be decided of a request: nothing is issued and nothing is kept. */
export type Evaluate = (body: unknown) => Promise<Evaluation | { readonly problems: readonly Problem[] }>

/** Decides a request that nobody made, by the stored documents. */
export function evaluator(sources: EvaluateSources): Evaluate {
  return async body => {
    const parsed = await parseQuestion(body, sources)
    return 'problems' in parsed ? parsed : evaluate(parsed.asked, sources)
  }
}

const nothingKnown = { labels: {}, scopes: [], defaultTtl: 0, maxTtl: 0 }

async function evaluate(asked: Asked, sources: EvaluateSources): Promise<Evaluation> {
  const { callers, client, time } = asked
  const notes = [...asked.notes, ...notesOnTime(time, sources.now())]
  const stored = await sources.targetOf(asked.target)
  if (!stored && !asked.targetFacts) return { outcome: 'denied', reason: 'target_unknown', unreadable: [], notes }
  const readable = stored && 'facts' in stored ? stored : undefined
  const ruleset = await sources.rulesetOf(asked.target)
  const posture = asked.posture ?? (await sources.postureOf(ruleset, callers))
  const target = asked.targetFacts ?? readable?.facts ?? { id: asked.target, ...nothingKnown }
  const scopes = asked.scopes.length > 0 ? asked.scopes : (readable?.defaultScopes.toSorted() ?? [])
  const facts: Facts = { ...callers, target, scopes, client, posture, time }
  const explained = explain(facts, ruleset)
  const { decision } = explained
  const barred = await barredBy(stored, facts, decision, sources)
  const unreadable = [...ruleset.own.unreadable, ...ruleset.guardrails.unreadable]
  if (decision.outcome === 'denied') {
    return { outcome: 'denied', reason: decision.reason, ...barred.lockdown, ...explained, facts, unreadable, notes }
  }
  const outcome = barred.reason === undefined ? 'allowed' : 'denied'
  return { outcome, ...barred.why, ...barred.lockdown, ...explained, facts, unreadable, notes }
}

/** What keeps an allowed request from being answered, as on the route: the target's own state, and then a lockdown. */
async function barredBy(
  stored: Awaited<ReturnType<EvaluateSources['targetOf']>>,
  { workload, actor, target, time }: Facts,
  { rules }: Decision,
  { lockdownOf }: EvaluateSources,
) {
  const lockdown = await lockdownOf({ workload, actor, target: target.id, rules }, time)
  const state = stored && ('problem' in stored ? 'target_unreadable' : !stored.enabled && 'target_disabled')
  const reason = state || (lockdown === undefined ? undefined : 'locked_down')
  return {
    reason,
    why: reason === undefined ? {} : { reason },
    lockdown: lockdown === undefined ? {} : { lockdown },
  }
}

function notesOnTime(time: number, now: number): readonly string[] {
  if (Math.abs(time - now) < 60_000) return []
  return ['judged at another time by the rules, calendars, posture and lockdowns as they are stored now']
}
