import type { CredentialField } from '../shared/credentials/credential.ts'
import { Secret } from '../shared/credentials/secret.ts'
import type { Issued } from '../shared/exchange-credential.ts'

/**
 * The answer of RFC 8693 section 2.2.1 and this gateway's members beside it. The one place where secrets are revealed:
 * what comes of it goes to the caller and nowhere else.
 */
export function tokenResponse(issued: Issued, decision: string, now: number): Readonly<Record<string, unknown>> {
  const { credential, issuedTokenType, tokenType, expiresAt, refreshAt, scopes, lease } = issued
  return {
    access_token: credential.secret.reveal(),
    issued_token_type: issuedTokenType,
    token_type: tokenType,
    expires_in: secondsUntil(expiresAt, now),
    expires_at: new Date(expiresAt).toISOString(),
    refresh_in: secondsUntil(refreshAt, now),
    scope: scopes.join(' '),
    credential: revealed(credential.fields),
    ...(lease !== undefined && { lease_id: lease }),
    decision_id: decision,
  }
}

function secondsUntil(time: number, now: number): number {
  return Math.max(0, Math.floor((time - now) / 1000))
}

function revealed(fields: Readonly<Record<string, CredentialField>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Secret ? value.reveal() : value]),
  )
}
