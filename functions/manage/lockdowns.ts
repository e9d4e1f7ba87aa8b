import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'

/** `/manage/lockdowns`: what ends access, now. */
export function registerLockdowns(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'lockdowns',
    singular: 'lockdown',
    editor: manage.documents.lockdowns,
    partition: 'id',
    mayRead: readers,
    mayWrite: ['Lockdown.Write'],
  })
}
