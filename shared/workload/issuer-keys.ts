import { LRUCache } from 'lru-cache'
import type { Issuer } from './issuer.ts'
import type { IssuerKey } from './issuer-key.ts'
import { type KeepingOptions, type KeptKeys, keptKeys } from './kept-keys.ts'

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

interface NamedKeys extends KeptKeys {
  readonly issuer: string
}

/** Keeps the keys of at most 1,000 issuers. */
export function issuerKeys(options: KeepingOptions): FetchedKeys {
  const byName = new LRUCache<string, NamedKeys>({ max: 1_000 })
  const byDocument = new WeakMap<Issuer, NamedKeys>()

  function keysOf(issuer: Issuer): NamedKeys {
    const known = byDocument.get(issuer)
    if (known) return known
    // They outlive the document's version, so that an edit of its labels does not lose the keys of an issuer that is down.
    const name = nameOf(issuer)
    const keys = byName.get(name) ?? { issuer: issuer.id, ...keptKeys(options) }
    byName.set(name, keys)
    byDocument.set(issuer, keys)
    return keys
  }

  return {
    find: (issuer, keyId) => keysOf(issuer).find(issuer, keyId),

    ages() {
      const ages = new Map<string, number>()
      for (const keys of byName.values()) {
        // Keys that nobody asks for are not fetched again, which is no sign of anything.
        const age = keys.age()
        if (age !== undefined) ages.set(keys.issuer, Math.min(ages.get(keys.issuer) ?? age, age))
      }
      return ages
    },
  }
}

/** Everything that says where keys come from is in the name: a changed document never meets another's keys. */
function nameOf({ id, kind, issuerUrl, keys, network, algorithms }: Issuer): string {
  return JSON.stringify([id, kind, issuerUrl, keys, network, algorithms])
}
