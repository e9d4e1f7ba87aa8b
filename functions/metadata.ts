import { signatureAlgorithms } from '../shared/workload/issuer.ts'
import { jsonAnswer } from './answer.ts'
import { registerReadOnly } from './read-only.ts'

/** `GET /.well-known/oauth-authorization-server` (RFC 8414) and its OpenID form, for clients that know only that. */
export function registerMetadata(issuer: string): void {
  const answer = async () => jsonAnswer(200, metadata(issuer))
  registerReadOnly('metadata', '.well-known/oauth-authorization-server', answer)
  registerReadOnly('openidMetadata', '.well-known/openid-configuration', answer)
}

/** What RFC 8414 section 2 would assume where nothing is said (other grants, client secrets) is not so here. */
function metadata(issuer: string) {
  return {
    issuer,
    token_endpoint: `${issuer}/token`,
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint: `${issuer}/revoke`,
    revocation_endpoint_auth_methods_supported: ['private_key_jwt'],
    revocation_endpoint_auth_signing_alg_values_supported: [...signatureAlgorithms],
    response_types_supported: ['none'],
  }
}
