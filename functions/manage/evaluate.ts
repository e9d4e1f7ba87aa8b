import { app } from '@azure/functions'
import type { ManageGateway } from '../../shared/gateway.ts'
import { everyMethod, jsonAnswer } from '../answer.ts'
import { readBody } from '../read-body.ts'
import { asOperator, readers } from './operator.ts'
import { problem } from './problem.ts'
import { parseJson } from './save-document.ts'
import { methodNotAllowed } from './search-query.ts'

const bodyBytes = 64 * 1024

/** `/manage/evaluate`: what would be decided of a request, now or at another time, with the trace of every rule. */
export function registerEvaluate(manage: ManageGateway): void {
  app.http('evaluate', {
    route: 'manage/evaluate',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: (request, context) => {
      if (request.method !== 'POST') return methodNotAllowed('POST')
      return asOperator({ request, context, manage }, readers, async operator => {
        const body = parseJson(await readBody(request, bodyBytes))
        if (body === undefined) return problem(400, { detail: 'expected a JSON document' })
        const evaluated = await manage.evaluate(body, operator)
        if (!('problems' in evaluated)) return jsonAnswer(200, evaluated)
        const detail = 'expected { "token": …, "target": … } or { "facts": { … } }'
        return problem(400, { detail, problems: evaluated.problems })
      })
    },
  })
}
