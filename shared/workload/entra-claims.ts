import { z } from 'zod'
import { ExchangeError } from '../errors.ts'
import type { UnverifiedToken } from './compact-token.ts'
import type { Issuer } from './issuer.ts'
import type { EntraIdentity, Workload } from './workload.ts'

const roles = z.array(z.string().min(1).max(128)).max(64).default([])
const application = z.string().min(1).max(64)

/**
 * The claims of an Entra access token that identify (access token claims reference). v1.0 calls the application
 * `appid`, v2.0 `azp`. `scp` is in people's tokens alone, but not in all of them.
 */
const claims = z
  .object({
    tid: z.guid(),
    oid: z.guid(),
    idtyp: z.enum(['app', 'user']).optional(),
    scp: z
      .string()
      .max(2_048)
      .refine(scp => scp.split(' ').length <= 64)
      .optional(),
    xms_mirid: z.string().max(512).optional(),
    roles,
  })
  .and(
    z.discriminatedUnion('ver', [
      z.object({ ver: z.literal('1.0'), appid: application }).transform(({ appid }) => ({ application: appid })),
      z.object({ ver: z.literal('2.0'), azp: application }).transform(({ azp }) => ({ application: azp })),
    ]),
  )

/**
 * The Entra identity in a token whose signature was verified: an application or managed identity, a person only where
 * the issuer allows people. Throws `invalid_request`.
 */
export function entraIdentity({ payload, claims: { sub } }: UnverifiedToken, issuer: Issuer): Pick<Workload, 'entra'> {
  const parsed = claims.safeParse(payload)
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.') || 'ver'
    throw refuse(`the token is no access token of Entra: ${path} is not acceptable`)
  }
  const { tid, oid, idtyp, scp, xms_mirid, ...identity } = parsed.data
  if (!issuer.issuerUrl.includes(tid)) throw refuse('the token is of another tenant than its issuer')
  // `idtyp` is an optional claim of the resource; without it, an application's token is one whose subject is its own
  // object and which carries no scopes.
  const principal = (idtyp ?? (scp === undefined && sub === oid ? 'app' : 'user')) === 'app' ? 'application' : 'user'
  if (principal === 'user' && !issuer.users) throw refuse('the token is of a person, not of an application')
  const entra: EntraIdentity = {
    tenant: tid,
    objectId: oid,
    application: identity.application,
    principal,
    principalStated: idtyp !== undefined,
    roles: identity.roles,
    ...(scp !== undefined && { scopes: scp.split(' ') }),
    ...(xms_mirid !== undefined && { managedIdentity: xms_mirid }),
  }
  return { entra }
}

function refuse(description: string): ExchangeError {
  return new ExchangeError('invalid_request', 'token_claims', { description })
}
