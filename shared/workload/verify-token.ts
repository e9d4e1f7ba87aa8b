import { createHash } from 'node:crypto'
import { compactVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { ExchangeError, type Reason } from '../errors.ts'
import { readCompactToken, type UnverifiedToken } from './compact-token.ts'
import { entraIdentity } from './entra-claims.ts'
import type { Issuer } from './issuer.ts'
import type { IssuerKey, IssuerKeys } from './issuer-keys.ts'
import { keptClaims } from './kept-claims.ts'
import { kubernetesIdentity } from './kubernetes-claims.ts'
import type { Workload } from './workload.ts'

/** Where registered issuers come from. */
export interface Issuers {
  /**
   * The enabled issuer whose `issuerUrl` is exactly this. Without any I/O where there is none. Throws
   * `invalid_request` where none may be used, 503 where the answer could be too old.
   */
  find(issuerUrl: string): Promise<{ readonly issuer: Issuer; readonly version: string }>
}

/** Verifies a token and tells whose it is. Throws `ExchangeError`: `invalid_request`, or 503 without keys. */
export type VerifyToken = (token: string) => Promise<Workload>

export interface VerifierOptions {
  readonly issuers: Issuers
  readonly keys: IssuerKeys
  /** Wall clock, epoch milliseconds: claims are in wall-clock time. */
  readonly now: () => number
}

interface Verified {
  readonly workload: Workload
  readonly version: string
  readonly key: IssuerKey
}

/** How many verified tokens an instance remembers, by SHA-256: about 1 KB each. */
const rememberedTokens = 20_000

/**
 * The checks of RFC 8725, cheap ones first: shape, issuer, algorithm, audience, time, then the key and the signature,
 * then the claims that make an identity. A token that was verified before skips the signature, and nothing else that
 * time or an operator can change.
 */
export function tokenVerifier({ issuers, keys, now }: VerifierOptions): VerifyToken {
  const remembered = new LRUCache<string, Verified>({ max: rememberedTokens })

  return async text => {
    const token = readCompactToken(text)
    const { issuer, version } = await issuers.find(token.claims.iss)
    checkAlgorithm(token, issuer)
    checkAudience(token, issuer)
    checkTime(token, issuer, now())
    const key = await keys.find(issuer, token.header.kid)
    if (!key) throw refuse('token_key_unknown', 'the token is signed with a key that its issuer does not publish')
    const digest = createHash('sha256').update(text).digest('base64url')
    const known = remembered.get(digest)
    if (known?.version === version && known.key === key) return known.workload
    await checkSignature(token, key)
    const workload = identify(token, issuer)
    remembered.set(digest, { workload, version, key })
    return workload
  }
}

function checkAlgorithm(token: UnverifiedToken, issuer: Issuer): void {
  if (!issuer.algorithms.some(allowed => allowed === token.header.alg)) {
    throw refuse('token_algorithm', `expected an algorithm of ${issuer.algorithms.join(', ')}`)
  }
}

function checkAudience(token: UnverifiedToken, issuer: Issuer): void {
  if (!token.claims.aud.some(audience => issuer.audiences.includes(audience))) {
    throw refuse('token_audience', `expected the audience ${issuer.audiences.join(' or ')}`)
  }
}

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
  if (expires - issued > issuer.maxTokenAge) {
    const seconds = issuer.maxTokenAge / 1000
    throw refuse('token_too_old', `the token's life is longer than ${seconds} seconds: project it with a shorter one`)
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
  return {
    issuer: {
      id: issuer.id,
      kind: issuer.kind,
      labels: issuer.labels,
      ...(issuer.region !== undefined && { region: issuer.region }),
    },
    subject: token.claims.sub,
    ...identityOf(token, issuer),
    claims: keptClaims(token.payload, issuer.keepClaims),
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
      return entraIdentity(token)
  }
}

function tokenFacts({ header, claims, payload }: UnverifiedToken): Workload['token'] {
  const { jti, uti } = keptClaims(payload, ['jti', 'uti'])
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
