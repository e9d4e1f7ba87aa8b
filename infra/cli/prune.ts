import { z } from 'zod'
import type { Change } from './changes.ts'
import { UsageError } from './usage-error.ts'

export const pruneUsage = `  --prune         what the gateway has and the folder has not counts as removed: of the kinds of which the folder has any
  --prune-at-most N
                  with --prune: how many may be removed at once (default: 10)`

/** What commands take that may remove documents. */
export const pruneOptions = {
  prune: { type: 'boolean', default: false },
  'prune-at-most': { type: 'string' },
} as const

/** A folder that is not what somebody thought it to be looks like many removals. */
const usualRemovals = 10

const count = z
  .string()
  .regex(/^\d{1,6}$/)
  .transform(Number)

/** How many documents may be removed. Throws {@link UsageError}. */
export function mostRemovals(values: {
  readonly prune: boolean
  readonly 'prune-at-most'?: string | undefined
}): number {
  const given = values['prune-at-most']
  if (given === undefined) return usualRemovals
  if (!values.prune) throw new UsageError('--prune-at-most goes with --prune')
  const parsed = count.safeParse(given)
  if (!parsed.success) throw new UsageError('--prune-at-most: expected a number')
  return parsed.data
}

/** What is wrong with changes of which more are removals than may be; undefined where nothing is. */
export function tooManyRemovals(changes: readonly Change[], most: number): string | undefined {
  const removals = changes.filter(({ action }) => action === 'remove').length
  return removals > most
    ? `${removals} would be removed, more than ${most}: --prune-at-most ${removals} allows it`
    : undefined
}
