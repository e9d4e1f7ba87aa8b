import { hash } from 'node:crypto'
import { compactVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { ExchangeError, type Reason, withDetail } from '../errors.ts'
import { actClaim } from './act-claim.ts'
import { readCompactToken, type UnverifiedToken } from './compact-token.ts'
import { entraIdentity } from './entra-claims.ts'
import type { Issuer } from './issuer.ts'
import type { IssuerKey } from './issuer-key.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { explainAudience, explainLifetime } from './issuer-mistakes.ts'
import { regionOf } from './issuer-region.ts'
import { keptClaims } from './kept-claims.ts'
import { kubernetesIdentity } from './kubernetes-claims.ts'
import type { ReviewToken } from './token-review.ts'
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
    const workload = identify(token, issuer)
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

function checkAlgorithm(token: UnverifiedToken, issuer: Issuer): void {
  if (!issuer.algorithms.some(allowed => allowed === token.header.alg)) {
    throw refuse('token_algorithm', `expected an algorithm of ${issuer.algorithms.join(', ')}`)
  }
}

function checkAudience(token: UnverifiedToken, issuer: Issuer): void {
  if (!token.claims.aud.some(audience => issuer.audiences.includes(audience))) {
    throw refuse('token_audience', explainAudience(token.claims.aud, issuer.audiences))
  }
}

/**
 * Entra dates a token five minutes back, for verifiers whose clock is slow: no part of its life, or the day of a managed
 * identity's token would be longer than any issuer may allow. Milliseconds.
 */
const entraBackdating = 5 * 60_000

/** RFC 7519 sections 4.1.4 to 4.1.6, with the issuer's tolerance for clocks and its bound on a token's whole life. */
function checkTime(token: UnverifiedToken, issuer: Issuer, now: number): void {
  const { exp, iat, nbf = iat } = token.claims
  const [expires, issued, begins] = [exp * 1000, iat * 1000, nbf * 1000]
  if (now >= expires + issuer.clockTolerance) {
    throw refuse('token_expired', `the token expired at ${instant(expires)}`, { skewMs: now - expires })
  }
  if (Math.max(begins, issued) > now + issuer.clockTolerance) {
    throw refuse('token_not_yet_valid', `the token is not valid before ${instant(Math.max(begins, issued))}`, {
      skewMs: Math.max(begins, issued) - now,
    })
  }
  const life = expires - issued - (issuer.kind === 'entra' ? entraBackdating : 0)
  if (life > issuer.maxTokenAge) {
    throw refuse('token_too_old', explainLifetime(token, issuer))
  }
}

async function checkSignature(token: UnverifiedToken, key: IssuerKey): Promise<void> {
  if (key.algorithm !== token.header.alg) {
    throw refuse('token_algorithm', 'the token names another algorithm than its key')
  }
  try {
    await compactVerify(token.text, key.key, { algorithms: [key.algorithm] })
  } catch {
    throw refuse('token_signature', "the token's signature does not verify")
  }
}

function identify(token: UnverifiedToken, issuer: Issuer): Workload {
  const region = issuer.region ?? regionOf(issuer.issuerUrl)
  const act = actClaim(token.payload)
  const { claims, beyondBounds } = keptClaims(token.payload, issuer.keepClaims)
  return {
    issuer: {
      id: issuer.id,
      kind: issuer.kind,
      labels: issuer.labels,
      ...(region !== undefined && { region }),
    },
    subject: token.claims.sub,
    ...identityOf(token, issuer),
    ...(act && { act }),
    claims,
    ...(beyondBounds.length > 0 && { claimsBeyondBounds: beyondBounds }),
    token: tokenFacts(token),
  }
}

function identityOf(token: UnverifiedToken, issuer: Issuer): Partial<Workload> {
  switch (issuer.kind) {
    case 'aks':
    case 'arc':
    case 'kubernetes':
      return kubernetesIdentity(token, issuer)
    case 'entra':
      return entraIdentity(token, issuer)
    case 'oidc':
      return {}
  }
}

function tokenFacts({ header, claims, payload }: UnverifiedToken): Workload['token'] {
  const { jti, uti } = keptClaims(payload, ['jti', 'uti']).claims
  const id = jti ?? uti
  return {
    keyId: header.kid,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    ...(typeof id === 'string' && { id }),
  }
}

/** A signed number may be beyond what a Date can hold. */
function instant(milliseconds: number): string {
  return Number.isFinite(new Date(milliseconds).getTime()) ? new Date(milliseconds).toISOString() : 'no such time'
}

function refuse(reason: Reason, description: string, detail: Readonly<Record<string, number>> = {}): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description, detail })
}
