import { z } from 'zod'
import { ExchangeError } from '../errors.ts'
import type { UnverifiedToken } from './compact-token.ts'
import type { Workload } from './workload.ts'

/**
 * A v2.0 access token of an application or managed identity (Entra access token claims reference): `oid` within `tid`
 * is the identity, `idtyp` says that no person is behind it.
 */
const applicationClaims = z.object({
  ver: z.literal('2.0'),
  tid: z.guid(),
  oid: z.guid(),
  azp: z.string().max(64),
  idtyp: z.literal('app'),
  roles: z.array(z.string().min(1).max(128)).max(64).default([]),
})

/** The Entra identity in a token whose signature was verified. People are refused. Throws `invalid_request`. */
export function entraIdentity(token: UnverifiedToken): Pick<Workload, 'roles'> {
  const parsed = applicationClaims.safeParse(token.payload)
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.') ?? ''
    throw new ExchangeError('invalid_request', 'token_claims', {
      description: `expected a v2.0 access token of an application: ${path} is not acceptable`,
    })
  }
  return { roles: parsed.data.roles }
}
