import { unavailable } from '../errors.ts'
import { fetchKeys } from './fetch-keys.ts'
import type { FetchJson } from './https-json.ts'
import type { Issuer } from './issuer.ts'
import { type IssuerKey, importKeys, type KeysById, type PublishedKey } from './issuer-key.ts'

/** The keys of one issuer, whichever version of its document asks for them. */
export interface KeptKeys {
  /** As `IssuerKeys` says. */
  find(issuer: Issuer, keyId: string): Promise<IssuerKey | undefined>
  /** Milliseconds since they were fetched; undefined where there are none, or nobody asked for them of late. */
  age(): number | undefined
}

/** What keys are kept with. `monotonic` is in milliseconds. */
export interface KeepingOptions {
  readonly fetchJson: FetchJson
  readonly monotonic: () => number
}

interface KeySet {
  readonly keys: KeysById
  readonly fetchedAt: number
}

/** Keys are asked for again when they are this old: a key that the issuer withdrew stops counting then. */
const refetchAfter = 10 * 60_000
/** For so long after that they serve while they are being asked for; then requests wait, unless the issuer is down. */
const grace = 60_000
/** While an issuer is down, its last known keys serve this long: AKS keeps a rotated key for a day. */
const maxAge = 24 * 3_600_000
/** An unknown key id, or an issuer that is down, causes one request in this time and not one per token. */
const cooldown = 30_000
/** Where there are no keys at all yet, asking again soon is worth more. */
const firstCooldown = 2_000

/** Fetches keys when they are first asked for, and again when they are old or one is missing. */
export function keptKeys({ fetchJson, monotonic }: KeepingOptions): KeptKeys {
  let set: KeySet | undefined
  let fetching: Promise<KeySet> | undefined
  let lastAttempt = Number.NEGATIVE_INFINITY
  let hasFailed = false
  let usedAt = Number.NEGATIVE_INFINITY

  async function fetchAnew(issuer: Issuer): Promise<KeySet> {
    try {
      const keys = await fetchKeys(issuer, fetchJson, set?.keys)
      hasFailed = false
      set = { keys, fetchedAt: monotonic() }
      return set
    } catch (error) {
      hasFailed = true
      throw error
    } finally {
      fetching = undefined
      lastAttempt = monotonic()
    }
  }

  /** Once at a time, for everybody. */
  function refetch(issuer: Issuer): Promise<KeySet> {
    fetching ??= fetchAnew(issuer)
    return fetching
  }

  /** Keys in the document itself change only with it. */
  async function inlineKeys(issuer: Issuer, jwks: readonly PublishedKey[]): Promise<KeySet> {
    const imported = () =>
      importKeys(jwks, issuer, undefined).catch(cause => {
        throw unavailable('issuer_unreadable', { retryAfter: 30, detail: { issuer: issuer.id }, cause })
      })
    set ??= { keys: await imported(), fetchedAt: monotonic() }
    return set
  }

  async function currentSet(issuer: Issuer): Promise<KeySet> {
    const known = set
    const age = known ? monotonic() - known.fetchedAt : Number.POSITIVE_INFINITY
    if (known && age < refetchAfter) return known
    const wait = lastAttempt + (known ? cooldown : firstCooldown) - monotonic()
    const asking = fetching || wait <= 0 ? refetch(issuer) : undefined
    if (known && (age < refetchAfter + grace || (hasFailed && age < maxAge))) {
      asking?.catch(() => undefined)
      return known
    }
    if (!asking) throw unavailable('issuer_keys_unavailable', { retryAfter: wait / 1000 })
    return asking.catch(cause => {
      if (known && age < maxAge) return known
      throw unavailable('issuer_keys_unavailable', { cause })
    })
  }

  return {
    async find(issuer, keyId) {
      const { keys: source } = issuer
      if ('jwks' in source)
        return (await inlineKeys(issuer, source.jwks.keys as readonly PublishedKey[])).keys.get(keyId)
      usedAt = monotonic()
      const current = await currentSet(issuer)
      const known = current.keys.get(keyId)
      if (known || monotonic() - lastAttempt < cooldown) return known
      // A rotation may have happened since: ask once, for everybody.
      const fresh = await refetch(issuer).catch(() => current)
      return fresh.keys.get(keyId)
    },
    age: () => (set && monotonic() - usedAt < refetchAfter ? monotonic() - set.fetchedAt : undefined),
  }
}
