import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'

/** `/manage/calendars`: named days that time windows know. */
export function registerCalendars(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'calendars',
    singular: 'calendar',
    editor: manage.documents.calendars,
    partition: 'id',
    mayRead: readers,
    mayWrite: ['Rules.Write'],
  })
}
