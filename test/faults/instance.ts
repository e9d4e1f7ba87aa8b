import { randomUUID } from 'node:crypto'
import type { Container } from '@azure/cosmos'
import { SecretClient } from '@azure/keyvault-secrets'
import { keyVaultReader } from '../../shared/credentials/key-vault-reader.ts'
import { credentialProviders, providerOpener } from '../../shared/credentials/registry.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { cosmosDecisionLog } from '../../shared/decisions/cosmos-decision-log.ts'
import { type ExchangeSteps, exchange } from '../../shared/exchange.ts'
import type { Issued } from '../../shared/exchange-credential.ts'
import { targetBudgets } from '../../shared/leases/budget.ts'
import { cosmosLeases } from '../../shared/leases/cosmos-leases.ts'
import { cosmosPlaces } from '../../shared/leases/cosmos-places.ts'
import { openLeases } from '../../shared/leases/hold-lease.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { quotaPlaces } from '../../shared/leases/quota.ts'
import { type RevocationRun, revokeDue } from '../../shared/leases/revoke-due.ts'
import { searchLive } from '../../shared/leases/search-live.ts'
import { parseTarget, type Target } from '../../shared/targets/target.ts'
import { openTelemetry } from '../../shared/telemetry.ts'
import { exchangeWatcher } from '../../shared/telemetry-exchange.ts'
import { targetSettings } from '../credentials/postgresql-fixture.ts'
import { paymentsApi, type RuleDocument, rulesetOf } from '../rules/facts.ts'
import type { Deployment } from './deployment.ts'

/** What a pod asks for, where it matters. */
export interface Asking {
  readonly target?: 'orders-db' | 'invoices-db'
  readonly signal?: AbortSignal
}

/** One process of the gateway: its exchanges and its timer. */
export interface Instance {
  /** The pod's exchange. Throws its `ExchangeError`; being refused fails the test. */
  ask(pod: string, asking?: Asking): Promise<Issued>
  /** What `/revoke` does with a lease's id. */
  release(pod: string, lease: string): Promise<void>
  /** One run of the timer. */
  revokeDue(): Promise<RevocationRun>
  close(): Promise<void>
}

export interface InstanceOptions {
  readonly deployment: Deployment
  readonly rule: RuleDocument
  readonly container: (id: string) => Container
  /** Waits for another minter. Unless said, the clock is moved. */
  readonly pause?: Pause
}

export type Pause = (milliseconds: number) => Promise<unknown>

/** Wires one instance as `gateway.ts` does, from the real parts. */
export function openInstance({ deployment, rule, container, ...options }: InstanceOptions): Instance {
  const { clock, issued, database, door } = deployment
  const now = () => clock.time
  const readSecret = keyVaultReader({ vaults: new Map([['corp', vaultClient(deployment)]]), now, monotonic: now })
  const findProvider = credentialProviders({ readSecret, now })
  const opener = providerOpener(error => console.error(error))
  const leaseContainer = container('leases')
  const store = cosmosLeases(leaseContainer)
  const places = quotaPlaces({ store: cosmosPlaces(leaseContainer), now })
  const decisions = cosmosDecisionLog({
    decisions: container('decisions'),
    streams: container('streams'),
    deployment: 'test',
    retention: 400 * 86_400_000,
    now,
    monotonic: () => performance.now(),
    print: () => {},
    patience: 1_500,
  })
  const pause = async (milliseconds: number) => {
    clock.time += milliseconds
  }
  const leases = openLeases({
    store,
    places,
    budgets: targetBudgets({ store, now }),
    deployment: 'test',
    derivationKey: version => readSecret({ vault: 'corp', secret: 'derivation-key' }, version),
    now,
    pause,
    ...options,
  })

  function targetCalled(id: string, port: number): Target {
    const settings = { ...targetSettings(database), port }
    const scopes = { read: { role: 'orders_read' } }
    const described = { schema: 1, id, labels: { environment: 'prod' }, provider: 'postgresql' }
    const parsed = parseTarget({ ...described, settings, scopes, defaultScopes: ['read'] }, findProvider)
    if ('problems' in parsed) throw new TypeError(parsed.problems.join())
    return { ...parsed.target, issuing: opener.open(parsed.provider, parsed.target.settings) }
  }

  const targets = new Map(
    [targetCalled('orders-db', door.port), targetCalled('invoices-db', database.server.port)].map(one => [one.id, one]),
  )
  const steps: ExchangeSteps = {
    identify: async ({ subjectToken }) => ({ workload: podCalled(subjectToken) }),
    takeRate: () => {},
    clientOf: () => ({ provenance: 'unknown' }),
    targets: { find: async name => ('id' in name ? targets.get(name.id) : undefined) },
    rules: { of: async target => rulesetOf({ ...rule, target }) },
    posture: async () => ({}),
    lockdowns: { find: async () => undefined },
    leases,
    decisions,
    count: () => {},
    watch: exchangeWatcher(openTelemetry(), () => performance.now()),
    now,
  }
  const minterOf = (lease: Lease) => {
    const provider = findProvider(lease.provider)
    const issuing = provider && opener.open(provider, provider.settings.parse(lease.settings))
    if (issuing?.kind !== 'minted') throw new TypeError('expected a minter')
    return issuing.minter
  }
  const revocation = {
    store,
    places,
    decisions,
    minterOf,
    lockdowns: async () => [],
    searchLive: searchLive(store),
    now,
  }
  return {
    async ask(pod, { target = 'orders-db', signal = new AbortController().signal } = {}) {
      const request = { subjectToken: pod, actorToken: undefined, target: { id: target }, scopes: [] }
      const asked = { request: { ...request, requestedTokenType: undefined }, decision: randomUUID() }
      const outcome = await exchange({ ...asked, client: { peer: undefined, forwarded: undefined }, signal }, steps)
      if (outcome.outcome !== 'issued') throw new TypeError(`expected a credential, was refused: ${outcome.code}`)
      issued.push({ ...outcome, decision: asked.decision })
      return outcome
    },
    async release(pod, lease) {
      const found = await leases.findHeld(new Secret(lease), podCalled(pod))
      if (!found) throw new TypeError('expected a live lease')
      await leases.release(found)
    },
    revokeDue: () => revokeDue({ ...revocation, signal: new AbortController().signal }),
    close: opener.close,
  }
}

function podCalled(name: string) {
  return { ...paymentsApi, pod: { name, uid: `uid-of-${name}` } }
}

function vaultClient({ vault }: Deployment): SecretClient {
  const getToken = async () => ({ token: 'token', expiresOnTimestamp: Date.now() + 3_600_000 })
  return new SecretClient(
    vault.url,
    { getToken },
    {
      retryOptions: { maxRetries: 0 },
      disableChallengeResourceVerification: true,
    },
  )
}
