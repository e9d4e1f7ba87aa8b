import { type Container, CosmosClient, type RetryOptions } from '@azure/cosmos'
import { ManagedIdentityCredential } from '@azure/identity'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'
import { followContainer } from './cosmos-follower.ts'
import { keyVaultReader } from './credentials/key-vault-reader.ts'
import { credentialProviders, providerOpener } from './credentials/registry.ts'
import type { ReadSecret } from './credentials/secret-reference.ts'
import { checkpointTaker, type TakeCheckpoint } from './decisions/checkpoint-run.ts'
import { cosmosCheckpoints } from './decisions/cosmos-checkpoints.ts'
import { cosmosDecisionLog } from './decisions/cosmos-decision-log.ts'
import { keyVaultSigner } from './decisions/key-vault-signer.ts'
import type { DecisionLog } from './decisions/record.ts'
import { refusalCounts } from './decisions/refusal-counts.ts'
import { describeCause } from './errors.ts'
import type { ExchangeSteps } from './exchange.ts'
import { type CountLeases, leaseCounter } from './leases/cosmos-lease-counts.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { cosmosPlaces } from './leases/cosmos-places.ts'
import { openLeases } from './leases/hold-lease.ts'
import type { Lease } from './leases/lease.ts'
import { quotaPlaces } from './leases/quota.ts'
import { type RevocationRun, revokeDue } from './leases/revoke-due.ts'
import { searchLive } from './leases/search-live.ts'
import { cosmosCalendars } from './rules/cosmos-calendars.ts'
import { cosmosPosture } from './rules/cosmos-posture.ts'
import { cosmosRuleEditor, type RuleEditor } from './rules/cosmos-rule-editor.ts'
import { cosmosRules } from './rules/cosmos-rules.ts'
import { postureAskedFor } from './rules/ruleset.ts'
import { isLoopback, type Role, type Settings } from './settings.ts'
import { cosmosTargets } from './targets/cosmos-targets.ts'
import type { FindProvider, OpenProvider } from './targets/target.ts'
import { openTelemetry } from './telemetry.ts'
import { type GatewayTelemetry, type InSpan, watchGateway } from './telemetry-gateway.ts'
import { clientSeenBy } from './workload/client-address.ts'
import { openCountries } from './workload/client-country.ts'
import { cosmosIssuers } from './workload/cosmos-issuers.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'
import { fetchJson, postJson } from './workload/https-json.ts'
import { identifier } from './workload/identify.ts'
import { type FetchedKeys, issuerKeys } from './workload/issuer-keys.ts'
import { operatorIssuers } from './workload/operator-issuers.ts'
import { rateLimit } from './workload/rate-limit.ts'
import { tokenReviewer } from './workload/token-review.ts'
import { tokenVerifier, type VerifyToken } from './workload/verify-token.ts'

/** What pods use. */
export interface ExchangeGateway {
  readonly steps: ExchangeSteps
  readonly inSpan: InSpan
  /** Throws 503 where nothing could be decided now. */
  ready(): Promise<void>
}

/** What operators use. */
export interface ManageGateway {
  readonly verifyOperator: VerifyToken
  readonly rules: RuleEditor
}

/** What the timers run. */
export interface TimersGateway {
  revokeDue(signal: AbortSignal): Promise<RevocationRun>
  takeCheckpoint: TakeCheckpoint
  readonly inSpan: InSpan
  /** Counts the leases for whoever collects numbers. Never throws. */
  observeLeases(signal: AbortSignal): Promise<void>
}

/** A wired gateway: the parts of the roles that this app has. */
export interface Gateway {
  readonly settings: Settings
  readonly exchange?: ExchangeGateway
  readonly manage?: ManageGateway
  readonly timers?: TimersGateway
  /** Ends background work and connections. */
  close(): Promise<void>
}

/** What all roles share in one process: clocks, keys, and where to say what went wrong. */
interface Surroundings {
  readonly settings: Settings
  readonly now: () => number
  readonly monotonic: () => number
  readonly keys: FetchedKeys
  readonly telemetry: GatewayTelemetry
  readonly print: (line: string) => void
  readonly onClose: (end: () => void | Promise<void>) => void
}

