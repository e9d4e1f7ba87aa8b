import type { HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { documentId, problemsIn } from '../../shared/document.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { DocumentDraft } from '../../shared/rules/document-draft.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { type Asked, managedRoutes } from './managed-route.ts'
import { asOperator, readers } from './operator.ts'
import { problem } from './problem.ts'
import { instant, methodNotAllowed, noQuery } from './search-query.ts'
import { impactFor } from './what-if.ts'

const bodyBytes = 64 * 1024
const week = 7 * 86_400_000
const longest = 31 * 86_400_000
const target = z.union([documentId, z.literal('*')])

/** A draft, or a removal; the range and the size of the sample. */
export const impactBody = z
  .strictObject({
    rule: z.looseObject({ id: documentId, target }).optional(),
    remove: z.strictObject({ id: documentId, target }).optional(),
    from: instant.optional(),
    to: instant.optional(),
    max: z.int().min(1).max(10_000).optional(),
  })
  .refine(({ rule, remove }) => (rule === undefined) !== (remove === undefined), {
    path: ['rule'],
    error: 'expected a rule, or one to remove',
  })
type ImpactBody = z.output<typeof impactBody>

/** `/manage/impact`: what a draft would have made of recorded decisions, and of how many of them that is said. */
export function registerImpact(manage: ManageGateway): void {
  managedRoutes(manage)('impact', 'manage/impact', asked => {
    if (asked.request.method !== 'POST') return methodNotAllowed('POST')
    return asOperator(asked, { roles: readers, query: noQuery }, operator => answerImpact(asked, operator))
  })
}

async function answerImpact({ request, manage }: Asked, operator: Workload): Promise<HttpResponseInit> {
  const { whatIf } = manage
  const parsed = impactBody.safeParse(await readJson(request, bodyBytes))
  if (!parsed.success) return notAcceptable(problemsIn(parsed.error))
  const { rule, max } = parsed.data
  const range = rangeOf(parsed.data)
  if (range.from >= range.to || range.to - range.from > longest) {
    return notAcceptable([{ path: ['from'], detail: 'expected a time before "to", by 31 days at most' }])
  }
  const problems = rule ? whatIf.problemsOf(rule) : []
  if (problems.length > 0) {
    const within = problems.map(({ path, detail }) => ({ path: ['rule', ...path], detail }))
    return problem(422, { detail: 'the rule could not be saved', problems: within })
  }
  return jsonAnswer(200, impactFor(operator, await whatIf.impact(draftOf(parsed.data), { ...range, max })))
}

function rangeOf({ from, to }: ImpactBody) {
  const end = to === undefined ? Date.now() : Date.parse(to)
  return { from: from === undefined ? end - week : Date.parse(from), to: end }
}

function draftOf({ rule, remove }: ImpactBody): DocumentDraft {
  const { id = '', target = '' } = rule ?? remove ?? {}
  const removal = { container: 'rules' as const, name: { id, partition: target } }
  return rule ? { ...removal, document: rule } : removal
}

function notAcceptable(problems: Parameters<typeof problem>[1]['problems'] & object): HttpResponseInit {
  return problem(400, { detail: 'the body is not acceptable', problems })
}
