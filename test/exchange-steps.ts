import { inspect } from 'node:util'
import { accountForm } from '../shared/account-form.ts'
import type { Credential } from '../shared/credentials/credential.ts'
import type { Minter } from '../shared/credentials/credential-provider.ts'
import { asNotMinted } from '../shared/credentials/not-minted.ts'
import { Secret } from '../shared/credentials/secret.ts'
import type { DecisionEntry, DecisionLog, ExchangeEntry, RecordPosition } from '../shared/decisions/record.ts'
import { ExchangeError } from '../shared/errors.ts'
import { type Exchange, type ExchangeSteps, exchange } from '../shared/exchange.ts'
import type { Issued } from '../shared/exchange-credential.ts'
import type { Refused } from '../shared/exchange-refusal.ts'
import type { UnreadableTarget } from '../shared/targets/cosmos-targets.ts'
import type { Target } from '../shared/targets/target.ts'
import { openTelemetry } from '../shared/telemetry.ts'
import { exchangeWatcher } from '../shared/telemetry-exchange.ts'
import { clientSeenBy } from '../shared/workload/client-address.ts'
import { blocks, type Lockdown } from '../shared/workload/lockdown.ts'
import { instanceOn, leaseMemory } from './leases/lease-store.ts'
import { allow, minute, noon, paymentsApi, type RuleDocument, rulesetOf } from './rules/facts.ts'

/** What no record, log or error may hold. */
export const secretText = 'hunter2-the-secret'

/** The actor whose word on the client's address counts. */
export const forwarder = { issuer: 'entra', subject: 'api-management' }

type Write = (entry: ExchangeEntry) => Promise<RecordPosition>

/** The route on fakes. */
export interface Route {
  readonly steps: ExchangeSteps
  /** What happened, in order: each record by its outcome, reading, minting, describing. */
  readonly events: string[]
  readonly entries: ExchangeEntry[]
  /** What was counted and not recorded: the decision and its reason. */
  readonly counted: string[]
  /** The lockdowns that stand. */
  readonly lockdowns: Lockdown[]
  readonly store: ReturnType<typeof leaseMemory>
  readonly clock: { time: number }
  /** Replaces what writing the records does, the first call first; after the last, records are written. */
  writes(...each: readonly Write[]): void
  /** Replaces what minting does. */
  mints(mint: (signal: AbortSignal) => Promise<Credential>): void
  /** The same, without waiting for the record. */
  mintsUnasked(mint?: (signal: AbortSignal) => Promise<Credential>): void
}

const credential: Credential = {
  secret: new Secret(secretText),
  fields: { username: 'someone', password: new Secret(secretText) },
  reference: { vault: 'corp', secret: 'mainframe', version: '7' },
}

const described = {
  schema: 1 as const,
  labels: { environment: 'prod' },
  settings: {},
  defaultScopes: ['read'],
  defaultTtl: 15 * minute,
  maxTtl: 60 * minute,
  onExpiry: 'finish-transactions' as const,
  account: accountForm.parse({}),
  budgets: {},
  tokenType: 'N_A' as const,
  enabled: true,
  requireApproval: false,
}

