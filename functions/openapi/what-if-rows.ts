import { z } from 'zod'
import { impactBody } from '../manage/impact.ts'
import { readers } from '../manage/operator.ts'
import { anyObject, ruleReference, texts, time } from './answers.ts'
import { manageRow, type Operation, type RouteRow } from './row.ts'

/** A token or facts, and a target. */
const question = z.union([
  z.strictObject({
    token: z.string().min(1).max(16_384),
    actorToken: z.string().min(1).max(16_384).optional(),
    target: z.string(),
    scopes: texts.optional(),
    clientAddress: z.string().optional(),
    time: z.union([z.int(), z.iso.datetime({ offset: true })]).optional(),
  }),
  z.strictObject({
    facts: anyObject.describe('In short (issuer, namespace, target, …), or whole, as records have them.'),
  }),
])

const ruleTrace = z.looseObject({
  rule: z.string(),
  target: z.string(),
  effect: z.enum(['allow', 'deny', 'limit']),
  state: z.enum(['enforced', 'report-only']),
  selected: z.boolean(),
  matched: z.boolean(),
  tests: z.array(
    z.looseObject({
      test: z.string(),
      met: z.boolean(),
      expected: z.unknown(),
      found: z.unknown().optional(),
      unevaluable: z.string().optional(),
    }),
  ),
})

const decision = z.looseObject({
  outcome: z.enum(['allowed', 'denied']),
  reason: z.string().optional(),
  grant: z.looseObject({ scopes: texts, ttl: z.number(), share: z.enum(['pod', 'workload']) }).optional(),
  rules: z.array(ruleReference),
  trace: z.array(ruleTrace),
  passedOver: z.int(),
})

const unreadable = z.strictObject({ id: z.string(), problem: z.string() })

/** What would be decided. */
const evaluation = z.looseObject({
  outcome: z.enum(['allowed', 'denied']),
  reason: z.string().optional(),
  lockdown: z.string().optional(),
  decision: decision.optional(),
  ifEnforced: decision.optional(),
  facts: anyObject.optional(),
  unreadable: z.array(unreadable),
  notes: texts,
})

const changedCalls = z.strictObject({ changes: z.int(), calls: z.int() })

const affected = z.looseObject({
  target: z.string(),
  workload: z.strictObject({ issuer: z.string(), subject: z.string() }),
  scopes: texts,
  calls: z.int(),
})

/** What a draft would have made of recorded decisions. Whose they were is told to whoever may read every decision. */
const impactReport = z.looseObject({
  newlyDenied: z.array(affected).optional(),
  newlyAllowed: z.array(affected).optional(),
  counts: z.strictObject({ newlyDenied: changedCalls, newlyAllowed: changedCalls }),
  judged: z.int(),
  notJudged: z.int(),
  from: time,
  to: time,
  complete: z.boolean(),
  withheld: z.string().optional(),
})

/** What would be decided, and would have been. */
export const whatIfRows: readonly RouteRow[] = [
  manageRow('evaluate', { post: asking('What would be decided, with the trace of every rule.', question, evaluation) }),
  manageRow('impact', {
    post: { ...asking('What a draft would have made of recorded decisions.', impactBody, impactReport), errors: [422] },
  }),
]

function asking(summary: string, schema: z.ZodType, answer: z.ZodType): Operation {
  return { summary, roles: readers, body: { schema }, answers: { 200: answer } }
}
