import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import { v7 as uuid } from 'uuid'
import { toExchangeError } from '../shared/errors.ts'
import { type ExchangeSteps, exchange } from '../shared/exchange.ts'
import { type ExchangeRequest, parseExchangeRequest } from '../shared/exchange-request.ts'
import type { ExchangeGateway } from '../shared/gateway.ts'
import { everyMethod, jsonAnswer } from './answer.ts'
import { seenClient } from './client.ts'
import { errorAnswer, logFailure, methodNotAllowed } from './oauth-error.ts'
import { readForm } from './read-body.ts'
import { tokenResponse } from './token-response.ts'

/** All the time that one exchange may take, in milliseconds. */
const budget = 10_000

/** `POST /token`: OAuth 2.0 Token Exchange (RFC 8693). */
export function registerToken({ steps }: ExchangeGateway): void {
  app.http('token', {
    route: 'token',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: (request, context) => answerToken(request, context, steps),
  })
}

async function answerToken(
  request: HttpRequest,
  context: InvocationContext,
  steps: ExchangeSteps,
): Promise<HttpResponseInit> {
  const decision = uuid()
  if (request.method !== 'POST') return methodNotAllowed('POST', decision)
  try {
    const asked = await parseRequest(request, decision, steps)
    const signal = AbortSignal.timeout(budget)
    const outcome = await exchange({ request: asked, decision, client: seenClient(request), signal }, steps)
    if (outcome.outcome === 'refused') return errorAnswer(outcome, decision)
    return jsonAnswer(200, tokenResponse(outcome, decision, steps.now()))
  } catch (error) {
    return errorAnswer(logFailure(error, decision, context), decision)
  }
}

/** A form that cannot be read is counted like a token that proves nothing: it costs no write. */
async function parseRequest(
  request: HttpRequest,
  decision: string,
  { count }: ExchangeSteps,
): Promise<ExchangeRequest> {
  try {
    return parseExchangeRequest(await readForm(request))
  } catch (error) {
    count(decision, toExchangeError(error))
    throw error
  }
}