/** `orders-db` mints accounts for its scopes, `mainframe` has a static secret, `torn` is unreadable, `off` disabled. */
export function openRoute(...rules: readonly RuleDocument[]): Route {
  const events: string[] = []
  const entries: ExchangeEntry[] = []
  const counted: string[] = []
  const lockdowns: Lockdown[] = []
  const clock = { time: noon }
  const store = leaseMemory()
  const writes: Write[] = []
  let mint: (signal: AbortSignal) => Promise<Credential> = async () => credential
  let waits = true

  const decisions: DecisionLog = {
    async write(entry: DecisionEntry) {
      if (entry.kind !== 'exchange') throw new TypeError('expected the record of an exchange')
      events.push(`record ${entry.outcome}`)
      entries.push(entry)
      const position = { stream: 'hour/boot/0', id: String(entries.length) }
      const write = writes.shift()
      return write ? write(entry) : position
    },
  }
  const minter: Minter<unknown> = {
    async mint(_account, _secret, { recorded, signal }) {
      recorded.catch(() => undefined)
      if (waits) await recorded.catch((error: ExchangeError) => Promise.reject(asNotMinted(error)))
      events.push('mint')
      return mint(signal)
    },
    describe() {
      events.push('describe')
      return credential
    },
    revoke: () => Promise.reject(new Error('an exchange never revokes')),
    accounts: () => {
      throw new Error('an exchange never lists accounts')
    },
    close: async () => {},
  }
  const source = {
    async read() {
      events.push('read secret')
      return credential
    },
  }
  const ordersDatabase: Target = {
    ...described,
    id: 'orders-db',
    provider: 'postgresql',
    scopes: { read: { role: 'orders_read' }, write: { role: 'orders_write' } },
    issuing: { kind: 'minted', minter, longestName: 63 },
    issuedTokenType: 'urn:causeway:token-type:username-password',
  }
  const mainframe: Target = {
    ...ordersDatabase,
    id: 'mainframe',
    provider: 'key-vault-secret',
    issuing: { kind: 'existing', source },
    issuedTokenType: 'urn:causeway:token-type:secret',
  }
  const targets = new Map<string, Target | UnreadableTarget>([
    ['orders-db', ordersDatabase],
    ['mainframe', mainframe],
    ['off', { ...mainframe, id: 'off', enabled: false }],
    ['torn', { id: 'torn', problem: 'settings.host: expected text' }],
  ])
  const ruleset = rulesetOf(...(rules.length > 0 ? rules : [allow('payments-reads')]))
  const steps: ExchangeSteps = {
    identify: async () => ({ workload: paymentsApi }),
    takeRate: () => {},
    clientOf: (seen, actor) => clientSeenBy(seen, actor, { forwarders: [forwarder], countryOf: () => undefined }),
    targets: { find: async name => ('id' in name ? targets.get(name.id) : undefined) },
    rules: { of: async () => ruleset },
    posture: async () => ({}),
    lockdowns: { find: async (subject, time) => lockdowns.find(lockdown => blocks(lockdown, subject, time))?.id },
    leases: instanceOn(store, clock),
    decisions,
    count: (decision, { reason }) => void counted.push(`${decision} ${reason}`),
    watch: exchangeWatcher(openTelemetry(), () => performance.now()),
    now: () => clock.time,
  }
  return {
    steps,
    events,
    entries,
    counted,
    lockdowns,
    store,
    clock,
    writes: (...each) => void writes.push(...each),
    mintsUnasked: (replacement = mint) => {
      mint = replacement
      waits = false
    },
    mints: replacement => {
      mint = replacement
    },
  }
}

/** `payments/api` asks for `read` of `orders-db`, in time. */
export function asked(target = 'orders-db', overrides: Partial<Exchange['request']> = {}): Exchange {
  return {
    request: {
      subjectToken: 'its.token.signed',
      actorToken: undefined,
      target: { id: target },
      scopes: ['read'],
      requestedTokenType: undefined,
      ...overrides,
    },
    decision: 'decision-1',
    client: { peer: '192.0.2.7:50123', forwarded: '198.51.100.9' },
    signal: new AbortController().signal,
  }
}

/** What an exchange that must succeed, be refused or fail came to. */
export async function issuedBy(route: Route, ask = asked()): Promise<Issued> {
  const outcome = await exchange(ask, route.steps)
  if (outcome.outcome !== 'issued') throw new Error(`expected a credential, was refused: ${outcome.code}`)
  return outcome
}

export async function refusedBy(route: Route, ask = asked()): Promise<Refused> {
  const outcome = await exchange(ask, route.steps)
  if (outcome.outcome !== 'refused') throw new Error('expected a refusal, was issued')
  return outcome
}

export async function failureOf(route: Route, ask = asked()): Promise<ExchangeError> {
  const error = await exchange(ask, route.steps).catch((thrown: unknown) => thrown)
  if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${inspect(error)}`)
  return error
}

/** Lets everything happen that waits for nothing but other work of this process. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}
