import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions'
import { v7 as uuid } from 'uuid'
import { ExchangeError } from '../../shared/errors.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { logFailure } from '../oauth-error.ts'
import { problem } from './problem.ts'

/** What operators may be given, as Entra app roles. Those that write include reading what they write. */
export type OperatorRole =
  | 'Rules.Read'
  | 'Rules.Write'
  | 'Rules.Approve'
  | 'Trust.Write'
  | 'Leases.Read'
  | 'Leases.Revoke'
  | 'Decisions.Read'
  | 'Lockdown.Write'
  | 'Posture.Write'

/** Who may read rules, and what rules are about. */
export const readers = ['Rules.Read', 'Rules.Write', 'Rules.Approve', 'Trust.Write', 'Lockdown.Write'] as const

/** The delegated permission by which a person lets an application manage on their behalf. */
const managing = 'manage'

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
    return mayManage(workload) ? workload : undefined
  } catch (error) {
    if (error instanceof ExchangeError && error.code === 'invalid_request') return undefined
    throw error
  }
}

/** Automation says of itself that it is an application (`idtyp`); a person's token holds the permission (`scp`). */
function mayManage({ entra }: Workload): boolean {
  if (!entra) return false
  if (entra.principal === 'application') return entra.principalStated
  return entra.scopes?.includes(managing) ?? false
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
