import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import { v7 as uuid } from 'uuid'
import { toExchangeError } from '../shared/errors.ts'
import type { ExchangeSteps } from '../shared/exchange.ts'
import type { ExchangeGateway } from '../shared/gateway.ts'
import { giveBack } from '../shared/give-back.ts'
import { everyMethod, jsonAnswer } from './answer.ts'
import { seenClient } from './client.ts'
import { errorAnswer, logFailure, methodNotAllowed } from './oauth-error.ts'
import { readForm } from './read-body.ts'

/** `POST /revoke`: OAuth 2.0 Token Revocation (RFC 7009). */
export function registerRevoke({ steps }: ExchangeGateway): void {
  app.http('revoke', {
    route: 'revoke',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: (request, context) => answerRevoke(request, context, steps),
  })
}

async function answerRevoke(
  request: HttpRequest,
  context: InvocationContext,
  steps: ExchangeSteps,
): Promise<HttpResponseInit> {
  const decision = uuid()
  if (request.method !== 'POST') return methodNotAllowed('POST', decision)
  try {
    const form = await formOf(request, decision, steps)
    await giveBack({ form, decision, client: seenClient(request) }, steps)
    return jsonAnswer(200, { decision_id: decision })
  } catch (error) {
    return errorAnswer(logFailure(error, decision, context), decision)
  }
}

/** A body that cannot be read is counted, as on `/token`. */
async function formOf(request: HttpRequest, decision: string, { count }: ExchangeSteps): Promise<string> {
  try {
    return await readForm(request)
  } catch (error) {
    count(decision, toExchangeError(error))
    throw error
  }
}
