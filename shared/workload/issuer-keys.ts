import { type CryptoKey, importJWK, type JWK } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { unavailable } from '../errors.ts'
import { maySignFor, metadataBase } from './entra-metadata.ts'
import type { FetchJson } from './https-json.ts'
import type { Issuer } from './issuer.ts'

/** A public key and the one algorithm that it is used with (RFC 8725 section 3.1). */
export interface IssuerKey {
  readonly algorithm: string
  readonly key: CryptoKey
  /** The public numbers: a key that is published again unchanged stays the same object, and what it verified counts. */
  readonly numbers: string
}

/** The keys of registered issuers. */
export interface IssuerKeys {
  /**
   * The issuer's key of that id, or undefined where it has none. Throws `issuer_keys_unavailable` where the issuer
   * cannot be asked and its last known keys are too old.
   */
  find(issuer: Issuer, keyId: string): Promise<IssuerKey | undefined>
}

/** Keys that are fetched, and how old they are. */
export interface FetchedKeys extends IssuerKeys {
  /** Milliseconds since the keys of each issuer that was asked for of late were fetched, by its id. */
  ages(): ReadonlyMap<string, number>
}

interface KeySet {
  readonly keys: ReadonlyMap<string, IssuerKey>
  readonly fetchedAt: number
}

interface IssuerState {
  readonly issuer: string
  /** When its keys were last asked for. */
  usedAt: number
  set: KeySet | undefined
  fetching: Promise<KeySet> | undefined
  lastAttempt: number
  /** The last attempt failed. */
  failing: boolean
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

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() })
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(50) })

/** A key as issuers publish it; Entra adds for whose tokens it is. */
type PublishedKey = JWK & { readonly issuer?: unknown }

/** Keeps the keys of at most 1,000 issuers. `monotonic` is in milliseconds. */
export function issuerKeys({ fetchJson, monotonic }: { fetchJson: FetchJson; monotonic: () => number }): FetchedKeys {
  const states = new LRUCache<string, IssuerState>({ max: 1_000 })
  const statesByDocument = new WeakMap<Issuer, IssuerState>()

  function stateOf(issuer: Issuer): IssuerState {
    const known = statesByDocument.get(issuer)
    if (known) return known
    const state = stateNamed(issuer)
    statesByDocument.set(issuer, state)
    return state
  }

  /** Outlives the document's version, so that an edit of its labels does not lose the keys of an issuer that is down. */
  function stateNamed(issuer: Issuer): IssuerState {
    // Everything that says where keys come from is in the name: a changed document never meets another's keys.
    const name = JSON.stringify([
      issuer.id,
      issuer.kind,
      issuer.issuerUrl,
      issuer.keys,
      issuer.network,
      issuer.algorithms,
    ])
    let state = states.get(name)
    if (!state) {
      const never = Number.NEGATIVE_INFINITY
      state = {
        issuer: issuer.id,
        usedAt: never,
        set: undefined,
        fetching: undefined,
        lastAttempt: never,
        failing: false,
      }
      states.set(name, state)
    }
    return state
  }

  function refetch(issuer: Issuer, state: IssuerState): Promise<KeySet> {
    state.fetching ??= fetchKeys(issuer, fetchJson, state.set?.keys)
      .then(keys => {
        state.failing = false
        state.set = { keys, fetchedAt: monotonic() }
        return state.set
      })
      .catch(error => {
        state.failing = true
        throw error
      })
      .finally(() => {
        state.fetching = undefined
        state.lastAttempt = monotonic()
      })
    return state.fetching
  }

  /** Keys in the document itself change only with it. */
  async function inlineKeys(issuer: Issuer, jwks: readonly JWK[], state: IssuerState): Promise<KeySet> {
    const imported = () =>
      importKeys(jwks, issuer, undefined).catch(cause => {
        throw unavailable('issuer_unreadable', { retryAfter: 30, detail: { issuer: issuer.id }, cause })
      })
    state.set ??= { keys: await imported(), fetchedAt: monotonic() }
    return state.set
  }

  async function currentSet(issuer: Issuer, state: IssuerState): Promise<KeySet> {
    const age = state.set ? monotonic() - state.set.fetchedAt : Number.POSITIVE_INFINITY
    if (state.set && age < refetchAfter) return state.set
    const wait = state.lastAttempt + (state.set ? cooldown : firstCooldown) - monotonic()
    const asking = state.fetching || wait <= 0 ? refetch(issuer, state) : undefined
    if (state.set && (age < refetchAfter + grace || (state.failing && age < maxAge))) {
      asking?.catch(() => undefined)
      return state.set
    }
    if (!asking) throw unavailable('issuer_keys_unavailable', { retryAfter: wait / 1000 })
    return asking.catch(cause => {
      if (state.set && age < maxAge) return state.set
      throw unavailable('issuer_keys_unavailable', { cause })
    })
  }

  return {
    async find(issuer, keyId) {
      const state = stateOf(issuer)
      const { keys: source } = issuer
      if ('jwks' in source) return (await inlineKeys(issuer, source.jwks.keys as readonly JWK[], state)).keys.get(keyId)
      state.usedAt = monotonic()
      const set = await currentSet(issuer, state)
      const known = set.keys.get(keyId)
      if (known || monotonic() - state.lastAttempt < cooldown) return known
      // A rotation may have happened since: ask once, for everybody.
      const fresh = await refetch(issuer, state).catch(() => set)
      return fresh.keys.get(keyId)
    },

    ages() {
      const ages = new Map<string, number>()
      // Keys that nobody asks for are not fetched again, which is no sign of anything.
      const used = Array.from(states.values()).filter(({ usedAt }) => monotonic() - usedAt < refetchAfter)
      for (const { issuer, set } of used) {
        if (set) ages.set(issuer, Math.min(ages.get(issuer) ?? Number.POSITIVE_INFINITY, monotonic() - set.fetchedAt))
      }
      return ages
    },
  }
}