/** Wires the gateway from its settings. Constructs clients, connects to nothing until it must. */
export function openGateway(settings: Settings): Gateway {
  const monotonic = () => performance.now()
  const ends: (() => void | Promise<void>)[] = []
  const keys = issuerKeys({ fetchJson, monotonic })
  const telemetry = watchGateway(openTelemetry(), monotonic)
  telemetry.keyAges(keys.ages)
  const surroundings: Surroundings = {
    settings,
    now: Date.now,
    monotonic,
    keys,
    telemetry,
    print: line => console.log(line),
    onClose: end => ends.push(end),
  }
  const has = (role: Role) => settings.roles.includes(role)
  return {
    settings,
    ...(has('exchange') && { exchange: openExchange(surroundings) }),
    ...(has('manage') && { manage: openManage(surroundings) }),
    ...(has('timers') && { timers: openTimers(surroundings) }),
    close: async () => {
      // The clients were made first, and go last.
      for (const end of ends.reverse()) await end()
    },
  }
}

function openExchange(surroundings: Surroundings): ExchangeGateway {
  const { settings, now, monotonic, keys, telemetry, onClose } = surroundings
  const countryOf = settings.geoipDatabase === undefined ? () => undefined : openCountries(settings.geoipDatabase)
  const role = openRole('exchange', surroundings)
  const follow = (id: string, from: 'beginning' | 'now') => (onChange: (document: Document) => void) =>
    followed({ container: role.container(id), from, onChange }, surroundings)
  const issuers = cosmosIssuers(role.container('issuers'), follow('issuers', 'beginning'))
  const { findProvider, open, readSecret } = openProviders(role.readSecret, surroundings)
  const targets = cosmosTargets({
    container: role.container('targets'),
    follow: follow('targets', 'now'),
    findProvider,
    open,
  })
  const calendars = cosmosCalendars(follow('calendars', 'beginning'))
  const rules = cosmosRules({
    container: role.container('rules'),
    follow: follow('rules', 'now'),
    calendars: calendars.current,
  })
  const signals = cosmosPosture(role.container('posture'), follow('posture', 'now'))
  const leases = openLeases({
    store: cosmosLeases(role.container('leases')),
    places: quotaPlaces({ store: cosmosPlaces(role.container('leases')), now }),
    deployment: settings.deployment,
    derivationKey: version => readSecret(settings.derivationKey, version),
    now,
    onLookup: telemetry.lookup('live-leases'),
    onReserved: telemetry.reserved,
  })
  telemetry.rememberedLeases(leases.remembered)
  const review = tokenReviewer({ postJson, readSecret, monotonic })
  const { count, flush } = refusalCounts(role.decisions, now)
  const counting = setInterval(() => void flush(), settings.countInterval).unref()
  onClose(async () => {
    clearInterval(counting)
    await flush()
  })
  const steps: ExchangeSteps = {
    identify: identifier(tokenVerifier({ issuers, keys, review, now, onLookup: telemetry.lookup('verified-tokens') })),
    takeRate: rateLimit(settings.rates, monotonic),
    clientOf: (seen, actor) => clientSeenBy(seen, actor, { forwarders: settings.forwarders, countryOf }),
    targets,
    rules,
    posture: (ruleset, callers) => signals.of(postureAskedFor(ruleset, callers), callers.workload),
    lockdowns: cosmosLockdowns(follow('lockdowns', 'beginning')),
    leases,
    decisions: role.decisions,
    count(decision, error) {
      telemetry.refused(error)
      count(decision, error)
    },
    watch: telemetry.watch,
    now,
  }
  return { steps, inSpan: telemetry.inSpan, ready: () => issuers.ready() }
}

function openManage(surroundings: Surroundings): ManageGateway {
  const { settings, now, keys } = surroundings
  const { container, decisions } = openRole('manage', surroundings)
  return {
    verifyOperator: tokenVerifier({ issuers: operatorIssuers(settings.operators), keys, review: async () => {}, now }),
    rules: cosmosRuleEditor({
      rules: container('rules'),
      targets: container('targets'),
      calendars: container('calendars'),
      issuers: container('issuers'),
      decisions,
    }),
  }
}

function openTimers(surroundings: Surroundings): TimersGateway {
  const { now, telemetry } = surroundings
  const { container, decisions, readSecret } = openRole('timers', surroundings)
  const { findProvider, open } = openProviders(readSecret, surroundings)
  const store = cosmosLeases(container('leases'))
  const places = quotaPlaces({ store: cosmosPlaces(container('leases')), now })
  const minterOf = (lease: Lease) => {
    const provider = findProvider(lease.provider)
    const issuing = provider && open(provider, provider.settings.parse(lease.settings))
    if (issuing?.kind !== 'minted') throw new Error(`no minter is called ${lease.provider}`)
    return issuing.minter
  }
  const standing = cosmosLockdowns(onChange =>
    followed({ container: container('lockdowns'), from: 'beginning', onChange }, surroundings),
  )
  const lockdowns = () => standing.revoking(now())
  const steps = { store, places, decisions, minterOf, lockdowns, searchLive: searchLive(store), now }
  return {
    async revokeDue(signal) {
      const run = await revokeDue({ ...steps, signal })
      telemetry.revocations(run)
      return run
    },
    takeCheckpoint: openCheckpoints(container, surroundings),
    inSpan: telemetry.inSpan,
    observeLeases: leaseObserver(leaseCounter(container('leases')), telemetry),
  }
}

