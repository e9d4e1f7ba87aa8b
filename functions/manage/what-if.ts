import type { ManageGateway } from '../../shared/gateway.ts'
import type { ImpactReport, RuleDraft } from '../../shared/rules/what-if.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import type { OperatorRole } from './operator.ts'

/** What a dry run tells of a rule: warnings, and what would have become of recorded decisions. */
export async function foreseeRule({ whatIf }: ManageGateway, draft: RuleDraft, operator: Workload) {
  const [lint, impact] = await Promise.all([whatIf.lint(draft), whatIf.impact(draft)])
  return { lint: lint.warnings, lintComplete: lint.complete, impact: impactFor(operator, impact) }
}

/** Whoever may read every decision may see whose they are. A namespace's suffix does not do: a sample is of all of them. */
const mayReadDecisions: OperatorRole = 'Decisions.Read'

/** What an operator is told of an impact: who asked for what is told by the decision log, so to its readers only. */
export function impactFor({ entra }: Workload, impact: ImpactReport) {
  if (entra?.roles?.includes(mayReadDecisions)) return impact
  const { newlyDenied: _denied, newlyAllowed: _allowed, ...told } = impact
  return { ...told, withheld: `newlyDenied and newlyAllowed, by workload: expected the app role ${mayReadDecisions}` }
}
