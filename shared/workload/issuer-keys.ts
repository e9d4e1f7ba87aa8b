import { LRUCache } from 'lru-cache'
import { unavailable } from '../errors.ts'
import { fetchKeys } from './fetch-keys.ts'
import type { FetchJson } from './https-json.ts'
import type { Issuer } from './issuer.ts'
import { type IssuerKey, importKeys, type KeysById, type PublishedKey } from './issuer-key.ts'

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
  readonly keys: KeysById
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
  async function inlineKeys(issuer: Issuer, jwks: readonly PublishedKey[], state: IssuerState): Promise<KeySet> {
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
      if ('jwks' in source)
        return (await inlineKeys(issuer, source.jwks.keys as readonly PublishedKey[], state)).keys.get(keyId)
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
