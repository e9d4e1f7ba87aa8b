import { type Container, CosmosClient, type RetryOptions } from '@azure/cosmos'
import { ManagedIdentityCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { followContainer } from './cosmos-follower.ts'
import { keyVaultReader } from './credentials/key-vault-reader.ts'
import { credentialProviders, providerOpener } from './credentials/registry.ts'
import type { ReadSecret } from './credentials/secret-reference.ts'
import { cosmosDecisionLog } from './decisions/cosmos-decision-log.ts'
import type { DecisionLog } from './decisions/record.ts'
import { describeCause, unavailable } from './errors.ts'
import { secretComparison } from './secrets-named.ts'
import { isLoopback } from './setting-values.ts'
import type { Role, Settings } from './settings.ts'
import type { FindProvider, OpenProvider } from './targets/target.ts'
import type { GatewayTelemetry } from './telemetry-gateway.ts'
import type { FetchedKeys } from './workload/issuer-keys.ts'

/** What all roles share in one process: clocks, keys, and where to say what went wrong. */
export interface Surroundings {
  readonly settings: Settings
  readonly now: () => number
  readonly monotonic: () => number
  readonly keys: FetchedKeys
  readonly telemetry: GatewayTelemetry
  readonly print: (line: string) => void
  readonly onClose: (end: () => void | Promise<void>) => void
}

export type Document = Readonly<Record<string, unknown>>

export interface RoleParts {
  readonly container: (id: string) => Container
  readonly decisions: DecisionLog
  /** Reads what documents name, which is never the derivation key. */
  readonly readSecret: ReadSecret
  readonly readDerivationKey: (version?: string) => ReturnType<ReadSecret>
}

/** The clients of one role, under its own identity. */
export function openRole(role: Role, { settings, now, monotonic, telemetry, print, onClose }: Surroundings): RoleParts {
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
  const readSecret = keyVaultReader({ vaults, now, monotonic, onLookup: telemetry.lookup('secrets') })
  return {
    container,
    decisions,
    readSecret: readNamed(readSecret, settings),
    readDerivationKey: version => readSecret(settings.derivationKey, version),
  }
}

export function identityOf(role: Role, { identities }: Settings): ManagedIdentityCredential {
  const clientId = identities[role]
  return clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId })
}

export function vaultOptions(url: URL) {
  // A stand-in on this machine has no name under vault.azure.net. Settings allow no other host but Key Vault's.
  return { retryOptions: { maxRetries: 0 }, disableChallengeResourceVerification: isLoopback(url) }
}

export function openProviders(
  readSecret: ReadSecret,
  { now, print, onClose }: Surroundings,
): { findProvider: FindProvider; open: OpenProvider } {
  const opener = providerOpener(error => print(errorLine('close', error)))
  onClose(opener.close)
  return { findProvider: credentialProviders({ readSecret, now }), open: opener.open }
}

/**
 * Reads the secrets that documents name: never the key from which every password is derived, by whichever alias of its
 * vault. Whoever wrote the document may have been checked by other settings than these, or by nobody.
 */
function readNamed(readSecret: ReadSecret, { vaults, derivationKey }: Settings): ReadSecret {
  const isSame = secretComparison(vaults)
  return async (reference, version) => {
    if (isSame(reference, derivationKey)) throw unavailable('secret_reserved', { retryAfter: 30 })
    return readSecret(reference, version)
  }
}

export function followed(
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

export function errorLine(during: string, error: unknown): string {
  return JSON.stringify({ level: 'error', during, ...describeCause(error) })
}
