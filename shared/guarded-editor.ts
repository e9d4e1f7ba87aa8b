import canonicalize from 'canonicalize'
import { v7 as uuid } from 'uuid'
import type { Changes } from './cosmos-changes.ts'
import type { DecisionLog } from './decisions/record.ts'
import type { Changed } from './document-change.ts'
import type { DocumentEditor, Draft, Proposal } from './document-editor.ts'
import type { EditedContainer } from './document-kind.ts'
import { changeRetention, lapseOf, type PendingChange, proposerOf, standingOf } from './pending-change.ts'
import { changeOnRecord, entryAbout } from './record-change.ts'
import type { Workload } from './workload/workload.ts'

/** A change that was not made, and waits for a second person. */
export interface Proposed {
  readonly kind: 'proposed'
  readonly change: string
  readonly lapsesAt: string
}

/** Documents of one kind as operators change them: some of the changes only take effect when a second person approves. */
export interface GuardedEditor extends Omit<DocumentEditor, 'save'> {
  save(proposal: Proposal, operator: Workload, leases?: PendingChange['leases']): Promise<Changed | Proposed>
  /** Whether such a change, which could be made, waits for a second person. */
  needsApproval(draft: Draft): Promise<boolean>
}

export interface GuardedEditorOptions {
  readonly container: EditedContainer
  readonly editor: DocumentEditor
  readonly needsApproval: (container: EditedContainer, draft: Draft) => Promise<boolean>
  readonly changes: Changes
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Saves what needs no approval, and proposes the rest: once, however often it is asked for. */
export function guardedEditor(options: GuardedEditorOptions): GuardedEditor {
  const { container, editor, needsApproval, changes, decisions, now } = options

  async function propose(
    proposal: Proposal,
    operator: Workload,
    leases: PendingChange['leases'],
  ): Promise<Changed | Proposed> {
    const rehearsed = await editor.rehearse(proposal)
    if (rehearsed.kind !== 'acceptable') return rehearsed
    const at = now()
    const waiting = (await changes.proposedOf(container, proposal.name)).find(
      change => standingOf(change, at) === 'proposed' && isSame(change, { ...proposal, leases }),
    )
    if (waiting) return { kind: 'proposed', change: waiting.id, lapsesAt: waiting.lapsesAt }
    const change: PendingChange = {
      schema: 1,
      id: uuid(),
      state: 'proposed',
      container,
      ...proposal,
      ...(leases && { leases }),
      proposedBy: proposerOf(operator),
      proposedAt: new Date(at).toISOString(),
      lapsesAt: lapseOf(at),
      ttl: changeRetention,
    }
    return changeOnRecord(decisions, entryAbout(change, 'propose', operator), async () => {
      await changes.create(change)
      return { result: { kind: 'proposed', change: change.id, lapsesAt: change.lapsesAt }, outcome: 'done' }
    })
  }

  return {
    ...editor,
    needsApproval: draft => needsApproval(container, draft),
    async save(proposal, operator, leases) {
      if (await needsApproval(container, proposal)) return propose(proposal, operator, leases)
      return editor.save(proposal, operator)
    },
  }
}

/** Whether a change would do exactly that. */
function isSame(change: PendingChange, proposed: Proposal & Pick<PendingChange, 'leases'>): boolean {
  const saved = (document: unknown) => canonicalize(document ?? null)
  const document = proposed.action === 'put' ? proposed.document : undefined
  return (
    change.action === proposed.action &&
    change.leases === proposed.leases &&
    saved(change.expected) === saved(proposed.expected) &&
    saved(change.document) === saved(document)
  )
}
