import { type CryptoKey, importJWK, type JWK } from 'jose'
import { maySignFor } from './entra-metadata.ts'
import type { Issuer } from './issuer.ts'

/** A public key and the one algorithm that it is used with (RFC 8725 section 3.1). */
export interface IssuerKey {
  readonly algorithm: string
  readonly key: CryptoKey
  /** The public numbers: a key that is published again unchanged stays the same object, and what it verified counts. */
  readonly numbers: string
}

export type KeysById = ReadonlyMap<string, IssuerKey>

/** What tells whether a published key counts; Entra adds for whose tokens it is. */
export interface KeyWords {
  readonly kty?: string | undefined
  readonly crv?: string | undefined
  readonly alg?: string | undefined
  readonly use?: string | undefined
  readonly kid?: string | undefined
  readonly issuer?: unknown
}

/** A key as issuers publish it. */
export type PublishedKey = JWK & KeyWords

/**
 * The keys that count, by their ids. What was imported before and is unchanged is taken over. Throws where two of them have
 * one id, which makes the whole set unacceptable, and for a key that is none.
 */
export async function importKeys(
  published: readonly PublishedKey[],
  issuer: Issuer,
  previous: KeysById | undefined,
): Promise<KeysById> {
  const keys = new Map<string, IssuerKey>()
  for (const jwk of published) {
    const { kid } = jwk
    const algorithm = algorithmOf(jwk)
    if (!kid || !algorithm || !countsFor(issuer, jwk)) continue
    if (keys.has(kid)) throw new Error('two keys have one id')
    keys.set(kid, await importKey(jwk, algorithm, previous?.get(kid)))
  }
  return keys
}

/** Whether a key may verify tokens of the issuer: one without an id is never found; those of other uses never count. */
export function countsFor(issuer: Issuer, key: KeyWords): boolean {
  const algorithms: readonly (string | undefined)[] = issuer.algorithms
  const isForSigning = (key.use ?? 'sig') === 'sig'
  return Boolean(key.kid) && isForSigning && algorithms.includes(algorithmOf(key)) && maySignFor(issuer, key.issuer)
}

const usualAlgorithms: ReadonlyMap<string | undefined, string> = new Map([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
])

/** The algorithm that a key names, or the only usual one for its type (RFC 7518 section 3.1). */
export function algorithmOf({ alg, kty, crv }: KeyWords): string | undefined {
  if (alg) return alg
  if (kty === 'RSA') return 'RS256'
  return kty === 'EC' ? usualAlgorithms.get(crv) : undefined
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
