import canonicalize from 'canonicalize'
import { v7 as uuid } from 'uuid'
import { adminEntry } from './admin-entry.ts'
import type { Changes } from './cosmos-changes.ts'
import type { DecisionLog } from './decisions/record.ts'
import type { Changed } from './document-change.ts'
import type { DocumentEditor, Draft, Proposal } from './document-editor.ts'
import type { EditedContainer } from './document-kind.ts'
import { type ApprovalSources, approvalNeeded } from './needs-approval.ts'
import { changeRetention, isSamePerson, lapseOf, type PendingChange, proposerOf, standingOf } from './pending-change.ts'
import { changeOnRecord } from './record-change.ts'
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

  async function propose(
    container: EditedContainer,
    proposal: Proposal,
    operator: Workload,
    leases: PendingChange['leases'],
  ): Promise<Changed | Proposed> {
    const rehearsed = await editors[container].rehearse(proposal)
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
    guard(container) {
      const editor = editors[container]
      return {
        ...editor,
        needsApproval: draft => needsApproval(container, draft),
        async save(proposal, operator, leases) {
          if (await needsApproval(container, proposal)) return propose(container, proposal, operator, leases)
          return editor.save(proposal, operator)
        },
      }
    },

    async approve(id, operator) {
      const found = await changes.read(id)
      if (!found) return { kind: 'unknown' }
      const { change } = found
      const standing = standingOf(change, now())
      if (standing === 'lapsed') return { kind: 'lapsed' }
      if (standing !== 'proposed') return { kind: 'settled', state: standing }
      const approver = proposerOf(operator)
      if (approver.principal !== 'user' && !byApplications) return { kind: 'not-a-person' }
      if (isSamePerson(change.proposedBy, approver)) return { kind: 'same-person' }
      const settled = { settledBy: approver, settledAt: new Date(now()).toISOString() }
      const claimed = await changes.replace({ ...change, ...settled, state: 'approving' }, found.etag)
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
      const settled = { settledBy: proposerOf(operator), settledAt: new Date(now()).toISOString() }
      return changeOnRecord<Withdrawal>(decisions, entryAbout(found.change, 'withdraw', operator), async () => {
        const withdrawn = await changes.replace({ ...found.change, ...settled, state: 'withdrawn' }, found.etag)
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

function entryAbout(change: PendingChange, action: 'propose' | 'withdraw', operator: Workload) {
  const { container, name, document, expected, proposedBy } = change
  const before = expected === 'absent' ? undefined : expected.etag
  const approval = { change: change.id, proposedBy }
  return adminEntry({ decision: uuid(), action, container, name, content: document, operator, before, approval })
}
