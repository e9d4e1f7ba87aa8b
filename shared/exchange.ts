import type { Credential } from './credentials/credential.ts'
import type { Minter, Permission } from './credentials/credential-provider.ts'
import type { DecisionLog, ExchangeEntry } from './decisions/record.ts'
import type { CountRefusal } from './decisions/refusal-counts.ts'
import { NotMinted, toExchangeError, unavailable } from './errors.ts'
import { type Known, recorder } from './exchange-recorder.ts'
import { type Refusal, type Refused, refusal, refusalOf, typeMismatch } from './exchange-refusal.ts'
import type { ExchangeRequest } from './exchange-request.ts'
import type { HeldLease, Leases } from './leases/hold-lease.ts'
import type { Rules } from './rules/cosmos-rules.ts'
import { decide } from './rules/decide.ts'
import type { Allowed, Decision, GrantedAccess } from './rules/decision.ts'
import type { Client, Facts, Posture } from './rules/facts.ts'
import type { Ruleset } from './rules/ruleset.ts'
import type { Targets, UnreadableTarget } from './targets/cosmos-targets.ts'
import type { Target } from './targets/target.ts'
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

/** A credential that may leave: its record is written. */
export interface Issued {
  readonly outcome: 'issued'
  readonly credential: Credential
  readonly issuedTokenType: string
  readonly tokenType: 'N_A' | 'Bearer'
  readonly scopes: readonly string[]
  /** Epoch milliseconds: when it ends, and when asking again is worthwhile. */
  readonly expiresAt: number
  readonly refreshAt: number
  readonly lease?: string
}

/** A credential that the record may now speak of: read already, or to be had from a lease. */
type Prepared = { readonly credential: Credential; readonly lease?: undefined } | Leased

interface Leased {
  readonly held: HeldLease
  readonly minter: Minter<unknown>
  readonly lease: string
}

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
    const callers = await inTime(steps.identify(request), signal)
    steps.trail.note({ issuer: callers.workload.issuer.id })
    steps.takeRate(callers.workload)
    return callers
  } catch (error) {
    steps.count(decision, toExchangeError(error))
    throw error
  }
}

/** Issuers that are slow one after the other must not take longer than the whole exchange may. */
async function inTime<T>(step: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const stop = () => reject(unavailable('deadline'))
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([step, late])
  } finally {
    signal.removeEventListener('abort', stop)
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

function askedOf({ target, scopes }: ExchangeRequest): ExchangeEntry['asked'] {
  return { target: ('id' in target ? target.id : target.uri).toWellFormed(), scopes }
}

function factsOf(
  { workload, actor, client, posture }: Callers & Pick<Facts, 'client' | 'posture'>,
  request: ExchangeRequest,
  target: Target | UnreadableTarget,
  time: number,
): Facts {
  const readable = 'problem' in target ? { id: target.id, ...nothingKnown } : target
  const { id, labels, defaultScopes, defaultTtl, maxTtl } = readable
  const scopes = request.scopes.length > 0 ? request.scopes : defaultScopes.toSorted()
  const defined = { id, labels, scopes: Object.keys(readable.scopes), defaultTtl, maxTtl }
  return { workload, ...(actor && { actor }), target: defined, scopes, client, ...(posture && { posture }), time }
}

/** A target that cannot be read defines nothing; its rules still tell whom it concerns. */
const nothingKnown = { labels: {}, scopes: {}, defaultScopes: [], defaultTtl: 0, maxTtl: 0 }

function told({ workload: _workload, actor: _actor, client: _client, ...facts }: Facts, decision: Decision) {
  const { rules, trace, passedOver } = decision
  const limits = decision.outcome === 'allowed' && decision.limits.length > 0 ? { limits: decision.limits } : {}
  return { facts, rules, ...limits, trace, passedOver }
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

async function prepare(
  target: Target,
  { grant, rules }: Allowed,
  known: Known,
  steps: WatchedSteps,
): Promise<Prepared> {
  const meanings = grant.scopes.map(scope => target.scopes[scope])
  if (target.issuing.kind === 'existing') return { credential: await target.issuing.source.read({ scopes: meanings }) }
  const { id, provider, settings, budgets, issuing, onExpiry } = target
  const { workload, actor, decision } = known
  const who = { workload, ...(actor && { actor }) }
  const account = { ...target.account, longestName: issuing.longestName }
  const asked = { target: id, provider, settings, account, budgets, meanings, rules, onExpiry, ...who, ...grant }
  const held = await steps.leases.hold(asked, decision)
  const lease = held.stored.lease.id
  steps.trail.note({ lease })
  return { held, minter: issuing.minter, lease }
}

function referenceOf(prepared: Prepared): Readonly<Record<string, string>> {
  if (prepared.lease === undefined) return prepared.credential.reference
  return { lease: prepared.lease, account: prepared.held.account.name }
}

/** Nothing leaves before the record is there, and nothing is made: until then a minter gets ready. */
async function obtain(prepared: Prepared, permission: Permission, steps: WatchedSteps): Promise<Credential> {
  if (prepared.lease !== undefined && prepared.held.mustMint) return mint(prepared, permission, steps)
  await permission.recorded
  return prepared.lease === undefined
    ? prepared.credential
    : prepared.minter.describe(prepared.held.account, prepared.held.secret)
}

/** Where nothing was made, the reservation is given back, and costs no generation. */
async function mint(
  { held, minter }: Leased,
  { recorded, signal }: Permission,
  { leases, trail }: WatchedSteps,
): Promise<Credential> {
  try {
    if (signal.aborted) throw new NotMinted('temporarily_unavailable', 'deadline', { retryAfter: 1 })
    const permitted = recorded.then(() => trail.enter('mint'))
    const credential = await minter.mint(held.account, held.secret, { recorded: permitted, signal })
    // Whatever the minter did.
    await recorded
    await leases.activate(held, credential.server)
    return credential
  } catch (error) {
    await leases.abandon(held, error instanceof NotMinted ? 'nothing' : 'unclear')
    // The record of this failure names the one that may still be on its way.
    await recorded
    throw error
  }
}

function issued(
  { issuedTokenType, tokenType }: Target,
  { scopes, ttl, endsAt = Number.POSITIVE_INFINITY }: GrantedAccess,
  prepared: Prepared,
  credential: Credential,
  now: number,
): Issued {
  const base = { outcome: 'issued' as const, credential, issuedTokenType, tokenType, scopes }
  if (prepared.lease !== undefined) {
    const { expiresAt, refreshAt } = prepared.held
    return { ...base, expiresAt, refreshAt, lease: prepared.lease }
  }
  const expiresAt = Math.min(now + ttl, endsAt, credential.expiresAt ?? Number.POSITIVE_INFINITY)
  return { ...base, expiresAt, refreshAt: now + (expiresAt - now) / 2 }
}
