import { z } from 'zod'
import { documentId, scopeName } from '../document.ts'
import { duration } from '../duration.ts'
import { claimsCondition } from './conditions/claims.ts'
import { expressionCondition } from './conditions/expression.ts'
import { geographyCondition } from './conditions/geography.ts'
import { networkCondition } from './conditions/network.ts'
import { postureCondition } from './conditions/posture.ts'
import { timeCondition } from './conditions/time.ts'
import { workloadSelector } from './selector.ts'

const conditions = z.strictObject({
  time: timeCondition.describe('Windows by weekday and local time; one must be open.').optional(),
  network: networkCondition.describe("Networks that the client's address is in, and not in.").optional(),
  geography: geographyCondition.describe("Country of the client's address; region of the cluster.").optional(),
  posture: postureCondition.describe('Signals about cluster, namespace, node, service account or pod.').optional(),
  claims: claimsCondition.describe('Accepted values of kept claims, by JSON pointer.').optional(),
  expression: expressionCondition.describe('CEL over workload, actor, target, scopes, client, time.').optional(),
})

const base = {
  schema: z.literal(1),
  id: documentId,
  state: z
    .enum(['draft', 'report-only', 'enforced', 'disabled'])
    .default('enforced')
    .describe('Only enforced rules decide; report-only ones are judged and shown in the trace.'),
  priority: z.int().min(0).max(100_000).default(100).describe('Of the allows that match, the lowest grants.'),
  workloads: z.array(workloadSelector).min(1).max(64).describe('Whom the rule is about: any of these.'),
  conditions: conditions.prefault({}).describe('Further tests. All of them must be met.'),
  notBefore: z.iso.datetime().optional(),
  expiresAt: z.iso.datetime().optional(),
  whenDenied: z.string().max(256).optional().describe('A hint to the workloads that this rule selects.'),
  description: z.string().max(1_024).optional(),
}

const scopes = z.array(scopeName).min(1).max(32)
const ttl = duration({ min: 'PT1M', max: 'PT24H' })

const grant = z.strictObject({
  ttl: ttl.optional(),
  share: z.enum(['pod', 'workload']).default('pod').describe('A credential for each pod, or one for all of them.'),
  outlive: z.boolean().default(false).describe("May a credential outlive the rule's time window and expiresAt?"),
  quota: z
    .strictObject({ max: z.int().min(1).max(256) })
    .optional()
    .describe('How many leases of the target a workload may have alive at once.'),
})

/** A rule that is never in force would look like protection, and be none. */
const everInForce = <Rule extends z.ZodType<{ notBefore?: string | undefined; expiresAt?: string | undefined }>>(
  rule: Rule,
) =>
  rule.superRefine(({ notBefore, expiresAt }, context) => {
    if (notBefore === undefined || expiresAt === undefined || Date.parse(notBefore) < Date.parse(expiresAt)) return
    context.addIssue({
      code: 'custom',
      path: ['expiresAt'],
      message: 'expected a time after notBefore',
      input: expiresAt,
    })
  })

const allowRule = z.strictObject({
  ...base,
  target: documentId,
  effect: z.literal('allow'),
  scopes,
  grant: grant.prefault({}),
  crossEnvironment: z.boolean().default(false).describe('Meant for issuers of another environment than the target.'),
})

/** A deny without `scopes` is about every scope. */
const denyRule = z.strictObject({ ...base, target: documentId, effect: z.literal('deny'), scopes: scopes.optional() })

const approval = {
  requireApproval: z.boolean().default(false).describe('Changes take effect when a second person approves them.'),
}

/** A deny for every target. */
const denyGuardrail = z.strictObject({
  ...base,
  ...approval,
  target: z.literal('*'),
  effect: z.literal('deny'),
  scopes: scopes.optional(),
})

/** An upper bound on what rules grant, for every target. */
const limitGuardrail = z.strictObject({
  ...base,
  ...approval,
  target: z.literal('*'),
  effect: z.literal('limit'),
  scopes: scopes.optional(),
  limit: z.strictObject({ ttl }),
})

/** Who may have which scopes of a target. The one parser: a rule is checked by it when saved and when read. */
export const ruleDocument = everInForce(z.discriminatedUnion('effect', [allowRule, denyRule]))
/** A rule for every target, in partition `*`: never an allow. */
export const guardrailDocument = everInForce(z.discriminatedUnion('effect', [denyGuardrail, limitGuardrail]))

export type Rule = z.output<typeof ruleDocument> | z.output<typeof guardrailDocument>
export type AllowRule = z.output<typeof allowRule>
