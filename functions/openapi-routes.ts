import { z } from 'zod'
import { goneBody } from './manage/attest-lease.ts'
import { changeQuery } from './manage/changes.ts'
import { decisionQuery } from './manage/decisions.ts'
import { impactBody } from './manage/impact.ts'
import { leaseQuery } from './manage/lease-query.ts'
import { readers } from './manage/operator.ts'
import { revokeBody } from './manage/revoke-leases.ts'
import { dryRunQuery } from './manage/search-query.ts'
import {
  anyObject,
  checkAsked,
  exchangeForm,
  health,
  issued,
  issuerCheckBody,
  issuerChecked,
  metadata,
  pageOf,
  revocationForm,
  revoked,
  targetChecked,
} from './openapi-answers.ts'
import { documentRows, savedOf } from './openapi-document-rows.ts'
import {
  access,
  approved,
  change,
  changeRead,
  decisionRead,
  endedRuleLeases,
  evaluation,
  impactReport,
  leaseAttested,
  leaseRead,
  leaseRevoked,
  leasesFound,
  leasesRevoked,
  listedLease,
  logRecord,
  question,
  signalRead,
  signalRemoved,
  signalWritten,
  withdrawn,
} from './openapi-manage-answers.ts'
import type { DocumentSchemas, Operation, RouteRow } from './openapi-row.ts'

const form = 'application/x-www-form-urlencoded'
const json = 'application/json'

/** Every HTTP function that the app registers, one row each. A test holds the table against the functions, and real answers against it. */
export function routeRows(schemas: DocumentSchemas): readonly RouteRow[] {
  const ofDocuments = [...documentRows(schemas), iCalendarRow(schemas), ...postureRows(schemas)]
  return [...openRows, ...oauthRows, ...ofDocuments, ...operationRows, ...checkRows, unknownRow]
}

const get = (summary: string, answer: z.ZodType): RouteRow['operations'] => ({
  get: { summary, answers: { 200: answer } },
})

const openRows: readonly RouteRow[] = [
  { route: 'openapi.json', family: 'open', operations: get('This description.', anyObject) },
  { route: 'health/live', family: 'open', operations: get('Whether the process answers.', health) },
  {
    route: 'health/ready',
    family: 'open',
    operations: {
      get: { summary: 'Whether a request could be decided now.', answers: { 200: health, 503: health } },
    },
  },
  ...['oauth-authorization-server', 'openid-configuration'].map(name => ({
    route: `.well-known/${name}`,
    family: 'open' as const,
    operations: get('The metadata of this authorization server (RFC 8414).', metadata),
  })),
]

const oauthRows: readonly RouteRow[] = [
  {
    route: 'token',
    family: 'oauth',
    operations: {
      post: {
        summary: 'Exchanges a workload token for a credential (RFC 8693).',
        body: { type: form, schema: exchangeForm },
        answers: { 200: issued },
        errors: [429],
      },
    },
  },
  {
    route: 'revoke',
    family: 'oauth',
    operations: {
      post: {
        summary: 'Gives a credential back (RFC 7009).',
        body: { type: form, schema: revocationForm },
        answers: { 200: revoked },
        errors: [429],
      },
    },
  },
]

function postureRows({ signal }: DocumentSchemas): readonly RouteRow[] {
  const roles = ['Posture.Write'] as const
  const subjects = {
    cluster: '{issuer}',
    namespace: '{issuer}/{namespace}',
    node: '{issuer}/{node}',
    serviceAccount: '{issuer}/{namespace}/{name}',
    pod: '{issuer}/{namespace}/{name}',
  }
  const operations: RouteRow['operations'] = {
    get: {
      summary: 'Reads a signal.',
      roles: [...readers, ...roles],
      answers: { 200: signalRead },
      errors: [404],
    },
    put: {
      summary: 'Says what a scanner observed.',
      roles,
      body: { type: json, schema: z.union([signal, anyObject]) },
      answers: { 200: signalWritten },
      errors: [404, 409, 422],
    },
    delete: { summary: 'Removes a signal.', roles, answers: { 200: signalRemoved }, errors: [404] },
  }
  const paths = Object.entries(subjects).map(([kind, names]) => `/manage/posture/${kind}/${names}/{signal}`)
  return [{ route: 'manage/posture/{*path}', paths, family: 'manage', operations }]
}

const row = (route: string, operations: RouteRow['operations']): RouteRow => ({
  route: `manage/${route}`,
  family: 'manage',
  operations,
})
const accessQuery = z.strictObject({
  target: z.string().optional().describe('Who can reach it. Or:'),
  namespace: z.string().optional().describe('What it can reach.'),
  issuer: z.string().optional(),
  continuation: z.string().optional(),
})

