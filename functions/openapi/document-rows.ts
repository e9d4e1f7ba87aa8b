import { z } from 'zod'
import { type DocumentPlural, documentQueries } from '../manage/document-query.ts'
import { versionsQuery } from '../manage/documents.ts'
import { type OperatorRole, readers } from '../manage/operator.ts'
import { leavingQuery } from '../manage/save-document.ts'
import { dryRunQuery } from '../manage/search-query.ts'
import { anyObject, pageOf } from './answers.ts'
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

/** As a lockdown, but for the `id`. */
const lockdownWithoutId = anyObject.describe('A lockdown without its id.')
const versionPage = z.strictObject({
  versions: z.array(listedVersion),
  unreadable: z.array(z.string()).optional(),
  continuation: z.string().optional(),
})

/** Every kind of document is reached alike; a calendar may be made of another format, too. */
export function documentRows(schemas: DocumentSchemas): readonly RouteRow[] {
  const ofEach = documents.flatMap(document => [
    listRow(document, schemas),
    oneRow(document, schemas),
    ...versionRows(document, schemas),
  ])
  return [...ofEach, iCalendarRow(schemas)]
}

function listRow({ plural, singular, mayWrite }: DocumentRow, schemas: DocumentSchemas): RouteRow {
  const schema = schemas[singular]
  // A list of rules without a target has the guardrails among them, which are the rules of every target.
  const inList = plural === 'rules' ? z.union([schema, schemas.guardrail]) : schema
  const listed = z.strictObject({ [singular]: inList, etag: z.string() })
  return manageRow(plural, {
    get: { ...reading(`Lists ${plural}.`, pageOf(plural, listed), []), query: documentQueries[plural] },
    ...(plural === 'lockdowns' && {
      post: {
        summary: 'Locks down, under an id that it is given.',
        roles: [mayWrite],
        query: dryRunQuery,
        body: { schema: lockdownWithoutId },
        answers: { 200: rehearsed, 201: storedAs(singular, schema) },
        errors: [422],
      },
    }),
  })
}

function oneRow(document: DocumentRow, schemas: DocumentSchemas): RouteRow {
  const { plural, singular } = document
  const schema = schemas[singular]
  return manageRow(placeOf(document), {
    get: reading(`Reads a ${singular}.`, storedAs(singular, schema)),
    put: {
      ...writing(document),
      summary: `Creates or replaces a ${singular}.`,
      query: dryRunQuery,
      body: { schema },
      answers: savedOf(singular, schema),
    },
    delete: {
      ...writing(document),
      summary: `Removes a ${singular}.`,
      query: plural === 'rules' ? leavingQuery : dryRunQuery,
      answers: { 200: z.union([removed, rehearsed]), 202: proposed },
    },
  })
}

function versionRows(document: DocumentRow, schemas: DocumentSchemas): readonly RouteRow[] {
  const { singular } = document
  const versions = `${placeOf(document)}/versions`
  return [
    manageRow(versions, {
      get: {
        ...reading(`Lists the versions of a ${singular}, the newest first.`, versionPage),
        query: versionsQuery,
      },
    }),
    manageRow(`${versions}/{version}`, {
      get: reading(`Reads a version of a ${singular}.`, z.strictObject({ version })),
    }),
    manageRow(`${versions}/{version}/restore`, {
      post: {
        ...writing(document),
        summary: `Saves a version of a ${singular} again.`,
        query: dryRunQuery,
        answers: { 200: z.union([storedAs(singular, schemas[singular]), rehearsed]), 202: proposed },
      },
    }),
  ]
}

function placeOf({ plural, place = '{id}' }: DocumentRow): string {
  return `${plural}/${place}`
}

function reading(summary: string, answer: z.ZodType, errors: readonly number[] = [404]): Operation {
  return { summary, roles: readers, answers: { 200: answer }, errors }
}

function writing({ mayWrite }: DocumentRow) {
  return { roles: [mayWrite], conditions: ['if-match', 'if-none-match'], errors: [404, 412, 422, 428] } as const
}

function iCalendarRow({ calendar }: DocumentSchemas): RouteRow {
  return manageRow('calendars/{id}/icalendar', {
    post: {
      summary: 'Makes a calendar of an iCalendar (RFC 5545).',
      roles: ['Rules.Write'],
      query: dryRunQuery,
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
