import type { Credential } from './credentials/credential.ts'
import type { Minter } from './credentials/credential-provider.ts'
import type { DecisionLog, ExchangeEntry, RecordPosition } from './decisions/record.ts'
import { describeCause, type ErrorCode, NotMinted, type Reason, toExchangeError } from './errors.ts'
import type { ExchangeRequest } from './exchange-request.ts'
import type { HeldLease, Leases } from './leases/hold-lease.ts'
import type { Rules } from './rules/cosmos-rules.ts'
import { decide } from './rules/decide.ts'
import type { Allowed, Decision, GrantedAccess } from './rules/decision.ts'
import type { Client, Facts } from './rules/facts.ts'
import type { Targets, UnreadableTarget } from './targets/cosmos-targets.ts'
import type { Target } from './targets/target.ts'
import type { VerifyToken } from './workload/verify-token.ts'
import type { Workload } from './workload/workload.ts'

/** One exchange that somebody asks for. */
export interface Exchange {
  readonly request: ExchangeRequest
  /** The id that the caller is given, whatever comes of it. */
  readonly decision: string
  readonly client: Client
  /** Ends the exchange's time: nothing is minted after it. */
  readonly signal: AbortSignal
}

/** What the route is made of. */
export interface ExchangeSteps {
  readonly verify: VerifyToken
  readonly targets: Targets
  readonly rules: Rules
  readonly leases: Leases
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

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

/** A denial: what the caller is told. Why is in the record. */
export interface Refused {
  readonly outcome: 'refused'
  readonly code: ErrorCode
  readonly description: string
  /** Seconds. */
  readonly retryAfter?: number
}

/** What the exchange has learnt so far, for its record. */
type Known = Omit<ExchangeEntry, 'kind' | 'outcome' | 'durationMs'>

/** Why an exchange is refused, and what the caller is told of it. */
interface Refusal extends Omit<Refused, 'outcome'> {
  readonly reason: Reason
}

/** A credential that the record may now speak of: read already, or to be had from a lease. */
type Prepared =
  | { readonly credential: Credential; readonly lease?: undefined }
  | { readonly held: HeldLease; readonly minter: Minter<unknown>; readonly lease: string }

/**
 * The route: verify, find the target, decide, reserve, record, issue. A denial is a value; a failure is an
 * `ExchangeError`. Of a verified workload's exchange there is a record either way, and nothing leaves without one.
 */
export async function exchange(asked: Exchange, steps: ExchangeSteps): Promise<Issued | Refused> {
  const startedAt = steps.now()
  // 1 Who is calling.
  const workload = await steps.verify(asked.request.subjectToken)
  let known: Known = { decision: asked.decision, asked: askedOf(asked.request), workload, rules: [], trace: [] }
  const record = recorder(steps, startedAt)
  try {
    // 2 What they ask for.
    const target = await steps.targets.find(asked.request.target)
    if (!target) return await record.refusal(known, refusal('invalid_target', 'target_unknown'))
    // 3 May they.
    const facts = factsOf(asked, workload, target, startedAt)
    const decision = decide(await steps.rules.of(target.id), facts)
    known = { ...known, ...told(facts, decision) }
    if (decision.outcome === 'denied' || 'problem' in target || !target.enabled) {
      return await record.refusal(known, refusalOf(decision, target))
    }
    const mismatch = typeMismatch(asked.request, target)
    if (mismatch) return await record.refusal(known, mismatch)
    // 4 Find or reserve the lease, or read what exists already: reading is not releasing.
    const prepared = await prepare(target, decision, known, steps)
    // 5 Write the record. No record, no credential.
    known = { ...known, grant: decision.grant, credential: referenceOf(prepared) }
    const position = await beforeMinting(prepared, steps, record.allowed(known))
    known = { ...known, follows: position }
    // 6 Mint, if the lease is new.
    const credential = await obtain(prepared, asked.signal, steps)
    return issued(target, decision.grant, prepared, credential, steps.now())
  } catch (error) {
    await record.failure(known, error)
    throw error
  }
}

function askedOf({ target, scopes }: ExchangeRequest): ExchangeEntry['asked'] {
  return { target: ('id' in target ? target.id : target.uri).toWellFormed(), scopes }
}

function factsOf(asked: Exchange, workload: Workload, target: Target | UnreadableTarget, time: number): Facts {
  const { request, client } = asked
  const readable = 'problem' in target ? { id: target.id, ...nothingKnown } : target
  const { id, labels, defaultScopes, defaultTtl, maxTtl } = readable
  const scopes = request.scopes.length > 0 ? request.scopes : defaultScopes.toSorted()
  const defined = { id, labels, scopes: Object.keys(readable.scopes), defaultTtl, maxTtl }
  return { workload, target: defined, scopes, client, time }
}

/** A target that cannot be read defines nothing; its rules still tell whom it concerns. */
const nothingKnown = { labels: {}, scopes: {}, defaultScopes: [], defaultTtl: 0, maxTtl: 0 }

function told({ workload: _, ...facts }: Facts, { rules, trace }: Decision) {
  return { facts, rules, trace }
}

/** Targets that are unknown and targets that are denied get one answer, so that nobody can map them. */
const notYours = 'the target is unknown, or this workload may not have it'

function refusal(code: ErrorCode, reason: Reason, description = notYours): Refusal {
  return { code, reason, description }
}

/** What a workload is told of its denial: more than "no" only where an allow rule of this target is about it. */
function refusalOf(decision: Decision, target: Target | UnreadableTarget): Refusal {
  const concerned = decision.outcome === 'allowed' || decision.selected
  if ('problem' in target) return outage('target_unreadable', concerned)
  if (!target.enabled || decision.outcome === 'allowed') return refusal('invalid_target', 'target_disabled')
  const { reason, hint } = decision
  switch (reason) {
    case 'rule_unreadable':
      return outage(reason, concerned)
    case 'scope_missing':
    case 'scope_unknown':
    case 'scope_not_granted':
      return refusal('invalid_scope', reason, hint ?? 'the scope is missing, unknown or not granted to this workload')
    case 'denied_by_rule':
    case 'condition_not_met':
    case 'no_rule':
      return refusal('invalid_target', reason, hint)
  }
}

function outage(reason: Reason, concerned: boolean): Refusal {
  return concerned
    ? { ...refusal('temporarily_unavailable', reason, 'the target is not available'), retryAfter: 30 }
    : refusal('invalid_target', reason)
}

function typeMismatch({ requestedTokenType }: ExchangeRequest, { issuedTokenType }: Target): Refusal | undefined {
  if (requestedTokenType === undefined || requestedTokenType === issuedTokenType) return undefined
  const description = `requested_token_type: expected none, or ${issuedTokenType}`
  return refusal('invalid_request', 'token_type_mismatch', description)
}

async function prepare(
  target: Target,
  { grant, rules }: Allowed,
  known: Known,
  steps: ExchangeSteps,
): Promise<Prepared> {
  const meanings = grant.scopes.map(scope => target.scopes[scope])
  if (target.issuing.kind === 'existing') return { credential: await target.issuing.source.read({ scopes: meanings }) }
  const { id, provider, settings, issuing } = target
  const { workload, decision } = known
  const asked = { target: id, provider, settings, meanings, rules, workload, ...grant }
  const held = await steps.leases.hold(asked, decision)
  return { held, minter: issuing.minter, lease: held.stored.lease.id }
}

function referenceOf(prepared: Prepared): Readonly<Record<string, string>> {
  if (prepared.lease === undefined) return prepared.credential.reference
  return { lease: prepared.lease, account: prepared.held.account.name }
}

/** If this fails, nothing was sent to the target: the reservation is given back, and costs no generation. */
async function beforeMinting<T>(prepared: Prepared, { leases }: ExchangeSteps, step: Promise<T>): Promise<T> {
  return step.catch(async error => {
    if (prepared.lease !== undefined && prepared.held.mustMint) await leases.abandon(prepared.held, 'nothing')
    throw error
  })
}

async function obtain(prepared: Prepared, signal: AbortSignal, { leases }: ExchangeSteps): Promise<Credential> {
  if (prepared.lease === undefined) return prepared.credential
  const { held, minter } = prepared
  if (!held.mustMint) return minter.describe(held.account, held.secret)
  try {
    if (signal.aborted) throw new NotMinted('temporarily_unavailable', 'deadline', { retryAfter: 1 })
    const credential = await minter.mint(held.account, held.secret, signal)
    await leases.activate(held)
    return credential
  } catch (error) {
    await leases.abandon(held, error instanceof NotMinted ? 'nothing' : 'unclear')
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

/** Writes what became of the exchange. */
function recorder({ decisions, now }: ExchangeSteps, startedAt: number) {
  const entry = (known: Known, outcome: Pick<ExchangeEntry, 'outcome' | 'code' | 'reason' | 'detail'>) =>
    decisions.write({ kind: 'exchange', ...known, ...outcome, durationMs: now() - startedAt })
  return {
    allowed: (known: Known): Promise<RecordPosition> => entry(known, { outcome: 'allowed' }),
    async refusal(known: Known, { reason, ...told }: Refusal): Promise<Refused> {
      await entry(known, { outcome: 'denied', code: told.code, reason })
      return { outcome: 'refused', ...told }
    },
    /** Nothing was released, so the answer does not wait for a log that is down: it says what failed first. */
    async failure(known: Known, error: unknown): Promise<void> {
      const { code, reason, detail, cause } = toExchangeError(error)
      if (reason === 'record_unavailable' || reason === 'record_too_large') return
      const described = { ...(cause !== undefined && describeCause(cause)), ...detail }
      await entry(known, { outcome: 'failed', code, reason, detail: described }).catch(() => undefined)
    },
  }
}
