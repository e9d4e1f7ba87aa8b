import { type Container, CosmosClient, type RetryOptions } from '@azure/cosmos'
import { ManagedIdentityCredential } from '@azure/identity'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'
import { type Approvals, type GuardedEditor, openApprovals } from './approvals.ts'
import { type Changes, cosmosChanges } from './cosmos-changes.ts'
import { cosmosDocumentEditor, type DocumentEditor } from './cosmos-document-editor.ts'
import { followContainer } from './cosmos-follower.ts'
import { alwaysFresh, readOnce } from './cosmos-read-once.ts'
import { cosmosVersions } from './cosmos-versions.ts'
import { keyVaultReader } from './credentials/key-vault-reader.ts'
import { credentialProviders, providerOpener } from './credentials/registry.ts'
import type { ReadSecret, SecretReference } from './credentials/secret-reference.ts'
import { checkpointTaker, type TakeCheckpoint } from './decisions/checkpoint-run.ts'
import { cosmosCheckpoints } from './decisions/cosmos-checkpoints.ts'
import { cosmosDecisionLog } from './decisions/cosmos-decision-log.ts'
import { cosmosDecisionSearch, type DecisionSearch } from './decisions/cosmos-decision-search.ts'
import { keyVaultSigner } from './decisions/key-vault-signer.ts'
import type { DecisionLog } from './decisions/record.ts'
import { refusalCounts } from './decisions/refusal-counts.ts'
import { type Doctor, doctor } from './doctor.ts'
import type { DocumentKind, EditedContainer } from './document-kind.ts'
import { describeCause } from './errors.ts'
import type { ExchangeSteps } from './exchange.ts'
import { ownNames } from './leases/account-name.ts'
import { targetBudgets } from './leases/budget.ts'
import { type CountLeases, leaseCounter } from './leases/cosmos-lease-counts.ts'
import { cosmosLeaseSearch } from './leases/cosmos-lease-search.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { cosmosPlaces } from './leases/cosmos-places.ts'
import { cosmosSightings } from './leases/cosmos-sightings.ts'
import type { MintingTarget } from './leases/find-strays.ts'
import { openLeases } from './leases/hold-lease.ts'
import type { Lease } from './leases/lease.ts'
import { type OperatorLeases, operatorLeases } from './leases/operator-leases.ts'
import { quotaPlaces } from './leases/quota.ts'
import { type ReconciliationRun, reconcile } from './leases/reconcile.ts'
import { revokeByOperator } from './leases/revoke-by-operator.ts'
import { type RevocationRun, revokeDue } from './leases/revoke-due.ts'
import { searchLive } from './leases/search-live.ts'
import { type CalendarDocument, calendarDocument } from './rules/calendar.ts'
import { calendarKind } from './rules/calendar-kind.ts'
import { cosmosCalendars } from './rules/cosmos-calendars.ts'
import { cosmosPosture } from './rules/cosmos-posture.ts'
import { cosmosPostureWriter, type PostureWriter } from './rules/cosmos-posture-writer.ts'
import { sampleExchanges } from './rules/cosmos-recorded-exchanges.ts'
import { ruleKind } from './rules/cosmos-rule-kind.ts'
import { cosmosRules, storedRules } from './rules/cosmos-rules.ts'
import { lockdownsSince } from './rules/cosmos-standing-lockdowns.ts'
import { type Evaluate, evaluator } from './rules/evaluate.ts'
import { type FindAccess, findAccess } from './rules/find-access.ts'
import { calendarFromICalendar } from './rules/icalendar.ts'
import { postureKind } from './rules/posture-kind.ts'
import { signalDocument } from './rules/posture-signal.ts'
import { guardrailDocument, ruleDocument } from './rules/rule.ts'
import { postureAskedFor } from './rules/ruleset.ts'
import { openWhatIf, type WhatIf } from './rules/what-if.ts'
import { isSameSecret } from './secrets-named.ts'
import { isLoopback, type Role, type Settings } from './settings.ts'
import { answerChecks, type ChecksRun } from './targets/answer-checks.ts'
import { cosmosChecks, cosmosWaitingChecks, readTarget } from './targets/cosmos-checks.ts'
import { guardedSecrets } from './targets/cosmos-guarded-secrets.ts'
import { type MintingTargetsOptions, mintingTargets } from './targets/cosmos-minting-targets.ts'
import { targetKind } from './targets/cosmos-target-kind.ts'
import { cosmosTargets } from './targets/cosmos-targets.ts'
import { evaluatedTarget, urisIn } from './targets/evaluated-target.ts'
import { type FindProvider, type OpenProvider, targetDocument } from './targets/target.ts'
import { openTelemetry } from './telemetry.ts'
import { type GatewayTelemetry, type InSpan, watchGateway } from './telemetry-gateway.ts'
import { checkIssuer } from './workload/check-issuer.ts'
import { clientSeenBy } from './workload/client-address.ts'
import { openCountries } from './workload/client-country.ts'
import { issuerKind } from './workload/cosmos-issuer-kind.ts'
import { cosmosIssuers } from './workload/cosmos-issuers.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'
import { fetchJson, postJson } from './workload/https-json.ts'
import { identifier } from './workload/identify.ts'
import { issuerDocument } from './workload/issuer.ts'
import { issuerFacts } from './workload/issuer-facts.ts'
import { type FetchedKeys, issuerKeys } from './workload/issuer-keys.ts'
import { lockdownDocument } from './workload/lockdown.ts'
import { lockdownKind } from './workload/lockdown-kind.ts'
import { operatorIssuers } from './workload/operator-issuers.ts'
import { rateLimit } from './workload/rate-limit.ts'
import { tokenReviewer } from './workload/token-review.ts'
import { verifyPasted } from './workload/verify-pasted.ts'
import { tokenVerifier, type VerifyToken } from './workload/verify-token.ts'

