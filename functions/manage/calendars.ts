import type { HttpResponseInit } from '@azure/functions'
import { documentId } from '../../shared/document.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import { readBody } from '../read-body.ts'
import { notThere } from './document-answers.ts'
import { registerDocuments } from './documents.ts'
import { managedRoutes } from './managed-route.ts'
import { asOperator, readers } from './operator.ts'
import { problem } from './problem.ts'
import { documentBytes, saveDocument, type Writing } from './save-document.ts'
import { dryRunQuery, methodNotAllowed } from './search-query.ts'

/** `/manage/calendars`: named days that time windows know. */
export function registerCalendars(manage: ManageGateway): void {
  const routes = registerDocuments(manage, {
    plural: 'calendars',
    singular: 'calendar',
    container: 'calendars',
    partition: 'id',
    mayRead: readers,
    mayWrite: ['Rules.Write'],
  })
  managedRoutes(manage)('calendar-icalendar', 'manage/calendars/{id}/icalendar', asked => {
    if (asked.request.method !== 'POST') return methodNotAllowed('POST')
    return asOperator(asked, { roles: routes.mayWrite, query: dryRunQuery }, (operator, query) =>
      saveICalendar({ ...asked, routes, operator, query }),
    )
  })
}

/** Makes a calendar of an iCalendar (RFC 5545), and saves it as any other. */
async function saveICalendar(writing: Writing): Promise<HttpResponseInit> {
  const { request, manage, routes } = writing
  const { success, data: id } = documentId.safeParse(request.params['id'])
  if (!success) return notThere(routes)
  const converted = manage.calendarFrom({ id, text: await readBody(request, documentBytes) })
  if ('calendar' in converted) {
    return saveDocument(writing, { name: { id, partition: id }, document: converted.calendar })
  }
  const problems = converted.problems.map(detail => ({ path: [], detail }))
  return problem(422, { detail: 'the iCalendar was not saved', problems })
}
