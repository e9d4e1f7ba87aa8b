import { inspect } from 'node:util'
import { accountForm } from '../../shared/account-form.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import type { DecisionEntry } from '../../shared/decisions/record.ts'
import { type ExchangeSteps, exchange } from '../../shared/exchange.ts'
import type { Issued } from '../../shared/exchange-credential.ts'
import type { Refused } from '../../shared/exchange-refusal.ts'
import { parseCalendar } from '../../shared/rules/calendar.ts'
import type { Facts } from '../../shared/rules/facts.ts'
import { compileRules, type Ruleset } from '../../shared/rules/ruleset.ts'
import type { Target } from '../../shared/targets/target.ts'
import { openTelemetry } from '../../shared/telemetry.ts'
import { exchangeWatcher } from '../../shared/telemetry-exchange.ts'
import { clientSeenBy, type SeenClient } from '../../shared/workload/client-address.ts'
import { instanceOn, leaseMemory } from '../leases/lease-store.ts'
import type { Case } from './case.ts'

const secretText = 'the-secret-of-the-target'
const tokenText = 'the.subject.token'

/** What the record keeps of the credential that every case is about. */
export const reference = { vault: 'corp', secret: 'orders-db', version: '7' }

/** The rule set of a case. A calendar that cannot be read is not there, as in the gateway. */
export function rulesetOf({ rules, guardrails, calendars }: Case): Ruleset {
  const readable = calendars.flatMap(stored => {
    const parsed = parseCalendar(stored)
    return 'calendar' in parsed ? [[stored.content.id, parsed.calendar] as const] : []
  })
  return { own: compileRules(rules), guardrails: compileRules(guardrails), calendars: new Map(readable) }
}

/** What the route came to, with everything that it recorded. */
export interface Came {
  readonly outcome: Issued | Refused
  readonly entries: readonly DecisionEntry[]
}

/** Runs a case through the real route: its facts are what the steps before and beside the decision find out. */
export async function runThroughRoute(one: Case): Promise<Came> {
  const entries: DecisionEntry[] = []
  const { facts } = one
  const request = {
    subjectToken: tokenText,
    actorToken: undefined,
    target: { id: facts.target.id },
    scopes: facts.scopes,
    requestedTokenType: undefined,
  }
  const client = { peer: one.seen?.peer, forwarded: one.seen?.forwarded }
  const { signal } = new AbortController()
  const outcome = await exchange({ request, decision: 'decision-1', client, signal }, stepsOf(one, entries))
  const written = inspect(entries, { depth: 20 })
  if ([secretText, tokenText].some(text => written.includes(text))) throw new Error(`a secret in a record: ${written}`)
  return { outcome, entries }
}

function stepsOf(one: Case, entries: DecisionEntry[]): ExchangeSteps {
  const { facts, seen } = one
  const { workload, actor, target, client, posture = {}, time } = facts
  const ruleset = rulesetOf(one)
  return {
    identify: async () => (actor ? { workload, actor } : { workload }),
    takeRate: () => {},
    clientOf: seen ? seenBy(facts) : () => client,
    targets: { find: async name => ('id' in name && name.id === target.id ? targetOf(facts) : undefined) },
    rules: { of: async () => ruleset },
    posture: async () => posture,
    lockdowns: { find: async () => undefined },
    leases: instanceOn(leaseMemory(), { time }),
    decisions: {
      async write(entry) {
        entries.push(entry)
        return { stream: 'hour/boot/0', id: String(entries.length) }
      },
    },
    count: (_decision, { reason }) => {
      throw new Error(`expected a verified workload, was refused: ${reason}`)
    },
    watch: exchangeWatcher(openTelemetry(), () => time),
    now: () => time,
  }
}

/** The one whose word on the client's address counts is the actor of `given/through-api-management.json`. */
function seenBy({ client }: Facts): ExchangeSteps['clientOf'] {
  const forwarders = [{ issuer: 'entra-corp', subject: 'api-management' }]
  return (seen: SeenClient, actor) => clientSeenBy(seen, actor, { forwarders, countryOf: () => client.country })
}

/** A target with a static secret, so that a case is about the decision and no lease. */
function targetOf({ target: { id, labels, scopes, defaultTtl, maxTtl } }: Facts): Target {
  const credential = { secret: new Secret(secretText), fields: {}, reference }
  return {
    schema: 1,
    id,
    labels: { ...labels },
    provider: 'key-vault-secret',
    settings: {},
    scopes: Object.fromEntries(scopes.map(scope => [scope, {}])),
    defaultScopes: [],
    defaultTtl,
    maxTtl,
    onExpiry: 'end-sessions',
    account: accountForm.parse({}),
    budgets: {},
    tokenType: 'N_A',
    enabled: true,
    requireApproval: false,
    issuing: { kind: 'existing', source: { read: async () => credential } },
    issuedTokenType: 'urn:causeway:token-type:secret',
  }
}
