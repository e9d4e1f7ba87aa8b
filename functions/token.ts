import { exchange } from '../shared/exchange.ts'
import { parseExchangeRequest } from '../shared/exchange-request.ts'
import type { ExchangeGateway } from '../shared/gateway.ts'
import { jsonAnswer } from './answer.ts'
import { registerOAuthEndpoint } from './oauth-endpoint.ts'
import { errorAnswer } from './oauth-error.ts'
import { tokenResponse } from './token-response.ts'

/** After so long nothing is verified and nothing is minted, in milliseconds. Each write to Cosmos DB has a bound of its own. */
const budget = 10_000

/** `POST /token`: OAuth 2.0 Token Exchange (RFC 8693). */
export function registerToken({ steps }: ExchangeGateway): void {
  registerOAuthEndpoint('token', {
    count: steps.count,
    parse: parseExchangeRequest,
    async answer({ form: request, ...posted }) {
      const { decision } = posted
      const outcome = await within(budget, signal => exchange({ request, ...posted, signal }, steps))
      if (outcome.outcome === 'refused') return errorAnswer(outcome, decision)
      return jsonAnswer(200, tokenResponse(outcome, decision, steps.now()))
    },
  })
}

/** Unlike `AbortSignal.timeout`, which keeps what belongs to a request for as long as its time would have lasted. */
async function within<T>(milliseconds: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), milliseconds)
  try {
    return await work(deadline.signal)
  } finally {
    clearTimeout(timer)
  }
}