/** What pods use. */
export interface ExchangeGateway {
  readonly steps: ExchangeSteps
  readonly inSpan: InSpan
  /** Throws 503 where nothing could be decided now. */
  ready(): Promise<void>
}

type CalendarConversion = { readonly calendar: CalendarDocument } | { readonly problems: readonly string[] }

/** What operators use. */
export interface ManageGateway {
  readonly verifyOperator: VerifyToken
  readonly documents: Readonly<Record<EditedContainer, GuardedEditor>>
  readonly changes: Changes
  readonly approvals: Approvals
  readonly whatIf: WhatIf
  readonly evaluate: Evaluate
  readonly access: FindAccess
  readonly calendarFrom: (upload: Omit<Parameters<typeof calendarFromICalendar>[0], 'now'>) => CalendarConversion
  readonly decisions: DecisionSearch
  readonly leases: OperatorLeases
  readonly posture: PostureWriter
  readonly checks: Doctor
}

/** What operators write, by the name of one: for descriptions of the API. */
const schemas = {
  rule: ruleDocument,
  guardrail: guardrailDocument,
  target: targetDocument,
  issuer: issuerDocument,
  calendar: calendarDocument,
  lockdown: lockdownDocument,
  signal: signalDocument,
}

/** What the timers run. */
export interface TimersGateway {
  revokeDue(signal: AbortSignal): Promise<RevocationRun>
  reconcile(signal: AbortSignal): Promise<ReconciliationRun>
  answerChecks(signal: AbortSignal): Promise<ChecksRun>
  takeCheckpoint: TakeCheckpoint
  readonly inSpan: InSpan
  /** Counts the leases for whoever collects numbers. Never throws. */
  observeLeases(signal: AbortSignal): Promise<void>
}

