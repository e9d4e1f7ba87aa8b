import { z } from 'zod'
import { type DocumentPlural, documentQueries } from './manage/document-query.ts'
import { versionsQuery } from './manage/documents.ts'
import { type OperatorRole, readers } from './manage/operator.ts'
import { leavingQuery } from './manage/save-document.ts'
import { dryRunQuery } from './manage/search-query.ts'
import { anyObject, listedVersion, matchingLeases, pageOf, proposed, version } from './openapi-answers.ts'
import { rehearsed, removed } from './openapi-manage-answers.ts'
import type { DocumentSchemaName, DocumentSchemas, Operation, RouteRow } from './openapi-row.ts'

interface DocumentRow {
  readonly plural: DocumentPlural
  readonly singular: DocumentSchemaName
  readonly mayWrite: OperatorRole
  /** Where one of them is, below `/manage/{plural}`. */
  readonly place?: string
}

const documents: readonly DocumentRow[] = [
  { plural: 'rules', singular: 'rule', mayWrite: 'Rules.Write', place: '{target}/{id}' },
  { plural: 'guardrails', singular: 'guardrail', mayWrite: 'Rules.Write' },
  { plural: 'targets', singular: 'target', mayWrite: 'Trust.Write' },
  { plural: 'issuers', singular: 'issuer', mayWrite: 'Trust.Write' },
  { plural: 'calendars', singular: 'calendar', mayWrite: 'Rules.Write' },
  { plural: 'lockdowns', singular: 'lockdown', mayWrite: 'Lockdown.Write' },
]

/** As a lockdown, but for the `id`. */
const lockdownWithoutId = anyObject.describe('A lockdown without its id.')
const versionPage = z.strictObject({
  versions: z.array(listedVersion),
  unreadable: z.array(z.string()).optional(),
  continuation: z.string().optional(),
})

/** Every kind of document is reached alike. */
export function documentRows(schemas: DocumentSchemas): readonly RouteRow[] {
  return documents.flatMap(document => {
    const schema = schemas[document.singular]
    // A list of rules without a target has the guardrails among them, which are the rules of every target.
    const listed = document.plural === 'rules' ? z.union([schema, schemas.guardrail]) : schema
    return rowsOf(document, schema, listed)
  })
}

function rowsOf(
  { plural, singular, mayWrite, place = '{id}' }: DocumentRow,
  schema: z.ZodType,
  inList: z.ZodType,
): readonly RouteRow[] {
  const one = `manage/${plural}/${place}`
  const isLockdown = plural === 'lockdowns'
  const stored = storedAs(singular, schema)
  const listed = z.strictObject({ [singular]: inList, etag: z.string() })
  const query = documentQueries[plural]
  const row = (route: string, operations: RouteRow['operations']): RouteRow => ({ route, family: 'manage', operations })
  const read = (summary: string, answer: z.ZodType, errors: readonly number[] = [404]): Operation => {
    return { summary, roles: readers, answers: { 200: answer }, errors }
  }
  const conditions = ['if-match', 'if-none-match'] as const
  const writing = { roles: [mayWrite], conditions, errors: [404, 412, 422, 428] }
  return [
    row(`manage/${plural}`, {
      get: { ...read(`Lists ${plural}.`, pageOf(plural, listed), []), query },
      ...(isLockdown && {
        post: {
          summary: 'Locks down, under an id that it is given.',
          roles: [mayWrite],
          query: dryRunQuery,
          body: { type: 'application/json', schema: lockdownWithoutId },
          answers: { 200: rehearsed, 201: stored },
          errors: [422],
        },
      }),
    }),
    row(one, {
      get: read(`Reads a ${singular}.`, stored),
      put: {
        ...writing,
        summary: `Creates or replaces a ${singular}.`,
        query: dryRunQuery,
        body: { type: 'application/json', schema },
        answers: savedOf(singular, schema),
      },
      delete: {
        ...writing,
        summary: `Removes a ${singular}.`,
        query: plural === 'rules' ? leavingQuery : dryRunQuery,
        answers: { 200: z.union([removed, rehearsed]), 202: proposed },
      },
    }),
    row(`${one}/versions`, {
      get: {
        ...read(`Lists the versions of a ${singular}, the newest first.`, versionPage),
        query: versionsQuery,
      },
    }),
    row(`${one}/versions/{version}`, {
      get: read(`Reads a version of a ${singular}.`, z.strictObject({ version })),
    }),
    row(`${one}/versions/{version}/restore`, {
      post: {
        ...writing,
        summary: `Saves a version of a ${singular} again.`,
        query: dryRunQuery,
        answers: { 200: z.union([stored, rehearsed]), 202: proposed },
      },
    }),
  ]
}

function storedAs(singular: DocumentSchemaName, schema: z.ZodType): z.ZodType {
  const stored = z.strictObject({ [singular]: schema, etag: z.string(), inForceWithin: z.int() })
  return singular === 'lockdown' ? stored.extend({ matchingLeases: matchingLeases.optional() }) : stored
}

/** The answers to a save: replaced or tried, created, proposed. */
export function savedOf(singular: DocumentSchemaName, schema: z.ZodType): Operation['answers'] {
  const stored = storedAs(singular, schema)
  return { 200: z.union([stored, rehearsed]), 201: stored, 202: proposed }
}
