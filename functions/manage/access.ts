import type { HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { documentId } from '../../shared/document.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import { jsonAnswer } from '../answer.ts'
import { type Asked, managedRoutes } from './managed-route.ts'
import { asOperator, readers } from './operator.ts'
import { problem } from './problem.ts'
import { continuation, methodNotAllowed } from './search-query.ts'

/** Who can reach a target, or what a namespace can reach. */
export const accessQuery = z.union(
  [
    z.strictObject({ target: documentId }),
    z.strictObject({
      namespace: z.string().min(1).max(253),
      issuer: documentId.optional(),
      continuation: continuation.optional(),
    }),
  ],
  { error: 'expected ?target=…, or ?namespace=… with issuer or without' },
)

const notes = [
  'Conditions are named and not judged: whether they are met depends on the workload and the moment. POST /manage/evaluate judges them.',
  'What could deny is told by the texts of selectors: a deny that is about some of the workloads is shown without "always".',
]

/** `/manage/access`: who can reach what, as the rules say now. */
export function registerAccess(manage: ManageGateway): void {
  managedRoutes(manage)('access', 'manage/access', asked => {
    if (asked.request.method !== 'GET') return methodNotAllowed('GET')
    return asOperator(asked, { roles: readers, query: accessQuery }, (_, query) => answerAccess(asked, query))
  })
}

async function answerAccess(
  { manage: { access } }: Asked,
  query: z.output<typeof accessQuery>,
): Promise<HttpResponseInit> {
  if ('target' in query) {
    const found = await access.ofTarget(query.target)
    return found ? jsonAnswer(200, { ...found, notes }) : problem(404, { detail: 'there is no such target' })
  }
  const { continuation, namespace, issuer } = query
  const found = await access.ofNamespace({ namespace, ...(issuer !== undefined && { issuer }) }, continuation)
  if (found) return jsonAnswer(200, { namespace, ...(issuer !== undefined && { issuer }), ...found, notes })
  return problem(404, { detail: 'there is no such issuer, or no page has told that continuation' })
}
