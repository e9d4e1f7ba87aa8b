import type { ExchangeGateway } from '../shared/gateway.ts'
import { giveBack } from '../shared/give-back.ts'
import { jsonAnswer } from './answer.ts'
import { registerOAuthEndpoint } from './oauth-endpoint.ts'

/** `POST /revoke`: OAuth 2.0 Token Revocation (RFC 7009). */
export function registerRevoke({ steps, inSpan }: ExchangeGateway): void {
  registerOAuthEndpoint('revoke', {
    count: steps.count,
    parse: form => form,
    async answer(posted) {
      await inSpan('causeway.revoke', posted.traceParent, () => giveBack(posted, steps))
      return jsonAnswer(200, { decision_id: posted.decision })
    },
  })
}
