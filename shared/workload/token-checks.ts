import { compactVerify } from 'jose'
import { ExchangeError, type Reason } from '../errors.ts'
import type { UnverifiedToken } from './compact-token.ts'
import type { Issuer } from './issuer.ts'
import type { IssuerKey } from './issuer-key.ts'
import { explainAudience, explainLifetime } from './issuer-mistakes.ts'

/** The token names an algorithm of its issuer's (RFC 8725 section 3.1). Throws `token_algorithm`. */
export function checkAlgorithm(token: UnverifiedToken, issuer: Issuer): void {
  if (!issuer.algorithms.some(allowed => allowed === token.header.alg)) {
    throw refuse('token_algorithm', `expected an algorithm of ${issuer.algorithms.join(', ')}`)
  }
}

/** The token is meant for this gateway (RFC 8725 section 3.9). Throws `token_audience`. */
export function checkAudience(token: UnverifiedToken, issuer: Issuer): void {
  if (!token.claims.aud.some(audience => issuer.audiences.includes(audience))) {
    throw refuse('token_audience', explainAudience(token.claims.aud, issuer.audiences))
  }
}

/**
 * Entra dates a token five minutes back, for verifiers whose clock is slow: no part of its life, or the day of a managed
 * identity's token would be longer than any issuer may allow. Milliseconds.
 */
const entraBackdating = 5 * 60_000

/**
 * RFC 7519 sections 4.1.4 to 4.1.6, with the issuer's tolerance for clocks and its bound on a token's whole life, at a time
 * in epoch milliseconds. Throws `token_expired`, `token_not_yet_valid` and `token_too_old`.
 */
export function checkTime(token: UnverifiedToken, issuer: Issuer, now: number): void {
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

/** The key signed the token, by the one algorithm that it is for. Throws `token_algorithm` and `token_signature`. */
export async function checkSignature(token: UnverifiedToken, key: IssuerKey): Promise<void> {
  if (key.algorithm !== token.header.alg) {
    throw refuse('token_algorithm', 'the token names another algorithm than its key')
  }
  try {
    await compactVerify(token.text, key.key, { algorithms: [key.algorithm] })
  } catch {
    throw refuse('token_signature', "the token's signature does not verify")
  }
}

/** A signed number may be beyond what a Date can hold. */
function instant(milliseconds: number): string {
  return Number.isFinite(new Date(milliseconds).getTime()) ? new Date(milliseconds).toISOString() : 'no such time'
}

/** The refusal of a token, for its reason. */
export function refuse(
  reason: Reason,
  description: string,
  detail: Readonly<Record<string, number>> = {},
): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description, detail })
}
