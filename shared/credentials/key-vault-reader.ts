import type { KeyVaultSecret, SecretClient } from '@azure/keyvault-secrets'
import { LRUCache } from 'lru-cache'
import { describeCause, ExchangeError, type Reason, unavailable } from '../errors.ts'
import { Secret } from './secret.ts'
import type { ReadSecret, SecretReference, SecretVersion } from './secret-reference.ts'

/** The one method of Key Vault's client that is used. */
export type SecretGetter = Pick<SecretClient, 'getSecret'>

export interface KeyVaultReaderOptions {
  /** The vaults that the settings name, by alias. */
  readonly vaults: ReadonlyMap<string, SecretGetter>
  /** Wall clock, epoch milliseconds: what `exp` and `nbf` are judged by. */
  readonly now: () => number
  /** Milliseconds by a clock that never jumps. */
  readonly monotonic: () => number
  /** Hears whether a secret was remembered. Never throws. */
  readonly onLookup?: (isFound: boolean) => void
}

interface Remembered {
  readonly reading: Promise<KeyVaultSecret>
  /** By the monotonic clock. */
  until: number
}

/** How long what was read serves, in milliseconds; what failed is asked for again after {@link failurePause}. */
const freshness = 60_000
const failurePause = 5_000
const timeout = 3_000

/**
 * Reads secrets from Key Vault, at most once a minute each, together for everybody who waits. Key Vault serves
 * expired and not yet valid secrets (Microsoft: About Key Vault secrets), so `enabled`, `nbf` and `exp` are judged
 * here, on every use and not only when read.
 */
export function keyVaultReader({ vaults, now, monotonic, onLookup }: KeyVaultReaderOptions): ReadSecret {
  const remembered = new LRUCache<string, Remembered>({ max: 5_000 })

  function read(reference: SecretReference, version: string | undefined): Promise<KeyVaultSecret> {
    const key = keyOf(reference, version)
    const known = remembered.get(key)
    const isFresh = known !== undefined && known.until > monotonic()
    onLookup?.(isFresh)
    if (isFresh) return known.reading
    const entry: Remembered = {
      reading: fetchSecret(vaults, reference, version),
      until: monotonic() + spread(freshness),
    }
    remembered.set(key, entry)
    entry.reading
      .then(({ properties }) => remembered.set(keyOf(reference, properties.version), entry))
      .catch(error => {
        const retryAfter = error instanceof ExchangeError ? (error.retryAfter ?? 0) * 1000 : 0
        entry.until = monotonic() + Math.max(failurePause, error.reason === 'vault_throttled' ? retryAfter : 0)
      })
    return entry.reading
  }

  return async (reference, version) => valid(await read(reference, version), now())
}

function keyOf({ vault, secret }: SecretReference, version: string | undefined): string {
  return JSON.stringify([vault, secret, version])
}

async function fetchSecret(
  vaults: ReadonlyMap<string, SecretGetter>,
  { vault, secret }: SecretReference,
  version: string | undefined,
): Promise<KeyVaultSecret> {
  const client = vaults.get(vault)
  if (!client) throw unavailable('vault_unknown', { retryAfter: 30, detail: { vault } })
  try {
    return await client.getSecret(secret, {
      abortSignal: AbortSignal.timeout(timeout),
      ...(version !== undefined && { version }),
    })
  } catch (cause) {
    throw unavailable(reasonOf(cause), { retryAfter: retryAfterOf(cause), detail: describeCause(cause), cause })
  }
}

function valid({ value, properties }: KeyVaultSecret, now: number): SecretVersion {
  const { enabled, notBefore, expiresOn, version } = properties
  if (enabled === false) throw unavailable('secret_disabled', { retryAfter: 30 })
  if (notBefore && notBefore.getTime() > now) throw unavailable('secret_not_yet_valid', { retryAfter: 30 })
  if (expiresOn && expiresOn.getTime() <= now) throw unavailable('secret_expired', { retryAfter: 30 })
  if (!value || !version) throw unavailable('secret_malformed', { retryAfter: 30 })
  return { secret: new Secret(value), version, ...(expiresOn && { expiresAt: expiresOn.getTime() }) }
}

/** Key Vault's errors by status and code (Microsoft: Key Vault REST API error codes), never by text. */
function reasonOf(cause: unknown): Reason {
  const { statusCode, innerCode } = answerOf(cause)
  if (statusCode === 404) return 'secret_not_found'
  if (statusCode === 403) return innerCode === 'SecretDisabled' ? 'secret_disabled' : 'secret_forbidden'
  if (statusCode === 429) return 'vault_throttled'
  return 'vault_unavailable'
}

function retryAfterOf(cause: unknown): number {
  const { statusCode, retryAfter } = answerOf(cause)
  if (statusCode === 429) return Math.min(Math.max(retryAfter || 5, 1), 120)
  return statusCode === 404 || statusCode === 403 ? 30 : 2
}

interface Answer {
  readonly statusCode: number | undefined
  readonly innerCode: string | undefined
  readonly retryAfter: number
}

/** The parts of a `RestError` (`@azure/core-rest-pipeline`) that say what happened. */
function answerOf(cause: unknown): Answer {
  const { statusCode, response, details } = (cause ?? {}) as {
    statusCode?: number
    response?: { headers?: { get(name: string): string | undefined } }
    /** The client's own spelling: the protocol's member is `innererror`. */
    details?: { error?: { innerError?: { code?: string } } }
  }
  const retryAfter = Number(response?.headers?.get('retry-after'))
  return { statusCode, innerCode: details?.error?.innerError?.code, retryAfter }
}

/** Up to a tenth less, so that instances that started together do not all ask together. */
function spread(milliseconds: number): number {
  return milliseconds * (1 - Math.random() / 10)
}
