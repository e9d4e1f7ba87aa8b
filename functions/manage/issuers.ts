import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'

/** `/manage/issuers`: whose tokens count. */
export function registerIssuers(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'issuers',
    singular: 'issuer',
    container: 'issuers',
    partition: 'id',
    mayRead: readers,
    mayWrite: ['Trust.Write'],
  })
}
