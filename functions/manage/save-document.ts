import type { HttpRequest, HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import type { Expected } from '../../shared/document-change.ts'
import type { Draft, Proposal } from '../../shared/document-editor.ts'
import type { DocumentName } from '../../shared/document-kind.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { answerChange, type Named, notSaved, notThere } from './document-answers.ts'
import type { Asked, DocumentRoutes } from './documents.ts'
import { inForceWithin } from './in-force.ts'
import { problem } from './problem.ts'
import { dryRunQuery } from './search-query.ts'
import { documentDraft, foresee } from './what-if.ts'

/** A document of more bytes than this is refused. */
export const documentBytes = 256 * 1024

/** The query of a removal after which leases are left. */
export const leavingQuery = dryRunQuery.extend({
  leases: z
    .enum(['keep', 'revoke'])
    .optional()
    .describe('Required unless it is only tried: what becomes of the leases of the rule.'),
})

/** The query by which a document of a kind is removed. */
export function removingQuery({ endLeases }: DocumentRoutes): z.ZodType<z.output<typeof leavingQuery>> {
  return endLeases ? leavingQuery : dryRunQuery
}

/** A request to change a document, who asks, and what its query says. */
export interface Writing<Query = z.output<typeof dryRunQuery>> extends Asked {
  readonly operator: Workload
  readonly query: Query
}

/** Saves the document in the body, or says what that would come to. */
export async function put(writing: Writing, name: DocumentName): Promise<HttpResponseInit> {
  const document = await readJson(writing.request, documentBytes)
  if (document === undefined) return problem(400, { detail: 'expected a JSON document' })
  return saveDocument(writing, { name, document })
}

/** Saves the document in the body under an id that nobody had to think of, or says what that would come to. */
export async function create(writing: Writing, id: string): Promise<HttpResponseInit> {
  const { routes, request } = writing
  const { success, data: content } = z.record(z.string(), z.unknown()).safeParse(await readJson(request, documentBytes))
  if (!success) return problem(400, { detail: 'expected a JSON document' })
  if ('id' in content) return notSaved(routes, [{ path: ['id'], detail: 'expected none: PUT takes an id' }])
  const draft = { name: { id, partition: id }, document: { ...content, id } }
  const answer = await saveAt('absent', writing, draft)
  if (answer.status !== 201) return answer
  return { ...answer, headers: { ...answer.headers, location: `/manage/${routes.plural}/${id}` } }
}

/** Saves an earlier version again, as a change like any other. */
export async function restore(writing: Writing, name: DocumentName): Promise<HttpResponseInit> {
  const { request, routes } = writing
  const found = await routes.editor.version(name, String(request.params['version']))
  if (!found) return noSuchVersion(routes)
  if (found.content === undefined) return removedBy(routes)
  return saveDocument(writing, { name, document: found.content }, 200)
}

/** The answer where a document has no such version. */
export function noSuchVersion({ singular }: Named): HttpResponseInit {
  return problem(404, { detail: `there is no such version of this ${singular}` })
}

function removedBy({ singular }: Named): HttpResponseInit {
  return problem(404, { detail: `that version removed the ${singular}: there is nothing to save again` })
}

/** A document, and where it is to be saved. */
interface Drafted {
  readonly name: DocumentName
  readonly document: unknown
}

/** Saves a document under the condition of the request, or says what that would come to. */
export async function saveDocument(writing: Writing, draft: Drafted, created = 201): Promise<HttpResponseInit> {
  const condition = conditionIn(writing.request)
  return 'refused' in condition ? condition.refused : saveAt(condition.expected, writing, draft, created)
}

async function saveAt(
  expected: Expected | undefined,
  writing: Writing,
  { name, document }: Drafted,
  created = 201,
): Promise<HttpResponseInit> {
  const { routes, operator, query } = writing
  if (query.dryRun === 'true') return rehearse(writing, { action: 'put', name, document, ...asDraft(expected) })
  if (!expected) return preconditionRequired('If-None-Match: * to create, If-Match: <etag> to replace')
  const saved = await routes.editor.save({ action: 'put', name, document, expected }, operator)
  const told = saved.kind === 'changed' ? await routes.tellSaved?.(document) : undefined
  return answerChange(expected === 'absent' ? created : 200, saved, routes, told)
}

/** Removes the document, and where leases rest on it ends them as the request says; or says what that would come to. */
export async function remove(writing: Writing<z.output<typeof leavingQuery>>, name: DocumentName) {
  const { request, routes, operator, query } = writing
  const { dryRun, leases } = query
  const condition = conditionIn(request)
  if ('refused' in condition) return condition.refused
  const { expected } = condition
  if (dryRun === 'true') return rehearse(writing, { action: 'remove', name, ...asDraft(notAbsent(expected)) })
  if (!expected || expected === 'absent') return preconditionRequired('If-Match: <etag>')
  if (routes.endLeases && !leases) return leasesRequired()
  const proposal: Proposal = { action: 'remove', name, expected }
  const removed = await routes.editor.save(proposal, operator, leases)
  if (removed.kind !== 'changed') return answerChange(200, removed, routes)
  const ended = leases === 'revoke' ? { leases: await routes.endLeases?.(name, operator) } : {}
  return jsonAnswer(200, { removed: true, inForceWithin, ...ended })
}

/** A change that is only tried. Whether the version is the expected one is judged where the request names one. */
async function rehearse({ manage, routes, operator }: Writing, draft: Draft): Promise<HttpResponseInit> {
  const { container, editor, singular } = routes
  const rehearsed = await editor.rehearse(draft)
  if (rehearsed.kind === 'conflict' && !draft.expected) return notThere(routes)
  if (rehearsed.kind !== 'acceptable') return answerChange(200, rehearsed, routes)
  const { name } = draft
  const foreseen = await foresee(manage, documentDraft(container, draft), operator)
  const requiresApproval = await editor.needsApproval(draft)
  const etag = rehearsed.stored ? { etag: rehearsed.stored.version } : {}
  return jsonAnswer(200, {
    dryRun: true,
    [singular]: name.id,
    ...etag,
    diff: rehearsed.diff,
    ...foreseen,
    requiresApproval,
  })
}

function asDraft<Version extends Expected>(expected: Version | undefined) {
  return expected === undefined ? {} : { expected }
}

function notAbsent(expected: Expected | undefined): Exclude<Expected, 'absent'> | undefined {
  return expected === 'absent' ? undefined : expected
}

/**
 * RFC 9110 section 13.1: a write without a condition could undo a change that its author never saw. Of two conditions,
 * nobody can tell which one was meant.
 */
function conditionIn({
  headers,
}: HttpRequest): { readonly expected: Expected | undefined } | { readonly refused: HttpResponseInit } {
  const [etag, absent] = [headers.get('if-match'), headers.get('if-none-match')]
  if (etag && absent) return { refused: problem(400, { detail: 'expected If-Match or If-None-Match, found both' }) }
  if (etag && etag !== '*') return { expected: { etag } }
  return { expected: absent === '*' ? 'absent' : undefined }
}

function preconditionRequired(expected: string): HttpResponseInit {
  return problem(428, { detail: `expected ${expected}` })
}

function leasesRequired(): HttpResponseInit {
  const detail =
    'expected ?leases=keep or ?leases=revoke: what becomes of the leases that rest on the rule. keep lets them expire, ' +
    'revoke ends them'
  return problem(400, { detail })
}
