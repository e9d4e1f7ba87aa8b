import { type Container, CosmosClient } from '@azure/cosmos'
import { ManagedIdentityCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { cosmosDocumentEditor, type DocumentEditor } from './cosmos-document-editor.ts'
import { followContainer } from './cosmos-follower.ts'
import { cosmosVersions } from './cosmos-versions.ts'
import { keyVaultReader } from './credentials/key-vault-reader.ts'
import { credentialProviders, providerOpener } from './credentials/registry.ts'
import type { ReadSecret } from './credentials/secret-reference.ts'
import { cosmosDecisionLog } from './decisions/cosmos-decision-log.ts'
import type { DecisionLog } from './decisions/record.ts'
import { refusalCounts } from './decisions/refusal-counts.ts'
import type { DocumentKind, EditedContainer } from './document-kind.ts'
import { describeCause } from './errors.ts'
import type { ExchangeSteps } from './exchange.ts'
import { ownNames } from './leases/account-name.ts'
import { targetBudgets } from './leases/budget.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { cosmosPlaces } from './leases/cosmos-places.ts'
import { cosmosSightings } from './leases/cosmos-sightings.ts'
import type { MintingTarget } from './leases/find-strays.ts'
import { openLeases } from './leases/hold-lease.ts'
import type { Lease } from './leases/lease.ts'
import { quotaPlaces } from './leases/quota.ts'
import { type ReconciliationRun, reconcile } from './leases/reconcile.ts'
import { type RevocationRun, revokeDue } from './leases/revoke-due.ts'
import { searchLive } from './leases/search-live.ts'
import { calendarKind } from './rules/calendar-kind.ts'
import { cosmosCalendars } from './rules/cosmos-calendars.ts'
import { cosmosPosture } from './rules/cosmos-posture.ts'
import { ruleKind } from './rules/cosmos-rule-kind.ts'
import { cosmosRules } from './rules/cosmos-rules.ts'
import { postureKind } from './rules/posture-kind.ts'
import { postureAskedFor } from './rules/ruleset.ts'
import { isLoopback, type Role, type Settings } from './settings.ts'
import { type MintingTargetsOptions, mintingTargets } from './targets/cosmos-minting-targets.ts'
import { targetKind } from './targets/cosmos-target-kind.ts'
import { cosmosTargets } from './targets/cosmos-targets.ts'
import type { FindProvider, OpenProvider } from './targets/target.ts'
import { clientSeenBy } from './workload/client-address.ts'
import { openCountries } from './workload/client-country.ts'
import { issuerKind } from './workload/cosmos-issuer-kind.ts'
import { cosmosIssuers } from './workload/cosmos-issuers.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'
import { fetchJson, postJson } from './workload/https-json.ts'
import { identifier } from './workload/identify.ts'
import { type IssuerKeys, issuerKeys } from './workload/issuer-keys.ts'
import { lockdownKind } from './workload/lockdown-kind.ts'
import { operatorIssuers } from './workload/operator-issuers.ts'
import { rateLimit } from './workload/rate-limit.ts'
import { tokenReviewer } from './workload/token-review.ts'
import { tokenVerifier, type VerifyToken } from './workload/verify-token.ts'

/** What pods use. */
export interface ExchangeGateway {
  readonly steps: ExchangeSteps
  /** Throws 503 where nothing could be decided now. */
  ready(): Promise<void>
}

/** What operators use. */
export interface ManageGateway {
  readonly verifyOperator: VerifyToken
  readonly documents: Readonly<Record<EditedContainer, DocumentEditor>>
}

/** What the timers run. */
export interface TimersGateway {
  revokeDue(signal: AbortSignal): Promise<RevocationRun>
  reconcile(signal: AbortSignal): Promise<ReconciliationRun>
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
  readonly keys: IssuerKeys
  readonly print: (line: string) => void
  readonly onClose: (end: () => void | Promise<void>) => void
}

/** Wires the gateway from its settings. Constructs clients, connects to nothing until it must. */
export function openGateway(settings: Settings): Gateway {
  const monotonic = () => performance.now()
  const ends: (() => void | Promise<void>)[] = []
  const surroundings: Surroundings = {
    settings,
    now: Date.now,
    monotonic,
    keys: issuerKeys({ fetchJson, monotonic }),
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
  const { settings, now, monotonic, keys, onClose } = surroundings
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
  const store = cosmosLeases(role.container('leases'))
  const leases = openLeases({
    store,
    budgets: targetBudgets({ store, now }),
    places: quotaPlaces({ store: cosmosPlaces(role.container('leases')), now }),
    deployment: settings.deployment,
    derivationKey: version => readSecret(settings.derivationKey, version),
    now,
  })
  const review = tokenReviewer({ postJson, readSecret, monotonic })
  const { count, flush } = refusalCounts(role.decisions, now)
  const counting = setInterval(() => void flush(), settings.countInterval).unref()
  onClose(async () => {
    clearInterval(counting)
    await flush()
  })
  const steps: ExchangeSteps = {
    identify: identifier(tokenVerifier({ issuers, keys, review, now })),
    takeRate: rateLimit(settings.rates, monotonic),
    clientOf: (seen, actor) => clientSeenBy(seen, actor, { forwarders: settings.forwarders, countryOf }),
    targets,
    rules,
    posture: (ruleset, callers) => signals.of(postureAskedFor(ruleset, callers), callers.workload),
    lockdowns: cosmosLockdowns(follow('lockdowns', 'beginning')),
    leases,
    decisions: role.decisions,
    count,
    now,
  }
  return { steps, ready: () => issuers.ready() }
}

function openManage(surroundings: Surroundings): ManageGateway {
  const { settings, keys, now } = surroundings
  const role = openRole('manage', surroundings)
  return {
    verifyOperator: tokenVerifier({ issuers: operatorIssuers(settings.operators), keys, review: async () => {}, now }),
    documents: openEditors(role, surroundings),
  }
}

function openEditors({ container, decisions }: RoleParts, { settings, now }: Surroundings): ManageGateway['documents'] {
  const vaults = new Set(settings.vaults.keys())
  // This role may read no secret: a provider only says what its settings are.
  const findProvider = credentialProviders({ readSecret: () => Promise.reject(new Error('no secrets here')), now })
  const editor = (kind: DocumentKind) => {
    const { container: id } = kind
    const versions = cosmosVersions(container('versions'), id)
    return cosmosDocumentEditor({ kind, container: container(id), versions, decisions, now })
  }
  return {
    rules: editor(
      ruleKind({
        targets: container('targets'),
        calendars: container('calendars'),
        issuers: container('issuers'),
      }),
    ),
    targets: editor(targetKind({ findProvider, vaults, targets: container('targets') })),
    issuers: editor(issuerKind({ vaults, issuers: container('issuers') })),
    calendars: editor(calendarKind),
    lockdowns: editor(lockdownKind),
    posture: editor(postureKind),
  }
}

function openTimers(surroundings: Surroundings): TimersGateway {
  const { now, settings } = surroundings
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
  const reconciling = {
    targets: () => reconciled({ container: container('targets'), findProvider, open }, settings.deployment),
    sightings: cosmosSightings(container('decisions'), settings.deployment),
    store,
    decisions,
    now,
  }
  return {
    revokeDue: signal => revokeDue({ ...steps, signal }),
    reconcile: signal => reconcile({ ...reconciling, signal }),
  }
}

async function* reconciled(options: MintingTargetsOptions, deployment: string): AsyncGenerator<MintingTarget> {
  for await (const target of mintingTargets(options)) {
    if ('problem' in target) yield target
    else {
      const { id, account, issuing } = target
      const { minter, longestName } = issuing
      yield { id, minter, names: ownNames({ ...account, longestName }, deployment) }
    }
  }
}

type Document = Readonly<Record<string, unknown>>

interface RoleParts {
  readonly container: (id: string) => Container
  readonly decisions: DecisionLog
  readonly readSecret: ReadSecret
}

/** The clients of one role, under its own identity. */
function openRole(role: Role, { settings, now, monotonic, print, onClose }: Surroundings): RoleParts {
  const clientId = settings.identities[role]
  const credential =
    clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId })
  const cosmos = new CosmosClient({
    endpoint: settings.cosmos.endpoint,
    aadCredentials: credential,
    // The SDK's own patience (60 s, nine retries) is far beyond an exchange's. With endpoint discovery it would also try
    // a read that timed out 120 times; the account has one region, and its own name follows a failover.
    connectionPolicy: {
      requestTimeout: 2_500,
      enableEndpointDiscovery: false,
      retryOptions: { maxRetryAttemptCount: 2, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 2 },
    },
  })
  onClose(() => cosmos.dispose())
  const container = (id: string) => cosmos.database(settings.cosmos.database).container(id)
  const vaults = new Map(
    [...settings.vaults].map(([alias, url]) => [
      alias,
      new SecretClient(url.href, credential, {
        retryOptions: { maxRetries: 0 },
        // A stand-in on this machine has no name under vault.azure.net. Settings allow no other host but Key Vault's.
        disableChallengeResourceVerification: isLoopback(url),
      }),
    ]),
  )
  return {
    container,
    decisions: cosmosDecisionLog({ container: container('decisions'), deployment: settings.deployment, now, print }),
    readSecret: keyVaultReader({ vaults, now, monotonic }),
  }
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
