import { z } from 'zod'
import { standings } from '../shared/pending-change.ts'
import { anyObject, matchingLeases } from './openapi-answers.ts'

/** What operators are answered. Loose where the member of a step may grow: a reader passes over what it does not know. */

const time = z.iso.datetime()
const texts = z.array(z.string())
const inForceWithin = z.int()
const conditions = texts.describe('Named, and not judged.')

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

/** A change that waits for a second person, or did. */
export const change = z.looseObject({
  id: z.guid(),
  state: z.enum(standings),
  container: z.string(),
  name: z.strictObject({ id: z.string(), partition: z.string() }),
  action: z.enum(['put', 'remove']),
  document: z.unknown().optional(),
  proposedAt: time,
  lapsesAt: time,
})
export const changeRead = z.strictObject({
  change,
  diff: differences.optional(),
  lint: z.unknown().optional(),
  lintComplete: z.boolean().optional(),
  impact: z.unknown().optional(),
  isOutdated: z.boolean(),
})

/** An approved change took effect: with the new ETag, or without a document. */
export const approved = z.strictObject({
  change: z.guid(),
  state: z.literal('approved'),
  etag: z.string().optional(),
  removed: z.literal(true).optional(),
  inForceWithin,
  leases: endedRuleLeases.optional(),
})
export const withdrawn = z.strictObject({ change: z.guid(), state: z.literal('withdrawn') })

/** A token or facts, and a target. */
export const question = z.union([
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

const ruleReference = z.looseObject({ id: z.string(), target: z.string(), version: z.string() })
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
export const evaluation = z.looseObject({
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
export const impactReport = z.looseObject({
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
export const access = z.union([
  reachableTarget.extend({ notes: texts }),
  z.strictObject({
    namespace: z.string(),
    issuer: z.string().optional(),
    targets: z.array(reachableTarget),
    continuation: z.string().optional(),
    notes: texts,
  }),
])

/** A lease as operators see it. */
export const lease = z.looseObject({
  id: z.string(),
  state: z.enum(['reserved', 'active', 'revoking', 'revoked']),
  target: z.string(),
  provider: z.string(),
  scopes: texts,
  account: z.string(),
  workload: z.looseObject({ issuer: z.string(), subject: z.string() }),
  rules: z.array(ruleReference),
  decision: z.string(),
  createdAt: time,
  expiresAt: time,
  dueAt: time,
  attempts: z.int(),
  lastError: z.string().optional(),
  evidence: z
    .looseObject({ sessionsEnded: z.number(), absent: z.literal([true, 'attested', 'never-made']), at: time })
    .optional(),
})

/** In a list, one whose document cannot be read is named. */
export const listedLease = z.union([lease, z.strictObject({ unreadable: z.string() })])
export const leaseRead = z.strictObject({ lease })

/** A lease is due: it ends with the timer's next run. */
export const leaseRevoked = z.strictObject({
  lease,
  marked: z.boolean(),
  next: z.string(),
  refusedWithin: z.int().optional(),
  warnings: texts.optional(),
})
/** The timer ends the lease by the operator's word, where its server cannot be asked. */
export const leaseAttested = z.strictObject({ lease, next: z.string() })
export const leasesFound = z.strictObject({
  dryRun: z.literal(true),
  found: z.int(),
  more: z.boolean(),
  leases: z.array(lease),
  warnings: texts,
})
export const leasesRevoked = z.strictObject({
  marked: z.int(),
  notMarked: z.int(),
  next: z.string(),
  refusedWithin: z.int(),
  warnings: texts,
})

/** What a scanner observed, as it is kept. */
export const signalRead = z.strictObject({
  signal: z.looseObject({ id: z.string(), of: z.string(), observedAt: time, expiresAt: time, value: z.unknown() }),
})
export const signalWritten = signalRead.extend({ inForceWithin })
export const signalRemoved = z.strictObject({ removed: z.literal(true), inForceWithin })

/** A record of the decision log: what it holds depends on its kind. */
export const logRecord = z.looseObject({ kind: z.string().optional(), at: z.string().optional() })
export const decisionRead = z.strictObject({ decisions: z.array(logRecord) })
