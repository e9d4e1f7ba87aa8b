import { app } from '@azure/functions'

/** `GET /.well-known/oauth-authorization-server` (RFC 8414) and its OpenID form, for clients that know only that. */
export function registerMetadata(issuer: string): void {
  const body = JSON.stringify(metadata(issuer))
  for (const [name, document] of [
    ['metadata', 'oauth-authorization-server'],
    ['openidMetadata', 'openid-configuration'],
  ] as const) {
    app.http(name, {
      route: `.well-known/${document}`,
      methods: ['GET'],
      authLevel: 'anonymous',
      handler: async () => ({
        status: 200,
        headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=3600' },
        body,
      }),
    })
  }
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
    revocation_endpoint_auth_signing_alg_values_supported: ['RS256', 'ES256'],
    response_types_supported: ['none'],
  }
}
