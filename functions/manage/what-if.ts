import type { ManageGateway } from '../../shared/gateway.ts'
import type { RuleDraft } from '../../shared/rules/what-if.ts'

/** What a dry run tells of a rule: warnings, and what would have become of recorded decisions. */
export async function foreseeRule({ whatIf }: ManageGateway, draft: RuleDraft) {
  const [lint, impact] = await Promise.all([whatIf.lint(draft), whatIf.impact(draft)])
  return { lint, impact }
}
