import { z } from 'zod'
import type { ShownLease } from '../../shared/leases/lease-conditions.ts'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { leaseIn, notThere } from './lease-query.ts'
import type { Answering, Asked } from './managed-route.ts'
import { asOperatorOf, type NamespacedRole } from './operator.ts'
import { problem } from './problem.ts'
import { methodNotAllowed, noQuery, parseOr400, searchText } from './search-query.ts'

/** The body of `POST /manage/leases/{lease}/gone`: why its account is known to be gone. */
export const goneBody = z.strictObject({ reason: searchText })

const mayAttest = ['Leases.Revoke'] as const satisfies readonly NamespacedRole[]

const bodyBytes = 4 * 1024

const notForOperators =
  'expected a lease that has expired and is stuck since nothing answers at the address of its server, or it is another ' +
  'server by now (server_changed): see its lastError and lastDetail'

const stillAnswers =
  'the server of the lease, or something else at its address, still answers ("answer" in its lastDetail): the account may ' +
  'work. If that is not its server, let the name lead nowhere until the lease has ended'

const unknown =
  'it could not be told whether anything is at the address of the server ("answer": "unknown" in its lastDetail), since ' +
  'the gateway had no sockets, network or DNS, or no time: the account may work. Say it again after the timer has tried it once more'

/** Takes the operator's word that the account of a stuck lease is gone. */
export function answerGone(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperatorOf(asked, { roles: mayAttest, query: noQuery }, async revoker => {
    const body = parseOr400(await readJson(request, bodyBytes), goneBody)
    if ('refused' in body) return body.refused
    const said = await manage.leases.attest(leaseIn(request), body.value.reason, revoker)
    if (!said) return notThere()
    if (!said.attested) return problem(409, { detail: refusalOf(said.lease) })
    const next =
      'The timer asks its server once more when it runs next, and ends the lease by your word where it cannot.'
    return jsonAnswer(202, { lease: said.lease, next })
  })
}

function refusalOf({ state, lastDetail = {} }: ShownLease): string {
  if (state !== 'revoking' || !('answer' in lastDetail)) return notForOperators
  return lastDetail['answer'] === 'unknown' ? unknown : stillAnswers
}
