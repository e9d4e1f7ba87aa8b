import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'

/** `/manage/guardrails`: denies and limits for every target. */
export function registerGuardrails(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'guardrails',
    singular: 'guardrail',
    container: 'rules',
    partition: { fixed: '*' },
    mayRead: readers,
    mayWrite: ['Rules.Write'],
  })
}
