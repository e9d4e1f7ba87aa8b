import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions'
import { v7 as uuid } from 'uuid'
import type { z } from 'zod'
import type { EditedContainer } from '../../shared/document-kind.ts'
import { ExchangeError } from '../../shared/errors.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Revoker } from '../../shared/leases/mark-leases.ts'
import type { Namespaces } from '../../shared/workload/namespaces.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { logFailure } from '../oauth-error.ts'
import type { Asked } from './managed-route.ts'
import { problem } from './problem.ts'
import { parseQuery } from './search-query.ts'

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

/** The roles that may be given for one namespace, which is then their suffix: `Leases.Read.payments`. */
export type NamespacedRole = Extract<OperatorRole, 'Leases.Read' | 'Leases.Revoke' | 'Decisions.Read'>

/** Who may read rules, and what rules are about. */
export const readers = ['Rules.Read', 'Rules.Write', 'Rules.Approve', 'Trust.Write', 'Lockdown.Write'] as const

/** The role that lets change documents of a kind. */
export const writerOf: Readonly<Record<EditedContainer, OperatorRole>> = {
  rules: 'Rules.Write',
  calendars: 'Rules.Write',
  targets: 'Trust.Write',
  issuers: 'Trust.Write',
  lockdowns: 'Lockdown.Write',
  posture: 'Posture.Write',
}

/** The delegated permission by which a person lets an application manage on their behalf. */
const managing = 'manage'

/** One token, and no comma: the host joins repeated headers with one. */
const bearer = /^Bearer ([A-Za-z0-9._-]+)$/i

/** As Kubernetes names namespaces (RFC 1123 label). */
const namespaceName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Who may ask, by one of the roles, and what for: `noQuery` where a route takes no parameters. */
interface Demand<Role extends OperatorRole, Query extends z.ZodType> {
  readonly roles: readonly Role[]
  readonly query: Query
}

/**
 * Runs a management function for an operator whose access token has one of the roles; otherwise 401 or 403. A query that
 * the function does not take is then refused (400): who adds `dryRun=true` must not get the real thing. What the function
 * throws becomes a problem document that tells nothing of the cause.
 */
export function asOperator<Query extends z.ZodType>(
  asked: Asked,
  { roles, query }: Demand<OperatorRole, Query>,
  run: (operator: Workload, query: z.output<Query>) => Promise<HttpResponseInit>,
): Promise<HttpResponseInit> {
  const permitted = (operator: Workload) =>
    roles.some(role => operator.entra?.roles?.includes(role)) ? operator : undefined
  return answerPermitted(asked, { roles, query, permitted, run })
}

/** As {@link asOperator}, for roles that may have a namespace's suffix: tells whose leases or decisions they are for. */
export function asOperatorOf<Query extends z.ZodType>(
  asked: Asked,
  { roles, query }: Demand<NamespacedRole, Query>,
  run: (who: Revoker, query: z.output<Query>) => Promise<HttpResponseInit>,
): Promise<HttpResponseInit> {
  const permitted = (operator: Workload) => {
    const namespaces = namespacesOf(operator.entra?.roles ?? [], roles)
    return namespaces && { operator, namespaces }
  }
  return answerPermitted(asked, { roles, query, permitted, run })
}

/** The namespaces for which one of the roles was given; undefined where none was. */
function namespacesOf(given: readonly string[], roles: readonly NamespacedRole[]): Namespaces | undefined {
  if (roles.some(role => given.includes(role))) return 'all'
  const named = roles.flatMap(role =>
    given.filter(one => one.startsWith(`${role}.`)).map(one => one.slice(role.length + 1)),
  )
  const namespaces = named.filter(name => namespaceName.test(name))
  return namespaces.length > 0 ? namespaces : undefined
}

interface Permitting<Query extends z.ZodType, Who> extends Demand<OperatorRole, Query> {
  /** Undefined where the roles of the operator do not do. */
  readonly permitted: (operator: Workload) => Who | undefined
  readonly run: (who: Who, query: z.output<Query>) => Promise<HttpResponseInit>
}

async function answerPermitted<Query extends z.ZodType, Who>(
  { request, context, manage }: Asked,
  { roles, query, permitted, run }: Permitting<Query, Who>,
): Promise<HttpResponseInit> {
  try {
    const operator = await authenticate(request, manage)
    if (!operator) return notAuthenticated('expected an access token of an operator: Authorization: Bearer')
    const who = permitted(operator)
    if (who === undefined) return forbidden(roles)
    const parsed = parseQuery(request, query)
    return 'refused' in parsed ? parsed.refused : await run(who, parsed.value)
  } catch (error) {
    return failed(error, context)
  }
}

function forbidden(roles: readonly OperatorRole[]): HttpResponseInit {
  return problem(403, { detail: `expected the app role ${roles.join(' or ')}` })
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
