import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { withDetail } from '../errors.ts'
import { readCompactToken, type UnverifiedToken } from './compact-token.ts'
import type { Issuer } from './issuer.ts'
import type { IssuerKey } from './issuer-key.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { checkAlgorithm, checkAudience, checkSignature, checkTime, refuse } from './token-checks.ts'
import type { ReviewToken } from './token-review.ts'
import { workloadIn } from './token-workload.ts'
import type { Workload } from './workload.ts'

/** Where registered issuers come from. */
export interface Issuers {
  /**
   * The enabled issuer whose `issuerUrl` is exactly this; where several have one URL, that whose own key this is. Without any I/O where there is none. Throws
   * `invalid_request` where none may be used, 503 where the answer could be too old.
   */
  find(issuerUrl: string, keyId: string): Promise<FoundIssuer>
}

/** An issuer at the version of its document that is in force. */
export interface FoundIssuer {
  readonly issuer: Issuer
  readonly version: string
}

/** Verifies a token and tells whose it is. Throws `ExchangeError`: `invalid_request`, or 503 without keys. */
export type VerifyToken = (token: string) => Promise<VerifiedToken>

/** Whose token it is, and who says so. */
export interface VerifiedToken {
  readonly workload: Workload
  readonly issuer: Issuer
}

export interface VerifierOptions {
  readonly issuers: Issuers
  readonly keys: IssuerKeys
  readonly review: ReviewToken
  /** Hears whether a token had been verified before. Never throws. */
  readonly onLookup?: (isFound: boolean) => void
  /** Wall clock, epoch milliseconds: claims are in wall-clock time. */
  readonly now: () => number
}

interface Remembered {
  readonly token: UnverifiedToken
  readonly workload: Workload
  readonly version: string
  readonly key: IssuerKey
}

/** How many verified tokens an instance remembers, by SHA-256: about 2 KB each. */
const rememberedTokens = 20_000
const rememberedCharacters = 32_000_000

/**
 * The checks of RFC 8725, cheap ones first: shape, issuer, algorithm, audience, time, then the key and the signature,
 * then the claims that make an identity. A token that was verified before skips the shape and the signature, and nothing
 * that time or an operator can change.
 */
export function tokenVerifier({ issuers, keys, review, onLookup, now }: VerifierOptions): VerifyToken {
  const remembered = new LRUCache<string, Remembered>({
    max: rememberedTokens,
    maxSize: rememberedCharacters,
    sizeCalculation: ({ token }) => token.text.length,
  })

  async function verify(token: UnverifiedToken, digest: string, found: FoundIssuer): Promise<VerifiedToken> {
    const { issuer, version } = found
    checkAlgorithm(token, issuer)
    checkAudience(token, issuer)
    checkTime(token, issuer, now())
    const key = await keys.find(issuer, token.header.kid)
    if (!key) throw refuse('token_key_unknown', 'the token is signed with a key that its issuer does not publish')
    const known = remembered.get(digest)
    const isKnown = known?.version === version && known.key === key
    onLookup?.(isKnown)
    if (isKnown) return { workload: known.workload, issuer }
    await checkSignature(token, key)
    const workload = workloadIn(token, issuer)
    remembered.set(digest, { token, workload, version, key })
    return { workload, issuer }
  }

  return async text => {
    const digest = hash('sha256', text, 'base64url')
    const token = remembered.get(digest)?.token ?? readCompactToken(text)
    let issuer = 'unknown'
    try {
      const found = await issuers.find(token.claims.iss, token.header.kid)
      issuer = found.issuer.id
      const verified = await verify(token, digest, found)
      await review(text, verified.workload, found.issuer)
      return verified
    } catch (error) {
      throw withDetail(error, { issuer, ...unverified(token) })
    }
  }
}

/** What a token says of itself, for samples: bounded, and not to be believed. */
function unverified({ claims: { sub, aud, iss } }: UnverifiedToken): Readonly<Record<string, string>> {
  const bounded = (text: string) => text.slice(0, 256).toWellFormed()
  return { unverifiedSubject: bounded(sub), unverifiedAudience: bounded(aud.join(' ')), unverifiedIssuer: bounded(iss) }
}
