import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'
import { foreseeRule } from './what-if.ts'

/** `/manage/guardrails`: denies and limits for every target. */
export function registerGuardrails(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'guardrails',
    singular: 'guardrail',
    editor: manage.documents.rules,
    partition: { fixed: '*' },
    mayRead: readers,
    mayWrite: ['Rules.Write'],
    foresee: (draft, operator) => foreseeRule(manage, draft, operator),
  })
}
