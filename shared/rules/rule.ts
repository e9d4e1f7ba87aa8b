import { z } from 'zod'
import { documentId, scopeName } from '../document.ts'
import { duration } from '../duration.ts'

/** Exact text, or text that ends in one `*`, which stands for any ending. There are no regular expressions. */
export const pattern = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[^*]*\*?$/, 'expected exact text, or text that ends in one *')

const issuerSelector = z.union(
  [
    pattern,
    z.strictObject({
      labels: z
        .record(z.string(), z.string())
        .refine(labels => Object.keys(labels).length > 0, 'expected a label at least'),
    }),
  ],
  { error: 'expected an issuer id, "*", or { "labels": { … } }' },
)

/** Which workloads a rule is about: everything that a selector names must fit. The issuer must be named. */
const workloadSelector = z.strictObject({
  issuer: issuerSelector,
  namespace: pattern.optional(),
  serviceAccount: pattern.optional(),
  serviceAccountUid: z.string().min(1).max(128).optional(),
  pod: pattern.optional(),
  node: pattern.optional(),
  subject: pattern.optional(),
})
export type WorkloadSelector = z.output<typeof workloadSelector>

const base = {
  schema: z.literal(1),
  id: documentId,
  /** Only `enforced` rules decide. `report-only` ones are judged and shown in the trace. */
  state: z.enum(['draft', 'report-only', 'enforced', 'disabled']).default('enforced'),
  priority: z.int().min(0).max(100_000).default(100),
  workloads: z.array(workloadSelector).min(1).max(64),
  notBefore: z.iso.datetime().optional(),
  expiresAt: z.iso.datetime().optional(),
  whenDenied: z.string().max(256).optional(),
  description: z.string().max(1_024).optional(),
}

const scopes = z.array(scopeName).min(1).max(32)

const grant = z.strictObject({
  ttl: duration({ min: 'PT1M', max: 'PT24H' }).optional(),
  /** Whether the pods of a workload get an account each, or one together. */
  share: z.enum(['pod', 'workload']).default('pod'),
})

const allowRule = z.strictObject({
  ...base,
  target: documentId,
  effect: z.literal('allow'),
  scopes,
  grant: grant.prefault({}),
})

/** A deny without `scopes` is about every scope. */
const denyRule = z.strictObject({ ...base, target: documentId, effect: z.literal('deny'), scopes: scopes.optional() })

/** A deny for every target. */
const guardrail = z.strictObject({
  ...base,
  target: z.literal('*'),
  effect: z.literal('deny'),
  scopes: scopes.optional(),
})

/** Who may have which scopes of a target. The one parser: a rule is checked by it when saved and when read. */
export const ruleDocument = z.discriminatedUnion('effect', [allowRule, denyRule])
/** A rule for every target, in partition `*`: never an allow. */
export const guardrailDocument = guardrail

export type Rule = z.output<typeof ruleDocument> | z.output<typeof guardrailDocument>
