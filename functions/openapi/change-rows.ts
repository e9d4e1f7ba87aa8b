import { z } from 'zod'
import { standings } from '../../shared/pending-change.ts'
import { changeQuery } from '../manage/changes.ts'
import { readers } from '../manage/operator.ts'
import { inForceWithin, pageOf, time } from './answers.ts'
import { differences, endedRuleLeases } from './document-answers.ts'
import { manageRow, type RouteRow } from './row.ts'

/** A change that waits for a second person, or did. */
const change = z.looseObject({
  id: z.guid(),
  state: z.enum(standings),
  container: z.string(),
  name: z.strictObject({ id: z.string(), partition: z.string() }),
  action: z.enum(['put', 'remove']),
  document: z.unknown().optional(),
  proposedAt: time,
  lapsesAt: time,
})

const changeRead = z.strictObject({
  change,
  diff: differences.optional(),
  lint: z.unknown().optional(),
  lintComplete: z.boolean().optional(),
  impact: z.unknown().optional(),
  isOutdated: z.boolean(),
})

/** An approved change took effect: with the new ETag, or without a document. */
const approved = z.strictObject({
  change: z.guid(),
  state: z.literal('approved'),
  etag: z.string().optional(),
  removed: z.literal(true).optional(),
  inForceWithin,
  leases: endedRuleLeases.optional(),
})

const withdrawn = z.strictObject({ change: z.guid(), state: z.literal('withdrawn') })

/** Changes that wait for a second person. */
export const changeRows: readonly RouteRow[] = [
  manageRow('changes', {
    get: {
      summary: 'Lists changes that wait for a second person.',
      roles: readers,
      query: changeQuery,
      answers: { 200: pageOf('changes', change) },
    },
  }),
  manageRow('changes/{change}', {
    get: { summary: 'Reads a change.', roles: readers, answers: { 200: changeRead }, errors: [404] },
  }),
  manageRow('changes/{change}/approve', {
    post: {
      summary: 'Approves a change of another person, which takes effect.',
      roles: ['Rules.Approve'],
      answers: { 200: approved },
      errors: [404, 409, 410, 412, 422],
    },
  }),
  manageRow('changes/{change}/withdraw', {
    post: {
      summary: 'Withdraws a change: one of its own, one that it could propose, or one that it could approve.',
      roles: readers,
      answers: { 200: withdrawn },
      errors: [404, 409],
    },
  }),
]
