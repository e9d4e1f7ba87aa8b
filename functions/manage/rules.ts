import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import { z } from 'zod'
import { documentId, type Stored } from '../../shared/document.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Changed, Expected, RuleEditor, RuleName } from '../../shared/rules/cosmos-rule-editor.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { everyMethod, jsonAnswer } from '../answer.ts'
import { readBody } from '../read-body.ts'
import { asOperator } from './operator.ts'
import { problem } from './problem.ts'

const mayRead = ['Rules.Read', 'Rules.Write'] as const
const mayWrite = ['Rules.Write'] as const

/** Guardrails, in partition `*`, are not this route's to change. */
const ruleName = z.object({ target: documentId, id: documentId })

/** After this many seconds a change is in force on every instance. */
const inForceWithin = 15

/** `/manage/rules` and `/manage/rules/{target}/{id}`: list, read, put and remove rules. */
export function registerRules(manage: ManageGateway): void {
  app.http('rules', {
    route: 'manage/rules',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: (request, context) => answerList({ request, context, manage }),
  })
  app.http('rule', {
    route: 'manage/rules/{target}/{id}',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: (request, context) => answerRule({ request, context, manage }),
  })
}

interface Asked {
  readonly request: HttpRequest
  readonly context: InvocationContext
  readonly manage: ManageGateway
}

function answerList(asked: Asked): Promise<HttpResponseInit> | HttpResponseInit {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperator(asked, mayRead, async () => {
    const { query } = request
    const page = await manage.rules.list(query.get('target') ?? undefined, query.get('continuation') ?? undefined)
    if (!page) return problem(400, { detail: 'continuation: expected what an earlier page said' })
    const rules = page.rules.map(({ content, version }) => ({ etag: version, rule: content }))
    return jsonAnswer(200, { rules, ...(page.continuation && { continuation: page.continuation }) })
  })
}

function answerRule(asked: Asked): Promise<HttpResponseInit> | HttpResponseInit {
  const { request, manage } = asked
  const parsed = ruleName.safeParse(request.params)
  if (!parsed.success) return asOperator(asked, mayRead, async () => notThere())
  const name = parsed.data
  switch (request.method) {
    case 'GET':
      return asOperator(asked, mayRead, () => read(manage.rules, name))
    case 'PUT':
      return asOperator(asked, mayWrite, operator => put(request, manage.rules, name, operator))
    case 'DELETE':
      return asOperator(asked, mayWrite, operator => remove(request, manage.rules, name, operator))
    default:
      return methodNotAllowed('GET, PUT, DELETE')
  }
}

async function read(rules: RuleEditor, name: RuleName): Promise<HttpResponseInit> {
  const found = await rules.read(name)
  return found ? answerStored(200, found) : notThere()
}

async function put(
  request: HttpRequest,
  rules: RuleEditor,
  name: RuleName,
  operator: Workload,
): Promise<HttpResponseInit> {
  const expected = expectedVersion(request)
  if (!expected) return preconditionRequired('If-None-Match: * to create, If-Match: <etag> to replace')
  const document = parseJson(await readBody(request))
  if (document === undefined) return problem(400, { detail: 'expected a JSON document' })
  const status = expected === 'absent' ? 201 : 200
  return answerChange(status, await rules.put(name, document, expected, operator))
}

async function remove(
  request: HttpRequest,
  rules: RuleEditor,
  name: RuleName,
  operator: Workload,
): Promise<HttpResponseInit> {
  const expected = expectedVersion(request)
  if (!expected || expected === 'absent') return preconditionRequired('If-Match: <etag>')
  const changed = await rules.remove(name, expected.etag, operator)
  return changed.kind === 'changed' ? jsonAnswer(200, { removed: true, inForceWithin }) : answerChange(200, changed)
}

/** RFC 9110 section 13.1: a write without a condition could undo a change that its author never saw. */
function expectedVersion(request: HttpRequest): Expected | undefined {
  const etag = request.headers.get('if-match')
  if (etag && etag !== '*') return { etag }
  return request.headers.get('if-none-match') === '*' ? 'absent' : undefined
}

function answerChange(status: number, changed: Changed): HttpResponseInit {
  switch (changed.kind) {
    case 'changed':
      return answerStored(status, changed.rule)
    case 'conflict':
      return problem(412, { detail: 'the rule is not at that version: read it again' })
    case 'invalid':
      return problem(422, { detail: 'the rule was not saved', problems: changed.problems })
  }
}

function answerStored(status: number, { content, version }: Stored<unknown>): HttpResponseInit {
  return jsonAnswer(status, { rule: content, etag: version, inForceWithin }, { etag: version })
}

function notThere(): HttpResponseInit {
  return problem(404, { detail: 'there is no such rule' })
}

function preconditionRequired(expected: string): HttpResponseInit {
  return problem(428, { detail: `expected ${expected}` })
}

function methodNotAllowed(allow: string): HttpResponseInit {
  return problem(405, { detail: `expected ${allow}`, headers: { allow } })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
