import { z } from 'zod'
import { type DocumentPlural, documentQueries } from '../manage/document-query.ts'
import { type OperatorRole, readers } from '../manage/operator.ts'
import { anyObject, dryRun, pageOf } from './answers.ts'
import { listedVersion, matchingLeases, proposed, rehearsed, removed, version } from './document-answers.ts'
import { type DocumentSchemaName, type DocumentSchemas, manageRow, type Operation, type RouteRow } from './row.ts'

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

const removing = dryRun.extend({
  leases: z.enum(['keep', 'revoke']).optional().describe('Of rules, required: what becomes of their leases.'),
})
/** As a lockdown, but for the `id`. */
const lockdownWithoutId = anyObject.describe('A lockdown without its id.')
const versionPage = z.strictObject({
  versions: z.array(listedVersion),
  unreadable: z.array(z.string()).optional(),
  continuation: z.string().optional(),
})

/** Every kind of document is reached alike; a calendar may be made of another format, too. */
export function documentRows(schemas: DocumentSchemas): readonly RouteRow[] {
  const ofEach = documents.flatMap(document => {
    const schema = schemas[document.singular]
    // A list of rules without a target has the guardrails among them, which are the rules of every target.
    const listed = document.plural === 'rules' ? z.union([schema, schemas.guardrail]) : schema
    return rowsOf(document, schema, listed)
  })
  return [...ofEach, iCalendarRow(schemas)]
}

function rowsOf(
  { plural, singular, mayWrite, place = '{id}' }: DocumentRow,
  schema: z.ZodType,
  inList: z.ZodType,
): readonly RouteRow[] {
  const one = `${plural}/${place}`
  const isLockdown = plural === 'lockdowns'
  const stored = storedAs(singular, schema)
  const listed = z.strictObject({ [singular]: inList, etag: z.string() })
  const query = documentQueries[plural]
  const read = (summary: string, answer: z.ZodType, errors: readonly number[] = [404]): Operation => {
    return { summary, roles: readers, answers: { 200: answer }, errors }
  }
  const conditions = ['if-match', 'if-none-match'] as const
  const writing = { roles: [mayWrite], conditions, errors: [404, 412, 422, 428] }
  return [
    manageRow(plural, {
      get: { ...read(`Lists ${plural}.`, pageOf(plural, listed), []), query },
      ...(isLockdown && {
        post: {
          summary: 'Locks down, under an id that it is given.',
          roles: [mayWrite],
          query: dryRun,
          body: { schema: lockdownWithoutId },
          answers: { 200: rehearsed, 201: stored },
          errors: [422],
        },
      }),
    }),
    manageRow(one, {
      get: read(`Reads a ${singular}.`, stored),
      put: {
        ...writing,
        summary: `Creates or replaces a ${singular}.`,
        query: dryRun,
        body: { schema },
        answers: savedOf(singular, schema),
      },
      delete: {
        ...writing,
        summary: `Removes a ${singular}.`,
        query: removing,
        answers: { 200: z.union([removed, rehearsed]), 202: proposed },
      },
    }),
    manageRow(`${one}/versions`, {
      get: {
        ...read(`Lists the versions of a ${singular}, the newest first.`, versionPage),
        query: z.strictObject({ continuation: z.string().optional() }),
      },
    }),
    manageRow(`${one}/versions/{version}`, {
      get: read(`Reads a version of a ${singular}.`, z.strictObject({ version })),
    }),
    manageRow(`${one}/versions/{version}/restore`, {
      post: {
        ...writing,
        summary: `Saves a version of a ${singular} again.`,
        query: dryRun,
        answers: { 200: z.union([stored, rehearsed]), 202: proposed },
      },
    }),
  ]
}

function iCalendarRow({ calendar }: DocumentSchemas): RouteRow {
  return manageRow('calendars/{id}/icalendar', {
    post: {
      summary: 'Makes a calendar of an iCalendar (RFC 5545).',
      roles: ['Rules.Write'],
      query: dryRun,
      conditions: ['if-match', 'if-none-match'],
      body: { type: 'text/calendar', schema: z.string() },
      answers: savedOf('calendar', calendar),
      errors: [404, 412, 422, 428],
    },
  })
}

function storedAs(singular: DocumentSchemaName, schema: z.ZodType): z.ZodType {
  const stored = z.strictObject({ [singular]: schema, etag: z.string(), inForceWithin: z.int() })
  return singular === 'lockdown' ? stored.extend({ matchingLeases: matchingLeases.optional() }) : stored
}

/** The answers to a save: replaced or tried, created, proposed. */
function savedOf(singular: DocumentSchemaName, schema: z.ZodType): Operation['answers'] {
  const stored = storedAs(singular, schema)
  return { 200: z.union([stored, rehearsed]), 201: stored, 202: proposed }
}
