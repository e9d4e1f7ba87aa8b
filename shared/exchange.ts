import type { DecisionLog } from './decisions/record.ts'
import type { CountRefusal } from './decisions/refusal-counts.ts'
import { toExchangeError } from './errors.ts'
import { type Issued, issued, obtain, prepare, referenceOf } from './exchange-credential.ts'
import { askedOf, factsOf, told } from './exchange-facts.ts'
import { type Known, recorder } from './exchange-recorder.ts'
import { type Refusal, type Refused, refusal, refusalOf, typeMismatch } from './exchange-refusal.ts'
import type { ExchangeRequest } from './exchange-request.ts'
import type { Leases } from './leases/hold-lease.ts'
import { orAborted } from './or-aborted.ts'
import type { Rules } from './rules/cosmos-rules.ts'
import { decide } from './rules/decide.ts'
import type { Decision } from './rules/decision.ts'
import type { Client, Facts, Posture } from './rules/facts.ts'
import type { Ruleset } from './rules/ruleset.ts'
import type { Targets } from './targets/cosmos-targets.ts'
import type { Trail, WatchExchange } from './telemetry-exchange.ts'
import type { SeenClient } from './workload/client-address.ts'
import type { Lockdowns } from './workload/cosmos-lockdowns.ts'
import type { Callers, Identify } from './workload/identify.ts'
import type { TakeRate } from './workload/rate-limit.ts'
import type { Workload } from './workload/workload.ts'

/** One exchange that somebody asks for. */
export interface Exchange {
  readonly request: ExchangeRequest
  /** The id that the caller is given, whatever comes of it. */
  readonly decision: string
  readonly client: SeenClient
  /** The trace that it belongs to (W3C Trace Context), as the host tells it. */
  readonly traceParent?: string | null | undefined
  /** Ends the exchange's time: nothing is minted after it. */
  readonly signal: AbortSignal
}

/** What the route is made of. */
export interface ExchangeSteps {
  readonly identify: Identify
  readonly takeRate: TakeRate
  /** The client's address with its provenance. */
  readonly clientOf: (seen: SeenClient, actor: Workload | undefined) => Client
  readonly targets: Targets
  readonly rules: Rules
  /** What is known of a workload's posture, as far as rules about it ask. */
  readonly posture: (ruleset: Ruleset, callers: Callers) => Promise<Posture>
  readonly lockdowns: Lockdowns
  readonly leases: Leases
  readonly decisions: DecisionLog
  /** Counts what proved no identity, or too often: such requests cost no write each. */
  readonly count: CountRefusal
  /** Whatever becomes of it, an exchange is not changed by being watched. */
  readonly watch: WatchExchange
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

type WatchedSteps = ExchangeSteps & { readonly trail: Trail }

/**
 * The route: verify, find the target, decide, reserve, record, issue. A denial is a value; a failure is an
 * `ExchangeError`. Of a verified workload's exchange there is a record either way, and nothing leaves without one.
 */
export function exchange(asked: Exchange, steps: ExchangeSteps): Promise<Issued | Refused> {
  return steps.watch(asked, trail => route(asked, { ...steps, trail }))
}

async function route(asked: Exchange, steps: WatchedSteps): Promise<Issued | Refused> {
  const { trail } = steps
  const record = recorder(steps)
  // 1 Who is calling.
  trail.enter('verify')
  const callers = await identified(asked, steps)
  const client = steps.clientOf(asked.client, callers.actor)
  const asking = { decision: asked.decision, asked: askedOf(asked.request), client, ...callers }
  let known: Known = { ...asking, rules: [], trace: [] }
  try {
    // 2 What they ask for.
    trail.enter('target')
    const target = await steps.targets.find(asked.request.target)
    if (!target) return await record.refusal(known, refusal('invalid_target', 'target_unknown'))
    trail.note({ target: target.id, ...('provider' in target && { provider: target.provider }) })
    // 3 May they.
    trail.enter('decide')
    const ruleset = await steps.rules.of(target.id)
    const { posture, unread } = await postureOf(callers, ruleset, steps)
    const facts = factsOf({ ...asking, posture }, asked.request, target, steps.now())
    const decision = decide(ruleset, facts)
    known = { ...known, ...told(facts, decision) }
    // Only those whom an allow rule is about are told of an outage; the others are denied as always.
    if (unread !== undefined && decision.outcome === 'denied' && decision.selected) throw unread
    if (decision.outcome === 'denied' || 'problem' in target || !target.enabled) {
      return await record.refusal(known, refusalOf(decision, target))
    }
    const barred = (await lockedDown(facts, decision, steps)) ?? typeMismatch(asked.request, target)
    if (barred) return await record.refusal(known, barred)
    // 4 Find or reserve the lease, or read what exists already: reading is not releasing.
    trail.enter('lease')
    const prepared = await prepare(target, decision, known, steps)
    // 5 Write the record. No record, no credential.
    known = { ...known, grant: decision.grant, credential: referenceOf(prepared) }
    const recorded = record.allowed(known).then(position => {
      known = { ...known, follows: position }
    })
    // 6 Mint, if the lease is new.
    const credential = await obtain(prepared, { recorded, signal: asked.signal }, steps)
    return issued(target, decision.grant, prepared, credential, steps.now())
  } catch (error) {
    await record.failure(known, error)
    throw error
  }
}

/** Verifies the callers and takes from their buckets. What fails here is counted and not recorded: it cost no I/O. */
async function identified({ request, decision, signal }: Exchange, steps: WatchedSteps): Promise<Callers> {
  try {
    // Issuers that are slow one after the other must not take longer than the whole exchange may.
    const callers = await orAborted(steps.identify(request), signal)
    steps.trail.note({ issuer: callers.workload.issuer.id })
    steps.takeRate(callers.workload)
    return callers
  } catch (error) {
    steps.count(decision, toExchangeError(error))
    throw error
  }
}

/** Without posture, what asks for it cannot be evaluated, which opens nothing. */
async function postureOf(
  callers: Callers,
  ruleset: Ruleset,
  steps: ExchangeSteps,
): Promise<{ readonly posture: Posture; readonly unread?: unknown }> {
  try {
    return { posture: await steps.posture(ruleset, callers) }
  } catch (unread) {
    return { posture: {}, unread }
  }
}

/** A lockdown stands above all rules, and answers as an unknown target does. */
async function lockedDown(
  facts: Facts,
  { rules }: Decision,
  { lockdowns }: ExchangeSteps,
): Promise<Refusal | undefined> {
  const { workload, actor, target, time } = facts
  const lockdown = await lockdowns.find({ workload, actor, target: target.id, rules }, time)
  return lockdown === undefined ? undefined : { ...refusal('invalid_target', 'locked_down'), detail: { lockdown } }
}
