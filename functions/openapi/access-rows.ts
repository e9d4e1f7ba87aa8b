import { z } from 'zod'
import { readers } from '../manage/operator.ts'
import { anyObject, texts } from './answers.ts'
import { manageRow, type RouteRow } from './row.ts'

const accessQuery = z.strictObject({
  target: z.string().optional().describe('Who can reach it. Or:'),
  namespace: z.string().optional().describe('What it can reach.'),
  issuer: z.string().optional(),
  continuation: z.string().optional(),
})
const conditions = texts.describe('Named, and not judged.')

const couldDeny = z.strictObject({
  rule: z.string(),
  target: z.string(),
  always: z.boolean(),
  scopes: texts.optional(),
  workloads: z.array(anyObject),
  conditions,
})

const reachableTarget = z.strictObject({
  target: z.string(),
  enabled: z.boolean(),
  allows: z.array(
    z.strictObject({
      rule: z.string(),
      version: z.string(),
      scopes: texts,
      workloads: z.array(anyObject),
      conditions,
      expiresAt: z.string().optional(),
      whatCouldDeny: z.array(couldDeny),
    }),
  ),
  unreadable: texts,
  lockdowns: z.array(z.strictObject({ id: z.string(), blocks: z.unknown() })),
  complete: z.boolean(),
})

/** Who can reach a target; what a namespace can reach. */
const access = z.union([
  reachableTarget.extend({ notes: texts }),
  z.strictObject({
    namespace: z.string(),
    issuer: z.string().optional(),
    targets: z.array(reachableTarget),
    continuation: z.string().optional(),
    notes: texts,
  }),
])

/** Who may reach what. */
export const accessRows: readonly RouteRow[] = [
  manageRow('access', {
    get: {
      summary: 'Who can reach a target, or what a namespace can reach.',
      roles: readers,
      query: accessQuery,
      answers: { 200: access },
      errors: [404],
    },
  }),
]