/** A wired gateway: the parts of the roles that this app has. */
export interface Gateway {
  readonly settings: Settings
  readonly schemas: typeof schemas
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
    schemas,
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
  const store = cosmosLeases(role.container('leases'))
  const leases = openLeases({
    store,
    budgets: targetBudgets({ store, now }),
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
  const { settings, keys, now } = surroundings
  const role = openRole('manage', surroundings)
  const editors = openEditors(role, surroundings)
  const changes = cosmosChanges(role.container('changes'))
  const byApplications = settings.approvalByApplications
  const approvals = openApprovals({
    changes,
    editors,
    decisions: role.decisions,
    byApplications,
    guardedSecrets: guardedSecrets(role.container('targets')),
    now,
  })
  const documents = {
    rules: approvals.guard('rules'),
    targets: approvals.guard('targets'),
    issuers: approvals.guard('issuers'),
    calendars: approvals.guard('calendars'),
    lockdowns: approvals.guard('lockdowns'),
    posture: approvals.guard('posture'),
  }
  return {
    changes,
    approvals,
    calendarFrom: upload => calendarFromICalendar({ ...upload, now: now() }),
    ...openDesk(role, documents, surroundings),
    verifyOperator: tokenVerifier({ issuers: operatorIssuers(settings.operators), keys, review: async () => {}, now }),
    documents,
    ...openOperations(role, now),
    checks: openDoctor(role, documents, surroundings),
  }
}

function openOperations({ container, decisions }: RoleParts, now: () => number) {
  const search = cosmosLeaseSearch(container('leases'))
  const store = cosmosLeases(container('leases'))
  return {
    decisions: cosmosDecisionSearch({
      decisions: container('decisions'),
      streams: container('streams'),
      checkpoints: container('checkpoints'),
    }),
    leases: operatorLeases(search, revokeByOperator({ store, search, decisions, now })),
    posture: cosmosPostureWriter({ container: container('posture'), decisions, now }),
  }
}

function openDoctor(
  { container, decisions }: RoleParts,
  { targets, issuers }: ManageGateway['documents'],
  { now, monotonic }: Surroundings,
): Doctor {
  return doctor({
    targets,
    issuers,
    decisions,
    checks: cosmosChecks({ container: container('checks'), now }),
    checkIssuer: (document, token, keysSince) => checkIssuer(document, token, { fetchJson, now, monotonic, keysSince }),
  })
}

/** What-if: everything is read when it is asked for, by the code of the exchange, and nothing of it is kept. */
function openDesk({ container }: RoleParts, documents: ManageGateway['documents'], surroundings: Surroundings) {
  const { settings, keys, now } = surroundings
  const { targets, issuers } = documents
  const countryOf = settings.geoipDatabase === undefined ? () => undefined : openCountries(settings.geoipDatabase)
  const ownName = (id: string) => ({ id, partition: id })
  const calendars = () => cosmosCalendars(readOnce(container('calendars'))).current()
  const openRules = () => cosmosRules({ container: container('rules'), follow: () => alwaysFresh, calendars })
  const registered = () => cosmosIssuers(container('issuers'), readOnce(container('issuers')))
  const issuerOf = async (id: string) => issuerFacts((await issuers.read(ownName(id)))?.content)
  return {
    whatIf: openWhatIf({
      rules: partition => storedRules(container('rules'), partition),
      calendars,
      namesOf: async id => [id, ...urisIn((await targets.read(ownName(id)))?.content)],
      sample: query => sampleExchanges(container('decisions'), query, now),
      now,
    }),
    evaluate: evaluator({
      rulesetOf: target => openRules().of(target),
      targetOf: async id => evaluatedTarget((await targets.read(ownName(id)))?.content, withoutSecrets(now)),
      issuerOf,
      callersOf: (token, actorToken) => verifyPasted({ token, actorToken }, { issuers: registered(), keys, now }),
      postureOf: (ruleset, callers) =>
        cosmosPosture(container('posture'), () => alwaysFresh).of(postureAskedFor(ruleset, callers), callers.workload),
      lockdownOf: (subject, time) => cosmosLockdowns(readOnce(container('lockdowns'))).find(subject, time),
      clientAt: peer => clientSeenBy({ peer, forwarded: undefined }, undefined, { forwarders: [], countryOf }),
      now,
    }),
    access: findAccess({
      openRules,
      readTarget: id => targets.read(ownName(id)),
      listTargets: continuation => targets.list(undefined, continuation),
      lockdowns: time => lockdownsSince(container('lockdowns'), time),
      issuerOf,
      now,
    }),
  }
}

/** The manage role may read no secret: a provider only says what its settings are. */
function withoutSecrets(now: () => number): FindProvider {
  return credentialProviders({ readSecret: () => Promise.reject(new Error('no secrets here')), now })
}

function openEditors(
  { container, decisions }: RoleParts,
  { settings, now }: Surroundings,
): Readonly<Record<EditedContainer, DocumentEditor>> {
  const problemOfSecret = (secret: SecretReference) => secretProblem(secret, settings)
  const findProvider = withoutSecrets(now)
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
    targets: editor(targetKind({ findProvider, problemOfSecret, targets: container('targets') })),
    issuers: editor(issuerKind({ problemOfSecret, issuers: container('issuers') })),
    calendars: editor(calendarKind),
    lockdowns: editor(lockdownKind),
    posture: editor(postureKind),
  }
}

/** No document names the key from which every password is derived, by whichever alias of its vault. */
function secretProblem(secret: SecretReference, { vaults, derivationKey }: Settings): string | undefined {
  const vault = vaults.get(secret.vault)
  if (!vault) return `no vault is called "${secret.vault}"`
  const inSameVault = vault.href === vaults.get(derivationKey.vault)?.href
  const isOwnKey = inSameVault && isSameSecret(secret, { ...derivationKey, vault: secret.vault })
  return isOwnKey ? "that secret is the gateway's own" : undefined
}

function openTimers(surroundings: Surroundings): TimersGateway {
  const { now, settings, telemetry } = surroundings
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
    unasked: new Set<string>(),
    sightings: cosmosSightings(container('decisions'), settings.deployment),
    store,
    decisions,
    now,
  }
  const checking = {
    checks: cosmosWaitingChecks({ container: container('checks'), now }),
    readTarget: (id: string) => readTarget(container('targets'), id),
    findProvider,
    open,
  }
  return {
    async revokeDue(signal) {
      const run = await revokeDue({ ...steps, signal })
      telemetry.revocations(run)
      return run
    },
    reconcile: signal => reconcile({ ...reconciling, signal }),
    answerChecks: signal => answerChecks({ ...checking, signal }),
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
