import { z } from 'zod'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { leaseIn, notThere } from './lease-query.ts'
import type { Answering, Asked } from './managed-route.ts'
import { asOperatorOf, type NamespacedRole } from './operator.ts'
import { problem } from './problem.ts'
import { methodNotAllowed, parseOr400, searchText } from './search-query.ts'

/** The body of `POST /manage/leases/{lease}/gone`: why its account is known to be gone. */
export const goneBody = z.strictObject({ reason: searchText })

const mayAttest = ['Leases.Revoke'] as const satisfies readonly NamespacedRole[]

const bodyBytes = 4 * 1024

const notForOperators =
  'expected a lease that has expired and is stuck since its server does not answer (target_unavailable without an "answer"), ' +
  'the secret of its login is gone, or it is another server by now (server_changed): see its lastError and lastDetail'

/** Takes the operator's word that the account of a stuck lease is gone. */
export function answerGone(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperatorOf(asked, mayAttest, async (operator, namespaces) => {
    const body = parseOr400(await readJson(request, bodyBytes), goneBody, 'the body is not acceptable')
    if ('refused' in body) return body.refused
    const said = await manage.leases.attest(leaseIn(request), body.value.reason, { operator, namespaces })
    if (!said) return notThere()
    if (!said.attested) return problem(409, { detail: notForOperators })
    const next =
      'The timer asks its server once more when it runs next, and ends the lease by your word where it cannot.'
    return jsonAnswer(202, { lease: said.lease, next })
  })
}
