import type { HttpRequest, HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import type { LogContainer, LogPage } from '../../shared/decisions/log-query.ts'
import type { DecisionFilter } from '../../shared/decisions/search-conditions.ts'
import { reasons } from '../../shared/errors.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Namespaces } from '../../shared/workload/namespaces.ts'
import { jsonAnswer } from '../answer.ts'
import { type Answering, type Asked, managedRoutes } from './managed-route.ts'
import { asOperatorOf, type NamespacedRole } from './operator.ts'
import { problem } from './problem.ts'
import { recordKinds, recordOutcomes } from './record-words.ts'
import {
  continuation,
  instant,
  methodNotAllowed,
  noQuery,
  notAContinuation,
  pageLimit,
  searchText,
} from './search-query.ts'

/** A search covers as many days at the most, in milliseconds. */
const longestRange = 31 * 86_400_000

const members = z.strictObject({
  issuer: searchText.optional(),
  subject: searchText.optional(),
  namespace: searchText.optional(),
  serviceAccount: searchText.optional(),
  pod: searchText.optional(),
  target: searchText.optional(),
  rule: searchText.optional(),
  outcome: z.enum(recordOutcomes).optional(),
  reason: z.enum(reasons).optional(),
  kind: z.enum({ ...recordKinds, registrations: 'registrations', checkpoints: 'checkpoints' }).optional(),
  lease: searchText.optional(),
  operator: searchText.optional(),
})

/**
 * The query of `GET /manage/decisions`. With `order=stream` records come stream by stream, as `causeway verify-log --file`
 * reads them, and the range is of the hours of their streams: what is exported by hours is whole.
 */
export const decisionQuery = z
  .strictObject({
    from: instant,
    to: instant,
    ...members.shape,
    order: z.enum(['newest', 'oldest', 'stream']).default('newest'),
    limit: pageLimit(500),
    format: z.enum(['json', 'jsonl']).optional(),
    continuation: continuation.optional(),
  })
  .superRefine(({ from, to }, { addIssue }) => {
    const length = Date.parse(to) - Date.parse(from)
    if (length > 0 && length <= longestRange) return
    const message = 'expected a time after "from", and 31 days after it at the most'
    addIssue({ code: 'custom', path: ['to'], message, input: to })
  })

/** What `kind` may name beside kinds of records: the documents that prove them. */
const others: ReadonlyMap<string | undefined, LogContainer> = new Map([
  ['registrations', 'streams'],
  ['checkpoints', 'checkpoints'],
])

const mayRead = ['Decisions.Read'] as const satisfies readonly NamespacedRole[]

/** `/manage/decisions`: what was decided, by what, for whom. */
export function registerDecisions(manage: ManageGateway): void {
  const register = managedRoutes(manage)
  register('decisions', 'manage/decisions', answerSearch)
  register('decision', 'manage/decisions/{decision}', answerOne)
}

function answerSearch(asked: Asked): Answering {
  if (asked.request.method !== 'GET') return methodNotAllowed('GET')
  return asOperatorOf(asked, { roles: mayRead, query: decisionQuery }, ({ namespaces }, query) =>
    search(asked, query, namespaces),
  )
}

async function search(
  { request, manage }: Asked,
  query: z.output<typeof decisionQuery>,
  namespaces: Namespaces,
): Promise<HttpResponseInit> {
  const { format, from, to, order, limit, continuation, ...filter } = query
  const of = others.get(filter.kind) ?? 'decisions'
  const refusal = of === 'decisions' ? undefined : refuseOthers(filter, namespaces)
  if (refusal) return refusal
  const page = await manage.decisions.page({ of, from, to, order, limit, filter, namespaces, continuation })
  if (!page) return notAContinuation()
  const asLines = format === undefined ? wantsLines(request) : format === 'jsonl'
  return asLines ? answerLines(page) : answerPage(page, order)
}

/** They prove the log as a whole: they are about no workload. */
function refuseOthers({ kind, ...filter }: DecisionFilter, namespaces: Namespaces): HttpResponseInit | undefined {
  if (namespaces !== 'all') return problem(403, { detail: `expected the app role Decisions.Read for ${kind}` })
  const given = Object.keys(filter)
  return given.length > 0 ? problem(400, { detail: `expected no ${given.join(', ')} with kind=${kind}` }) : undefined
}

function wantsLines(request: HttpRequest): boolean {
  return /\bapplication\/(jsonl|x-ndjson)\b/.test(request.headers.get('accept') ?? '')
}

function answerPage({ documents, continuation }: LogPage, order: string): HttpResponseInit {
  return jsonAnswer(200, { order, decisions: documents, ...(continuation !== undefined && { continuation }) })
}

/** One document a line, whole, so that it can be verified elsewhere. Where the search goes on is said in a header. */
function answerLines({ documents, continuation }: LogPage): HttpResponseInit {
  const more = continuation === undefined ? {} : { 'x-causeway-continuation': continuation }
  const answer = jsonAnswer(200, undefined, { 'content-type': 'application/jsonl', ...more })
  return { ...answer, body: documents.map(document => `${JSON.stringify(document)}\n`).join('') }
}

function answerOne(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperatorOf(asked, { roles: mayRead, query: noQuery }, async ({ namespaces }) => {
    const { success, data: decision } = z.guid().safeParse(request.params['decision'])
    const decisions = success ? await manage.decisions.of(decision, namespaces) : []
    return decisions.length > 0 ? jsonAnswer(200, { decisions }) : problem(404, { detail: 'there is no such decision' })
  })
}
