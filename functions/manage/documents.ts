import type { HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { documentId } from '../../shared/document.ts'
import type { DocumentFilter } from '../../shared/document-filter.ts'
import type { DocumentName, EditedContainer } from '../../shared/document-kind.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { GuardedEditor } from '../../shared/guarded-editor.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { answerStored, notThere } from './document-answers.ts'
import { type DocumentPlural, documentQueries } from './document-query.ts'
import { type Answering, type Asked as AskedOfManage, managedRoutes } from './managed-route.ts'
import { asOperator, type OperatorRole } from './operator.ts'
import { create, noSuchVersion, put, remove, removingQuery, restore } from './save-document.ts'
import { continuation, dryRunQuery, methodNotAllowed, noQuery, notAContinuation } from './search-query.ts'

/** How one kind of document is reached over HTTP. */
export interface DocumentRoutes {
  /** The name in the URL, and that of one of them in answers. */
  readonly plural: DocumentPlural
  readonly singular: string
  readonly container: EditedContainer
  readonly editor: GuardedEditor
  /** Where the documents are: in partitions that the URL names, in one of that name, or each in its own. */
  readonly partition: 'in-url' | { readonly fixed: string } | 'id'
  readonly mayRead: readonly OperatorRole[]
  readonly mayWrite: readonly OperatorRole[]
  /** What is told besides of one that was saved. Never throws: it is saved by then. */
  readonly tellSaved?: (document: unknown) => Promise<Readonly<Record<string, unknown>>>
  /** Of documents that are made in haste: an id for one, so that nobody has to think of it. */
  readonly newId?: () => string
  /** Of documents that leases rest on: ends those leases. Who removes one has to say what becomes of them. */
  readonly endLeases?: (name: DocumentName, operator: Workload) => Promise<unknown>
}

/** The query of `GET …/versions`. */
export const versionsQuery = z.strictObject({ continuation: continuation.optional() })

/** Registers list, read, put and remove of one kind of document, and its versions. */
export function registerDocuments(manage: ManageGateway, kind: Omit<DocumentRoutes, 'editor'>): DocumentRoutes {
  const routes = { ...kind, editor: manage.documents[kind.container] }
  const { plural, singular } = routes
  const one = `manage/${plural}/${routes.partition === 'in-url' ? '{target}/{id}' : '{id}'}`
  const registerAt = managedRoutes(manage)
  const register = (name: string, route: string, answer: (asked: Asked) => Answering) =>
    registerAt(name, route, asked => answer({ ...asked, routes }))
  register(plural, `manage/${plural}`, answerList)
  register(singular, one, answerOne)
  register(`${singular}-versions`, `${one}/versions`, answerVersions)
  register(`${singular}-version`, `${one}/versions/{version}`, answerVersion)
  register(`${singular}-restore`, `${one}/versions/{version}/restore`, answerRestore)
  return routes
}

/** A request, and what it is about. */
export interface Asked extends AskedOfManage {
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

function answerList(asked: Asked): Answering {
  const { request, routes } = asked
  const { newId } = routes
  if (newId && request.method === 'POST') {
    return asOperator(asked, { roles: routes.mayWrite, query: dryRunQuery }, (operator, query) =>
      create({ ...asked, operator, query }, newId()),
    )
  }
  if (request.method !== 'GET') return methodNotAllowed(newId ? 'GET, POST' : 'GET')
  const query: ListQuery = documentQueries[routes.plural]
  return asOperator(asked, { roles: routes.mayRead, query }, async (_, listed) => {
    const { limit, continuation, target, ...filter } = listed
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
  switch (request.method) {
    case 'GET':
      return asOperator(asked, { roles: mayRead, query: noQuery }, async () => {
        const found = name && (await editor.read(name))
        return found ? answerStored(200, found, routes) : notThere(routes)
      })
    case 'PUT':
      return asOperator(asked, { roles: mayWrite, query: dryRunQuery }, async (operator, query) =>
        name ? put({ ...asked, operator, query }, name) : notThere(routes),
      )
    case 'DELETE':
      return asOperator(asked, { roles: mayWrite, query: removingQuery(routes) }, async (operator, query) =>
        name ? remove({ ...asked, operator, query }, name) : notThere(routes),
      )
    default:
      return methodNotAllowed('GET, PUT, DELETE')
  }
}

function answerVersions(asked: Asked): Answering {
  const { routes } = asked
  const { editor } = routes
  return forOneVersion(asked, versionsQuery, async (name, { continuation }) => {
    const page = await editor.versions(name, continuation)
    if (!page) return notAContinuation()
    const { unreadable, ...told } = page
    const isEmpty = told.versions.length + unreadable.length === 0 && continuation === undefined
    // What whoever deploys wrote has no version before it is replaced here.
    if (isEmpty && !(await editor.read(name))) return notThere(routes)
    return jsonAnswer(200, { ...told, ...(unreadable.length > 0 && { unreadable }) })
  })
}

function answerVersion(asked: Asked): Answering {
  const { routes } = asked
  return forOneVersion(asked, noQuery, async name => {
    const found = await routes.editor.version(name, String(asked.request.params['version']))
    return found ? jsonAnswer(200, { version: found }) : noSuchVersion(routes)
  })
}

function forOneVersion<Query extends z.ZodType>(
  asked: Asked,
  query: Query,
  answer: (name: DocumentName, query: z.output<Query>) => Promise<HttpResponseInit>,
): Answering {
  const { request, routes } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  const name = nameIn(asked)
  return asOperator(asked, { roles: routes.mayRead, query }, async (_, given) =>
    name ? answer(name, given) : notThere(routes),
  )
}

function answerRestore(asked: Asked): Answering {
  const { request, routes } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  const name = nameIn(asked)
  return asOperator(asked, { roles: routes.mayWrite, query: dryRunQuery }, async (operator, query) =>
    name ? restore({ ...asked, operator, query }, name) : notThere(routes),
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
