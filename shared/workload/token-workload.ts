import { actClaim } from './act-claim.ts'
import type { UnverifiedToken } from './compact-token.ts'
import { entraIdentity } from './entra-claims.ts'
import type { Issuer } from './issuer.ts'
import { regionOf } from './issuer-region.ts'
import { keptClaims } from './kept-claims.ts'
import { kubernetesIdentity } from './kubernetes-claims.ts'
import type { Workload } from './workload.ts'

/** Whose token it is, once it is verified. Throws `invalid_request` where its claims make no identity. */
export function workloadIn(token: UnverifiedToken, issuer: Issuer): Workload {
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