/** A count that fails is one fewer: the next run counts again. */
function leaseObserver(countLeases: CountLeases, { leaseCounts }: GatewayTelemetry): TimersGateway['observeLeases'] {
  return async signal => {
    const counts = await countLeases(signal).catch(() => undefined)
    if (counts) leaseCounts(counts)
  }
}

function openCheckpoints(container: (id: string) => Container, { settings, now, print }: Surroundings): TakeCheckpoint {
  const { vaults, checkpointKey, deployment, retention } = settings
  const vault = vaults.get(checkpointKey.vault)
  if (!vault) throw new TypeError('settings that were read name a vault of the key')
  const credential = identityOf('timers', settings)
  const options = vaultOptions(vault)
  const currentKey = keyVaultSigner({
    keys: new KeyClient(vault.href, credential, options),
    name: checkpointKey.key,
    cryptographyOf: key => new CryptographyClient(key, credential, options),
  })
  const store = cosmosCheckpoints({
    checkpoints: container('checkpoints'),
    streams: container('streams'),
    decisions: container('decisions'),
  })
  return checkpointTaker({ store, currentKey, deployment, retention, now, print })
}

type Document = Readonly<Record<string, unknown>>

interface RoleParts {
  readonly container: (id: string) => Container
  readonly decisions: DecisionLog
  readonly readSecret: ReadSecret
}

/** The clients of one role, under its own identity. */
function openRole(role: Role, { settings, now, monotonic, telemetry, print, onClose }: Surroundings): RoleParts {
  const credential = identityOf(role, settings)
  const database = (retryOptions: RetryOptions) => {
    const client = new CosmosClient({
      endpoint: settings.cosmos.endpoint,
      aadCredentials: credential,
      // The SDK's own patience (60 s, nine retries) is far beyond an exchange's. With endpoint discovery it would also try
      // a read that timed out 120 times; the account has one region, and its own name follows a failover.
      connectionPolicy: { requestTimeout: 2_500, enableEndpointDiscovery: false, retryOptions },
    })
    onClose(() => client.dispose())
    return client.database(settings.cosmos.database)
  }
  const documents = database({ maxRetryAttemptCount: 2, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 2 })
  // What is sent again, and when, is the log's to know.
  const log = database({ maxRetryAttemptCount: 0 })
  const decisions = cosmosDecisionLog({
    decisions: log.container('decisions'),
    streams: log.container('streams'),
    deployment: settings.deployment,
    retention: settings.retention,
    now,
    monotonic,
    print,
    onBatch: telemetry.batch,
    onClosed: ({ because }) => telemetry.streamClosed(because),
  })
  onClose(decisions.close)
  const container = (id: string) => documents.container(id)
  const vaults = new Map(
    [...settings.vaults].map(([alias, url]) => [alias, new SecretClient(url.href, credential, vaultOptions(url))]),
  )
  return {
    container,
    decisions,
    readSecret: keyVaultReader({ vaults, now, monotonic, onLookup: telemetry.lookup('secrets') }),
  }
}

function identityOf(role: Role, { identities }: Settings): ManagedIdentityCredential {
  const clientId = identities[role]
  return clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId })
}

function vaultOptions(url: URL) {
  // A stand-in on this machine has no name under vault.azure.net. Settings allow no other host but Key Vault's.
  return { retryOptions: { maxRetries: 0 }, disableChallengeResourceVerification: isLoopback(url) }
}

function openProviders(
  readSecret: ReadSecret,
  { now, print, onClose }: Surroundings,
): { findProvider: FindProvider; open: OpenProvider; readSecret: ReadSecret } {
  const opener = providerOpener(error => print(errorLine('close', error)))
  onClose(opener.close)
  return { findProvider: credentialProviders({ readSecret, now }), open: opener.open, readSecret }
}

function followed(
  following: Pick<Parameters<typeof followContainer>[0], 'container' | 'from' | 'onChange'>,
  { settings, monotonic, print, onClose }: Surroundings,
) {
  const follower = followContainer({
    ...following,
    interval: settings.refreshInterval,
    monotonic,
    onError: error => print(errorLine('refresh', error)),
  })
  onClose(follower.stop)
  return follower
}

function errorLine(during: string, error: unknown): string {
  return JSON.stringify({ level: 'error', during, ...describeCause(error) })
}
