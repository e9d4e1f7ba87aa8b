import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions'
import { v7 as uuid } from 'uuid'
import { ExchangeError } from '../../shared/errors.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { logFailure } from '../oauth-error.ts'
import { problem } from './problem.ts'

/** What operators may be given, as Entra app roles. `Rules.Write` includes reading. */
export type OperatorRole = 'Rules.Read' | 'Rules.Write'

/** One token, and no comma: the host joins repeated headers with one. */
const bearer = /^Bearer ([A-Za-z0-9._-]+)$/i

/**
 * Runs a management function for an operator whose access token has one of the roles; otherwise 401 or 403. What it
 * throws becomes a problem document that tells nothing of the cause.
 */
export async function asOperator(
  { request, context, manage }: { request: HttpRequest; context: InvocationContext; manage: ManageGateway },
  roles: readonly OperatorRole[],
  run: (operator: Workload) => Promise<HttpResponseInit>,
): Promise<HttpResponseInit> {
  try {
    const operator = await authenticate(request, manage)
    if (!operator) return notAuthenticated('expected an access token of an operator: Authorization: Bearer')
    if (!roles.some(role => operator.entra?.roles.includes(role))) {
      return problem(403, { detail: `expected the app role ${roles.join(' or ')}` })
    }
    return await run(operator)
  } catch (error) {
    return failed(error, context)
  }
}

async function authenticate(request: HttpRequest, manage: ManageGateway): Promise<Workload | undefined> {
  const token = bearer.exec(request.headers.get('authorization') ?? '')?.[1]
  if (token === undefined) return undefined
  try {
    const { workload } = await manage.verifyOperator(token)
    return workload.entra?.principal === 'application' && workload.entra.principalStated ? workload : undefined
  } catch (error) {
    if (error instanceof ExchangeError && error.code === 'invalid_request') return undefined
    throw error
  }
}

function notAuthenticated(detail: string): HttpResponseInit {
  return problem(401, { detail, headers: { 'www-authenticate': 'Bearer' } })
}

function failed(error: unknown, context: InvocationContext): HttpResponseInit {
  const id = uuid()
  const { code, description, retryAfter } = logFailure(error, id, context)
  if (code === 'invalid_request') return problem(400, { detail: description ?? 'the request is not acceptable' })
  if (code !== 'temporarily_unavailable') return problem(500, { detail: `see the log, id ${id}` })
  const headers = { 'retry-after': String(retryAfter ?? 2) }
  return problem(503, { detail: `a dependency is not available: see the log, id ${id}`, headers })
}
