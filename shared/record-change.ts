import { v7 as uuid } from 'uuid'
import { adminEntry } from './admin-entry.ts'
import { isRefusedByCosmos } from './cosmos-error.ts'
import type { AdminEntry, DecisionLog } from './decisions/record.ts'
import type { PendingChange } from './pending-change.ts'
import type { Workload } from './workload/workload.ts'

/** What came of what an operator did, and as what it is recorded. */
export interface Done<Result> extends Pick<AdminEntry, 'outcome' | 'after'> {
  readonly result: Result
}

/**
 * Does what an operator intends: nothing is done without a record of it before, nor left without one of what came of it.
 * Throws 503 where the intent cannot be kept. If the outcome cannot be kept, the intent and what is there tell it.
 */
export async function changeOnRecord<Result>(
  decisions: DecisionLog,
  entry: Omit<AdminEntry, 'outcome' | 'after' | 'follows'>,
  act: () => Promise<Done<Result>>,
): Promise<Result> {
  const follows = await decisions.write({ ...entry, outcome: 'intended' })
  const tell = (outcome: Pick<AdminEntry, 'outcome' | 'after'>) =>
    decisions.write({ ...entry, ...outcome, follows }).catch(() => undefined)
  try {
    const { result, ...outcome } = await act()
    await tell(outcome)
    return result
  } catch (error) {
    await tell({ outcome: isRefusedByCosmos(error) ? 'failed' : 'unclear' })
    throw error
  }
}

/** What is put on record of a change that waits for a second person, but for the outcome. */
export function entryAbout(change: PendingChange, action: 'propose' | 'withdraw', operator: Workload) {
  const { container, name, document, expected, proposedBy } = change
  const before = expected === 'absent' ? undefined : expected.etag
  const approval = { change: change.id, proposedBy }
  return adminEntry({ decision: uuid(), action, container, name, content: document, operator, before, approval })
}
