import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'
import { endLeasesOf, registerRuleLeases } from './rule-leases.ts'

/** `/manage/rules`, by target and id. Guardrails, in partition `*`, are not this route's to change. */
export function registerRules(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'rules',
    singular: 'rule',
    container: 'rules',
    partition: 'in-url',
    mayRead: readers,
    mayWrite: ['Rules.Write'],
    endLeases: (name, operator) => endLeasesOf(manage, name, operator),
  })
  registerRuleLeases(manage)
}