function iCalendarRow({ calendar }: DocumentSchemas): RouteRow {
  return row('calendars/{id}/icalendar', {
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

const operationRows: readonly RouteRow[] = [
  row('rules/{target}/{id}/revoke-leases', {
    post: {
      summary: 'Ends the leases that a removed rule left behind.',
      roles: ['Rules.Write', 'Leases.Revoke'],
      answers: { 200: z.strictObject({ leases: endedRuleLeases }) },
      errors: [404, 409],
    },
  }),
  row('changes', {
    get: {
      summary: 'Lists changes that wait for a second person.',
      roles: readers,
      query: changeQuery,
      answers: { 200: pageOf('changes', change) },
    },
  }),
  row('changes/{change}', {
    get: { summary: 'Reads a change.', roles: readers, answers: { 200: changeRead }, errors: [404] },
  }),
  row('changes/{change}/approve', {
    post: {
      summary: 'Approves a change of another person, which takes effect.',
      roles: ['Rules.Approve'],
      answers: { 200: approved },
      errors: [404, 409, 410, 412, 422],
    },
  }),
  row('changes/{change}/withdraw', {
    post: {
      summary: 'Withdraws a change: one of its own, one that it could propose, or one that it could approve.',
      roles: readers,
      answers: { 200: withdrawn },
      errors: [404, 409],
    },
  }),
  row('evaluate', { post: asking('What would be decided, with the trace of every rule.', question, evaluation) }),
  row('impact', {
    post: { ...asking('What a draft would have made of recorded decisions.', impactBody, impactReport), errors: [422] },
  }),
  row('access', {
    get: {
      summary: 'Who can reach a target, or what a namespace can reach.',
      roles: readers,
      query: accessQuery,
      answers: { 200: access },
      errors: [404],
    },
  }),
  row('decisions', {
    get: {
      summary: 'Searches the decision log.',
      roles: ['Decisions.Read'],
      query: decisionQuery,
      answers: { 200: pageOf('decisions', logRecord) },
      otherAnswers: { 200: { 'application/jsonl': z.string() } },
      headers: { 'x-causeway-continuation': 'Of JSON Lines: where the search goes on.' },
    },
  }),
  row('decisions/{decision}', {
    get: {
      summary: 'Reads what is on record about a decision.',
      roles: ['Decisions.Read'],
      answers: { 200: decisionRead },
      errors: [404],
    },
  }),
  row('leases', {
    get: {
      summary: 'Searches leases.',
      roles: ['Leases.Read', 'Leases.Revoke'],
      query: leaseQuery,
      answers: { 200: pageOf('leases', listedLease) },
    },
  }),
  row('leases/revoke', {
    post: {
      summary: 'Ends the leases that match, after a dry run.',
      roles: ['Leases.Revoke'],
      query: dryRunQuery,
      body: { type: json, schema: revokeBody },
      answers: { 200: leasesFound, 202: leasesRevoked },
      errors: [409, 428],
    },
  }),
  row('leases/{lease}', {
    get: {
      summary: 'Reads a lease.',
      roles: ['Leases.Read', 'Leases.Revoke'],
      answers: { 200: leaseRead },
      errors: [404],
    },
  }),
  row('leases/{lease}/revoke', {
    post: { summary: 'Ends a lease.', roles: ['Leases.Revoke'], answers: { 202: leaseRevoked }, errors: [404] },
  }),
  row('leases/{lease}/gone', {
    post: {
      summary: 'Says that the account of a stuck lease is gone, with its server.',
      roles: ['Leases.Revoke'],
      body: { type: json, schema: goneBody },
      answers: { 202: leaseAttested },
      errors: [404, 409],
    },
  }),
]

function asking(summary: string, schema: z.ZodType, answer: z.ZodType): Operation {
  return { summary, roles: readers, body: { type: json, schema }, answers: { 200: answer } }
}

/** What nobody should ask for is not described. */
const unknownRow: RouteRow = { ...row('{*path}', {}), paths: [] }

const checkRows: readonly RouteRow[] = [
  row('targets/{id}/check', {
    post: {
      summary: 'Asks for a check of a target, which the timers answer.',
      roles: ['Trust.Write'],
      answers: { 202: checkAsked },
      errors: [404],
    },
  }),
  row('checks/{id}', {
    get: { summary: 'Reads a check.', roles: ['Trust.Write'], answers: { 200: targetChecked }, errors: [404] },
  }),
  row('issuers/{id}/check', {
    post: {
      summary: 'Checks an issuer, and a token of it.',
      roles: ['Trust.Write'],
      body: { type: json, schema: issuerCheckBody, isOptional: true },
      answers: { 200: issuerChecked },
      errors: [404],
    },
  }),
]
