import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'

/** `/manage/targets`: what can be asked for, and where it is. */
export function registerTargets(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'targets',
    singular: 'target',
    container: 'targets',
    partition: 'id',
    mayRead: readers,
    mayWrite: ['Trust.Write'],
  })
}
