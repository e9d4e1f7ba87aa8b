import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import { z } from 'zod'
import type { GuardedEditor } from '../../shared/approvals.ts'
import { documentId } from '../../shared/document.ts'
import type { DocumentFilter } from '../../shared/document-filter.ts'
import type { DocumentName } from '../../shared/document-kind.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { RuleDraft } from '../../shared/rules/what-if.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { everyMethod, jsonAnswer } from '../answer.ts'
import { type DocumentPlural, documentQueries } from './document-query.ts'
import { asOperator, type OperatorRole } from './operator.ts'
import { problem } from './problem.ts'
import { answerStored, notThere, put, remove, restore } from './save-document.ts'
import { methodNotAllowed, notAContinuation, parseQuery } from './search-query.ts'

/** How one kind of document is reached over HTTP. */
export interface DocumentRoutes {
  /** The name in the URL, and that of one of them in answers. */
  readonly plural: DocumentPlural
  readonly singular: string
  readonly editor: GuardedEditor
  /** Where the documents are: in partitions that the URL names, in one of that name, or each in its own. */
  readonly partition: 'in-url' | { readonly fixed: string } | 'id'
  readonly mayRead: readonly OperatorRole[]
  readonly mayWrite: readonly OperatorRole[]
  /** What a dry run tells besides what would be different. */
  readonly foresee?: (draft: RuleDraft, operator: Workload) => Promise<Readonly<Record<string, unknown>>>
  /** Of documents that leases rest on: ends those leases. Who removes one has to say what becomes of them. */
  readonly endLeases?: (name: DocumentName, operator: Workload) => Promise<unknown>
}

/** Registers list, read, put and remove of one kind of document, and its versions. */
export function registerDocuments(manage: ManageGateway, routes: DocumentRoutes): void {
  const { plural, singular } = routes
  const one = `manage/${plural}/${routes.partition === 'in-url' ? '{target}/{id}' : '{id}'}`
  const register = (name: string, route: string, answer: (asked: Asked) => Answering) =>
    app.http(name, {
      route,
      methods: [...everyMethod],
      authLevel: 'anonymous',
      handler: (request, context) => answer({ request, context, manage, routes }),
    })
  register(plural, `manage/${plural}`, answerList)
  register(singular, one, answerOne)
  register(`${singular}-versions`, `${one}/versions`, answerVersions)
  register(`${singular}-version`, `${one}/versions/{version}`, answerVersion)
  register(`${singular}-restore`, `${one}/versions/{version}/restore`, answerRestore)
}

/** A request, and what it is about. */
export interface Asked {
  readonly request: HttpRequest
  readonly context: InvocationContext
  readonly manage: ManageGateway
  readonly routes: DocumentRoutes
}

/** What a list may be asked for, whichever kind it is of: `target` is the partition of rules. */
type ListQuery = z.ZodType<
  DocumentFilter & {
    readonly limit: number
    readonly continuation?: string | undefined
    readonly target?: string | undefined
  }
>

type Answering = Promise<HttpResponseInit> | HttpResponseInit

function answerList(asked: Asked): Answering {
  const { request, routes } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperator(asked, routes.mayRead, async () => {
    const parsed = parseQuery<ListQuery>(request, documentQueries[routes.plural])
    if ('refused' in parsed) return parsed.refused
    const { limit, continuation, target, ...filter } = parsed.value
    const partition = typeof routes.partition === 'object' ? routes.partition.fixed : target
    const page = await routes.editor.list({ partition, filter, limit, continuation })
    if (!page) return notAContinuation()
    const documents = page.documents.map(({ content, version }) => ({ etag: version, [routes.singular]: content }))
    const next = page.continuation === undefined ? {} : { continuation: page.continuation }
    return jsonAnswer(200, { [routes.plural]: documents, ...next })
  })
}

function answerOne(asked: Asked): Answering {
  const { request, routes } = asked
  const { editor, mayRead, mayWrite } = routes
  const name = nameIn(asked)
  if (!name) return asOperator(asked, mayRead, async () => notThere(routes))
  switch (request.method) {
    case 'GET':
      return asOperator(asked, mayRead, async () => {
        const found = await editor.read(name)
        return found ? answerStored(200, found, routes) : notThere(routes)
      })
    case 'PUT':
      return asOperator(asked, mayWrite, operator => put(asked, name, operator))
    case 'DELETE':
      return asOperator(asked, mayWrite, operator => remove(asked, name, operator))
    default:
      return methodNotAllowed('GET, PUT, DELETE')
  }
}

function answerVersions(asked: Asked): Answering {
  return forOneVersion(asked, async ({ editor }, name) => jsonAnswer(200, { versions: await editor.versions(name) }))
}

function answerVersion(asked: Asked): Answering {
  return forOneVersion(asked, async ({ editor, singular }, name) => {
    const found = await editor.version(name, String(asked.request.params['version']))
    return found
      ? jsonAnswer(200, { version: found })
      : problem(404, { detail: `there is no such version of this ${singular}` })
  })
}

function forOneVersion(
  asked: Asked,
  answer: (routes: DocumentRoutes, name: DocumentName) => Promise<HttpResponseInit>,
): Answering {
  const { request, routes } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  const name = nameIn(asked)
  return asOperator(asked, routes.mayRead, async () => (name ? answer(routes, name) : notThere(routes)))
}

function answerRestore(asked: Asked): Answering {
  const { request, routes } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  const name = nameIn(asked)
  return asOperator(asked, routes.mayWrite, async operator =>
    name ? restore(asked, name, operator) : notThere(routes),
  )
}

/** The document that the URL names. */
function nameIn({ request, routes }: Asked): DocumentName | undefined {
  const parsed = z.object({ id: documentId, target: documentId.optional() }).safeParse(request.params)
  if (!parsed.success) return undefined
  const { id, target } = parsed.data
  if (typeof routes.partition === 'object') return { id, partition: routes.partition.fixed }
  const partition = routes.partition === 'id' ? id : target
  return partition === undefined ? undefined : { id, partition }
}
