import type { Container } from '@azure/cosmos'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import type { Minter } from './credentials/credential-provider.ts'
import { checkpointTaker, type TakeCheckpoint } from './decisions/checkpoint-taker.ts'
import { cosmosCheckpoints } from './decisions/cosmos-checkpoints.ts'
import { keyVaultSigner } from './decisions/key-vault-signer.ts'
import { followed, identityOf, openProviders, openRole, type Surroundings, vaultOptions } from './gateway-role.ts'
import { ownNames } from './leases/account-name.ts'
import { type CountLeases, leaseCounter } from './leases/cosmos-lease-counts.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { cosmosPlaces } from './leases/cosmos-places.ts'
import { type RevokedSite, revokedSites } from './leases/cosmos-revoked-sites.ts'
import { cosmosSightings } from './leases/cosmos-sightings.ts'
import type { MintingTarget } from './leases/find-strays.ts'
import type { Lease } from './leases/lease.ts'
import { quotaPlaces } from './leases/quota.ts'
import { type ReconciliationRun, reconcile } from './leases/reconcile.ts'
import { type RevocationRun, revokeDue } from './leases/revoke-due.ts'
import { searchLive } from './leases/search-live.ts'
import { answerChecks, type ChecksRun } from './targets/answer-checks.ts'
import { cosmosWaitingChecks, readTarget } from './targets/cosmos-checks.ts'
import { type MintingTargetsOptions, mintingTargets } from './targets/cosmos-minting-targets.ts'
import type { GatewayTelemetry, InSpan } from './telemetry-gateway.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'

/** What the timers run. */
export interface TimersGateway {
  revokeDue(signal: AbortSignal): Promise<RevocationRun>
  reconcile(signal: AbortSignal): Promise<ReconciliationRun>
  answerChecks(signal: AbortSignal): Promise<ChecksRun>
  takeCheckpoint: TakeCheckpoint
  readonly inSpan: InSpan
  /**
   * Counts the leases for whoever collects numbers, and tells how many are overdue. Undefined where nobody can tell.
   * Never throws.
   */
  observeLeases(signal: AbortSignal): Promise<number | undefined>
}

export function openTimers(surroundings: Surroundings): TimersGateway {
  const { now, settings, telemetry } = surroundings
  const { container, decisions, readSecret } = openRole('timers', surroundings)
  const { findProvider, open } = openProviders(readSecret, surroundings)
  const store = cosmosLeases(container('leases'))
  const places = quotaPlaces({ store: cosmosPlaces(container('leases')), now })
  const minterOf = (lease: Pick<Lease, 'provider' | 'settings'>) => {
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
  const sites = revokedSites(container('leases'))
  const reconciling = {
    targets: () =>
      reconciled({ container: container('targets'), findProvider, open, sites, minterOf }, settings.deployment),
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
    observeLeases: leaseObserver(leaseCounter(container('leases'), now), telemetry),
  }
}

/** A count that fails is one fewer: the next run counts again. */
function leaseObserver(countLeases: CountLeases, { leaseCounts }: GatewayTelemetry): TimersGateway['observeLeases'] {
  return async signal => {
    const counts = await countLeases(signal).catch(() => undefined)
    if (!counts) return undefined
    leaseCounts(counts)
    return [...counts.overdue.values()].reduce((sum, count) => sum + count, 0)
  }
}

interface ReconciledOptions extends MintingTargetsOptions {
  readonly sites: () => AsyncIterable<RevokedSite>
  readonly minterOf: (site: RevokedSite) => Minter<unknown>
}

/** The targets that there are, and then what leases tell of others: removed, moved elsewhere, or with another template. */
async function* reconciled(
  { sites, minterOf, ...options }: ReconciledOptions,
  deployment: string,
): AsyncGenerator<MintingTarget> {
  for await (const target of mintingTargets(options)) {
    if ('problem' in target) yield target
    else {
      const { id, account, issuing } = target
      const { minter, longestName } = issuing
      yield { id, minter, names: ownNames({ ...account, longestName }, deployment) }
    }
  }
  for await (const site of sites()) {
    const { prefix, target: id } = site
    const minter = openedBy(minterOf, site)
    if (minter) yield { id, minter, names: { prefix, isOwn: name => name.startsWith(prefix) }, onlyRevoked: true }
  }
}

/** Undefined where its provider is no more, or takes other settings by now: nobody can ask there. */
function openedBy(minterOf: ReconciledOptions['minterOf'], site: RevokedSite): Minter<unknown> | undefined {
  try {
    return minterOf(site)
  } catch {
    return undefined
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