type Keys = ReadonlyMap<string, IssuerKey>

async function fetchKeys(issuer: Issuer, fetchJson: FetchJson, previous: Keys | undefined): Promise<Keys> {
  const published = keySet.parse(await fetchJson(await locate(issuer, fetchJson), issuer.network))
  return importKeys(published.keys, issuer, previous)
}

/** Where an issuer's keys are: where its document says, else where its discovery document says, on its own host. */
async function locate(issuer: Issuer, fetchJson: FetchJson): Promise<URL> {
  const { keys, issuerUrl, network } = issuer
  if ('jwksUri' in keys) return new URL(keys.jwksUri)
  const base = metadataBase(issuer)
  const published = discovery.parse(await fetchJson(new URL(`${base}/.well-known/openid-configuration`), network))
  if (published.issuer !== issuerUrl) throw new Error('the discovery document names another issuer')
  const jwksUri = new URL(published.jwks_uri)
  if (jwksUri.host !== new URL(base).host) throw new Error('jwks_uri is on another host: name it in the document')
  return jwksUri
}

/** Keys of other uses and algorithms are passed over; two keys with one id make the whole set unacceptable. */
async function importKeys(jwks: readonly PublishedKey[], issuer: Issuer, previous: Keys | undefined): Promise<Keys> {
  const allowed: readonly string[] = issuer.algorithms
  const keys = new Map<string, IssuerKey>()
  for (const jwk of jwks) {
    const algorithm = algorithmOf(jwk)
    if (
      !jwk.kid ||
      !algorithm ||
      !maySignFor(issuer, jwk.issuer) ||
      !allowed.includes(algorithm) ||
      (jwk.use ?? 'sig') !== 'sig'
    )
      continue
    if (keys.has(jwk.kid)) throw new Error('two keys have one id')
    keys.set(jwk.kid, await importKey(jwk, algorithm, previous?.get(jwk.kid)))
  }
  return keys
}

async function importKey(jwk: JWK, algorithm: string, previous: IssuerKey | undefined): Promise<IssuerKey> {
  const { kty, n, e, crv, x, y } = jwk
  const numbers = JSON.stringify([kty, n, e, crv, x, y])
  if (previous?.numbers === numbers && previous.algorithm === algorithm) return previous
  // Only the public numbers: whatever else a published JWK says (`d`, `key_ops`, `x5u`) is none of our business.
  const key = await importJWK({ kty, n, e, crv, x, y } as JWK, algorithm)
  if (key instanceof Uint8Array) throw new Error('a symmetric key')
  return { algorithm, key, numbers }
}

/** The algorithm that a JWK names, or the only usual one for its type (RFC 7518 section 3.1). */
function algorithmOf({ alg, kty, crv }: JWK): string | undefined {
  if (alg) return alg
  if (kty === 'RSA') return 'RS256'
  if (kty !== 'EC') return undefined
  return { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[crv ?? '']
}
