import { v7 as uuid } from 'uuid'
import type { CheckEntry, DecisionLog } from './decisions/record.ts'

/** Who checks what, and where that is recorded. */
export type CheckOnRecord = Pick<CheckEntry, 'operator' | 'document'> & { readonly decisions: DecisionLog }

/** Does `work` between its intent and its outcome on record. Throws what it throws, and 503 where the intent cannot be kept. */
export async function onRecord<T>({ decisions, ...about }: CheckOnRecord, work: () => Promise<T>): Promise<T> {
  const entry: Omit<CheckEntry, 'outcome'> = { kind: 'admin', action: 'check', decision: uuid(), ...about }
  const follows = await decisions.write({ ...entry, outcome: 'intended' })
  const settle = (outcome: 'done' | 'failed') => decisions.write({ ...entry, outcome, follows }).catch(() => undefined)
  try {
    const result = await work()
    await settle('done')
    return result
  } catch (error) {
    await settle('failed')
    throw error
  }
}
