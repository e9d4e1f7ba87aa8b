import type { Draft } from '../../shared/document-editor.ts'
import type { EditedContainer } from '../../shared/document-kind.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { DocumentDraft } from '../../shared/rules/document-draft.ts'
import type { ImpactReport } from '../../shared/rules/impact-report.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import type { OperatorRole } from './operator.ts'

/** A change as far as it matters to what it would come to. */
export function documentDraft(container: EditedContainer, draft: Draft): DocumentDraft {
  const { name } = draft
  return draft.action === 'put' ? { container, name, document: draft.document } : { container, name }
}

/**
 * What a change would come to besides what would be different: warnings, and whose recorded requests would be decided
 * otherwise; of a lockdown, how many live leases it names.
 */
export async function foresee(
  { whatIf, lockedLeases }: ManageGateway,
  draft: DocumentDraft,
  operator: Workload,
): Promise<Readonly<Record<string, unknown>>> {
  switch (draft.container) {
    case 'posture':
      return {}
    case 'lockdowns': {
      const found = await lockedLeases(draft.document)
      return found ? { matchingLeases: found } : {}
    }
    case 'rules':
    case 'targets':
    case 'issuers':
    case 'calendars': {
      const [lint, impact] = await Promise.all([whatIf.lint(draft), whatIf.impact(draft)])
      return { lint: lint.warnings, lintComplete: lint.complete, impact: impactFor(operator, impact) }
    }
  }
}

/** Whoever may read every decision may see whose they are. A namespace's suffix does not do: a sample is of all of them. */
const mayReadDecisions: OperatorRole = 'Decisions.Read'

/** What an operator is told of an impact: who asked for what is told by the decision log, so to its readers only. */
export function impactFor({ entra }: Workload, impact: ImpactReport) {
  if (entra?.roles?.includes(mayReadDecisions)) return impact
  const { newlyDenied: _denied, newlyAllowed: _allowed, ...told } = impact
  return { ...told, withheld: `newlyDenied and newlyAllowed, by workload: expected the app role ${mayReadDecisions}` }
}
