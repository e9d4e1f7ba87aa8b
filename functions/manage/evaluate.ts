import type { HttpResponseInit } from '@azure/functions'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { type Asked, managedRoutes } from './managed-route.ts'
import { asOperator, readers } from './operator.ts'
import { problem } from './problem.ts'
import { methodNotAllowed, noQuery } from './search-query.ts'

const bodyBytes = 64 * 1024

/** `/manage/evaluate`: what would be decided of a request, now or at another time, with the trace of every rule. */
export function registerEvaluate(manage: ManageGateway): void {
  managedRoutes(manage)('evaluate', 'manage/evaluate', asked => {
    if (asked.request.method !== 'POST') return methodNotAllowed('POST')
    return asOperator(asked, { roles: readers, query: noQuery }, operator => answerEvaluation(asked, operator))
  })
}

async function answerEvaluation({ request, manage }: Asked, operator: Workload): Promise<HttpResponseInit> {
  const body = await readJson(request, bodyBytes)
  if (body === undefined) return problem(400, { detail: 'expected a JSON document' })
  const evaluated = await manage.evaluate(body, operator)
  if (!('problems' in evaluated)) return jsonAnswer(200, evaluated)
  const detail = 'expected { "token": …, "target": … } or { "facts": { … } }'
  return problem(400, { detail, problems: evaluated.problems })
}
