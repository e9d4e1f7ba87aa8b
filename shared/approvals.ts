import type { Changes } from './cosmos-changes.ts'
import type { DecisionLog } from './decisions/record.ts'
import type { Changed } from './document-change.ts'
import type { DocumentEditor, Proposal } from './document-editor.ts'
import type { EditedContainer } from './document-kind.ts'
import { type GuardedEditor, guardedEditor } from './guarded-editor.ts'
import { type ApprovalSources, approvalNeeded } from './needs-approval.ts'
import { isSamePerson, type PendingChange, proposerOf, standingOf } from './pending-change.ts'
import { changeOnRecord, entryAbout } from './record-change.ts'
import type { Workload } from './workload/workload.ts'

/** What became of an approval. Only `saved` changed anything. */
export type Approval =
  | { readonly kind: 'saved'; readonly change: PendingChange; readonly changed: Extract<Changed, { kind: 'changed' }> }
  | Exclude<Changed, { kind: 'changed' }>
  | { readonly kind: 'settled'; readonly state: string }
  | { readonly kind: 'unknown' | 'lapsed' | 'same-person' | 'not-a-person' }

/** What became of a withdrawal. */
export type Withdrawal =
  | { readonly kind: 'withdrawn' | 'unknown' }
  | { readonly kind: 'settled'; readonly state: string }

/** The desk at which second persons approve changes. */
export interface Approvals {
  guard(container: EditedContainer): GuardedEditor
  /** Makes exactly that change to exactly that version, once, whoever approves at the same time. */
  approve(id: string, operator: Workload): Promise<Approval>
  withdraw(id: string, operator: Workload): Promise<Withdrawal>
}

export interface ApprovalsOptions extends Omit<ApprovalSources, 'read'> {
  readonly changes: Changes
  readonly editors: Readonly<Record<EditedContainer, DocumentEditor>>
  readonly decisions: DecisionLog
  /** Whether an application counts as a second person. It never shares an object id with the person who holds it. */
  readonly byApplications: boolean
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Keeps changes of what says `requireApproval` until a second person approves them. */
export function openApprovals(options: ApprovalsOptions): Approvals {
  const { changes, editors, decisions, byApplications, now } = options
  const needsApproval = approvalNeeded({ ...options, read: (container, name) => editors[container].read(name) })

  /** Why a change is not for that operator to approve, or not any more. */
  function refusalOf(change: PendingChange, operator: Workload): Approval | undefined {
    const standing = standingOf(change, now())
    if (standing === 'lapsed') return { kind: 'lapsed' }
    if (standing !== 'proposed') return { kind: 'settled', state: standing }
    const approver = proposerOf(operator)
    if (approver.principal !== 'user' && !byApplications) return { kind: 'not-a-person' }
    return isSamePerson(change.proposedBy, approver) ? { kind: 'same-person' } : undefined
  }

  const settledBy = (operator: Workload) => ({
    settledBy: proposerOf(operator),
    settledAt: new Date(now()).toISOString(),
  })

  return {
    guard: container =>
      guardedEditor({ container, editor: editors[container], needsApproval, changes, decisions, now }),

    async approve(id, operator) {
      const found = await changes.read(id)
      if (!found) return { kind: 'unknown' }
      const { change } = found
      const refusal = refusalOf(change, operator)
      if (refusal) return refusal
      const claimed = await changes.replace({ ...change, ...settledBy(operator), state: 'approving' }, found.etag)
      if (!claimed) return { kind: 'settled', state: 'approving' }
      const approval = { change: id, proposedBy: change.proposedBy }
      // Somebody approved it before, and died or got no answer: the change may be in force since.
      const again = change.state === 'approving'
      const changed = await editors[change.container].save(proposalOf(change), operator, { approval, again })
      const state = changed.kind === 'changed' ? 'approved' : 'refused'
      // The change is made: if its state cannot be kept now, a later approval finds the document changed.
      await changes.replace({ ...claimed.change, state }, claimed.etag).catch(() => undefined)
      return changed.kind === 'changed' ? { kind: 'saved', change: claimed.change, changed } : changed
    },

    async withdraw(id, operator) {
      const found = await changes.read(id)
      if (!found) return { kind: 'unknown' }
      const standing = standingOf(found.change, now())
      if (standing !== 'proposed' && standing !== 'lapsed') return { kind: 'settled', state: standing }
      return changeOnRecord<Withdrawal>(decisions, entryAbout(found.change, 'withdraw', operator), async () => {
        const withdrawn = await changes.replace(
          { ...found.change, ...settledBy(operator), state: 'withdrawn' },
          found.etag,
        )
        if (!withdrawn) return { result: { kind: 'settled', state: 'approving' }, outcome: 'failed' }
        return { result: { kind: 'withdrawn' }, outcome: 'done' }
      })
    },
  }
}

/** The change that was proposed, as it was. */
export function proposalOf({ action, name, document, expected }: PendingChange): Proposal {
  if (action === 'put') return { action, name, document, expected }
  if (expected === 'absent') throw new Error('what is not there cannot be removed')
  return { action, name, expected }
}
