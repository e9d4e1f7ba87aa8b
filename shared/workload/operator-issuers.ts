import { ExchangeError } from '../errors.ts'
import { issuerDocument } from './issuer.ts'
import type { Issuers } from './verify-token.ts'

export interface OperatorIssuer {
  readonly issuerUrl: string
  readonly audience: string
  readonly network: 'public' | 'private'
}

/**
 * The one issuer whose tokens open `/manage`: an Entra tenant from the settings, not from the documents that its
 * tokens may change. Entra dates a token five minutes back and lets one live up to 90 minutes, or 24 hours for a
 * managed identity.
 */
export function operatorIssuers({ issuerUrl, audience, network }: OperatorIssuer): Issuers {
  const issuer = issuerDocument.parse({
    schema: 1,
    id: 'operators',
    issuerUrl,
    kind: 'entra',
    audiences: [audience],
    network,
    algorithms: ['RS256'],
    maxTokenAge: 'PT24H',
    users: true,
  })
  return {
    async find(asked) {
      if (asked === issuerUrl) return { issuer, version: 'settings' }
      throw new ExchangeError('invalid_request', 'issuer_unknown', {
        description: "expected a token of this gateway's tenant",
      })
    },
  }
}
