import { z } from 'zod'
import { anyObject, inForceWithin, time } from './answers.ts'

/** A version as it is listed: what it holds is read by its id. */
export const listedVersion = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  of: z.string(),
  at: time,
  operator: anyObject.optional().describe('Absent where it was not saved here: whoever deploys wrote it.'),
  state: z.enum(['intended', 'saved', 'refused']),
  etag: z.string().optional(),
  removed: z.boolean().describe('The change removed the document.'),
})
export const version = listedVersion.omit({ removed: true }).extend({
  content: z.unknown().optional().describe('Absent where the change removed the document.'),
})

/** Live leases that a lockdown names. `more`: there may be more of them. */
export const matchingLeases = z.strictObject({ found: z.int(), more: z.boolean() })

/** A change that waits for a second person. */
export const proposed = z.strictObject({ change: z.guid(), lapsesAt: time, next: z.string() })

/** What became of the leases of a removed rule. */
export const endedRuleLeases = z.strictObject({
  marked: z.int(),
  more: z.boolean(),
  again: z.string(),
  againAfter: z.int(),
})

const difference = z.strictObject({
  pointer: z.string(),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
})
export const differences = z.array(difference)

export const removed = z.strictObject({
  removed: z.literal(true),
  inForceWithin,
  leases: endedRuleLeases.optional().describe('Of rules.'),
})

/** Of lockdowns it tells how many live leases they name; of all others lint and impact. */
export const rehearsed = z.looseObject({
  dryRun: z.literal(true),
  diff: differences,
  lint: z.unknown().optional(),
  lintComplete: z.boolean().optional(),
  impact: z.unknown().optional(),
  matchingLeases: matchingLeases.optional(),
  requiresApproval: z.boolean(),
})
