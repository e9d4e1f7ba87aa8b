import type { ManageGateway } from '../../shared/gateway.ts'
import { jsonAnswer } from '../answer.ts'
import { answerGone } from './attest-lease.ts'
import { leaseIn, leaseQuery, notThere } from './lease-query.ts'
import { type Answering, type Asked, managedRoutes } from './managed-route.ts'
import { asOperatorOf, type NamespacedRole } from './operator.ts'
import { answerRevokeMatching, answerRevokeOne } from './revoke-leases.ts'
import { methodNotAllowed, noQuery, notAContinuation } from './search-query.ts'

const mayRead = ['Leases.Read', 'Leases.Revoke'] as const satisfies readonly NamespacedRole[]

/** `/manage/leases`: the accounts that were made and must be taken back. */
export function registerLeases(manage: ManageGateway): void {
  const register = managedRoutes(manage)
  register('leases', 'manage/leases', answerSearch)
  register('leases-revoke', 'manage/leases/revoke', answerRevokeMatching)
  register('lease', 'manage/leases/{lease}', answerOne)
  register('lease-revoke', 'manage/leases/{lease}/revoke', answerRevokeOne)
  register('lease-gone', 'manage/leases/{lease}/gone', answerGone)
}

function answerSearch(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperatorOf(asked, { roles: mayRead, query: leaseQuery }, async ({ namespaces }, query) => {
    const { limit, continuation, stuck, ...named } = query
    const filter = { ...named, stuck: stuck === 'true' }
    const page = await manage.leases.page(filter, namespaces, { limit, continuation })
    return page ? jsonAnswer(200, page) : notAContinuation()
  })
}

function answerOne(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperatorOf(asked, { roles: mayRead, query: noQuery }, async ({ namespaces }) => {
    const lease = await manage.leases.read(leaseIn(request), namespaces)
    return lease ? jsonAnswer(200, { lease }) : notThere()
  })
}
