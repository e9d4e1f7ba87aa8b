import { app, type HttpRequest, type HttpResponseInit } from '@azure/functions'
import type { CountRefusal } from '../shared/decisions/refusal-counts.ts'
import { toExchangeError } from '../shared/errors.ts'
import type { SeenClient } from '../shared/workload/client-address.ts'
import { everyMethod } from './answer.ts'
import { seenClient } from './client.ts'
import { decisionIds } from './decision-ids.ts'
import { errorAnswer, logFailure, methodNotAllowed } from './oauth-error.ts'
import { readForm } from './read-body.ts'

/** One request, read. */
export interface Posted<Form> {
  readonly form: Form
  /** The id that the caller is given, whatever comes of it. */
  readonly decision: string
  readonly client: SeenClient
  /** The trace that it belongs to (W3C Trace Context), as the host tells it. */
  readonly traceParent: string | null | undefined
}

export interface OAuthEndpoint<Form> {
  readonly count: CountRefusal
  /** What of the form is parsed before anything else. Throws `ExchangeError`. */
  readonly parse: (form: string) => Form
  readonly answer: (posted: Posted<Form>) => Promise<HttpResponseInit>
}

/** `POST /{name}` with a form, answered in OAuth's way: JSON, an id in every error, 405 for other methods. */
export function registerOAuthEndpoint<Form>(name: string, { count, parse, answer }: OAuthEndpoint<Form>): void {
  const nextDecision = decisionIds()

  /** A form that cannot be read is counted like a token that proves nothing: it costs no write. */
  async function formOf(request: HttpRequest, decision: string): Promise<Form> {
    try {
      return parse(await readForm(request))
    } catch (error) {
      count(decision, toExchangeError(error))
      throw error
    }
  }

  app.http(name, {
    route: name,
    methods: [...everyMethod],
    authLevel: 'anonymous',
    async handler(request, context) {
      const decision = nextDecision()
      if (request.method !== 'POST') return methodNotAllowed('POST', decision)
      try {
        const form = await formOf(request, decision)
        const traceParent = context.traceContext?.traceParent
        return await answer({ form, decision, client: seenClient(request), traceParent })
      } catch (error) {
        return errorAnswer(logFailure(error, decision, context), decision)
      }
    },
  })
}
