import { z } from 'zod'
import { documentId } from '../../shared/document.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import { jsonAnswer } from '../answer.ts'
import { readBody } from '../read-body.ts'
import { type Asked, managedRoutes } from './managed-route.ts'
import { asOperator } from './operator.ts'
import { problem } from './problem.ts'
import { methodNotAllowed, noQuery } from './search-query.ts'

/** A pasted token and its JSON are refused beyond this. */
const bodyBytes = 32 * 1024

/** Who may register targets and issuers may see whether they work. */
const checking = { roles: ['Trust.Write'], query: noQuery } as const

const checkBody = z.strictObject({ token: z.string().min(1).max(16_384).optional() })

/**
 * The doctor. Targets are checked by the `timers` role, which may use a login there: an answer takes some seconds, and is
 * kept for a day. Issuers are checked at once.
 */
export function registerChecks(manage: ManageGateway): void {
  const register = managedRoutes(manage)
  register('target-check', 'manage/targets/{id}/check', answerTargetCheck)
  register('issuer-check', 'manage/issuers/{id}/check', answerIssuerCheck)
  register('check', 'manage/checks/{id}', answerCheck)
}

function answerTargetCheck(asked: Asked) {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperator(asked, checking, async operator => {
    const id = documentId.safeParse(request.params['id'])
    const check = id.success ? await manage.checks.askTarget(id.data, operator) : undefined
    if (!check) return problem(404, { detail: 'there is no such target' })
    return jsonAnswer(202, { check: check.id, at: `/manage/checks/${check.id}` }, { 'retry-after': '5' })
  })
}

function answerCheck(asked: Asked) {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperator(asked, checking, async () => {
    const id = z.guid().safeParse(request.params['id'])
    const check = id.success ? await manage.checks.read(id.data) : undefined
    if (!check) return problem(404, { detail: 'there is no such check: they are forgotten after a day' })
    const { schema: _, takenAt: __, ...told } = check
    return jsonAnswer(200, told)
  })
}

function answerIssuerCheck(asked: Asked) {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperator(asked, checking, async operator => {
    const body = parseBody(await readBody(request, bodyBytes))
    if (!body) return problem(400, { detail: 'expected no body, or { "token": "…" }' })
    const id = documentId.safeParse(request.params['id'])
    const checked = id.success ? await manage.checks.checkIssuer(id.data, body.token, operator) : undefined
    return checked ? jsonAnswer(200, checked) : problem(404, { detail: 'there is no such issuer' })
  })
}

/** Undefined where it is not acceptable; the parser's words would quote the token. */
function parseBody(text: string): z.output<typeof checkBody> | undefined {
  if (text.trim() === '') return {}
  try {
    return checkBody.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
