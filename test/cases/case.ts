import { z } from 'zod'
import { describeProblems, type Stored } from '../../shared/document.ts'
import { duration } from '../../shared/duration.ts'
import type { TestTrace } from '../../shared/rules/decision.ts'
import { factsFrom, givenName, instant } from './case-facts.ts'

const sentence = z.string().min(20).max(160)

/** A rule as it is stored, without what is the same for most: its schema, its target, and that it is about everybody. */
const ruleOf = (target: string) =>
  z.looseObject({ id: z.string() }).transform(rule => {
    return stored({ schema: 1, target, workloads: [{ issuer: '*' }], ...rule })
  })
const calendar = z.looseObject({ id: z.string() }).transform(document => stored({ schema: 1, ...document }))

/** Documents of a case are stored at version `v-<id>`. */
function stored<Document extends { readonly id: string }>(content: Document): Stored<Document> {
  return { content, version: `v-${content.id}` }
}

/** A rule by its id, a guardrail by its id after `*` and a slash. */
const ruleName = z.string().transform(name => {
  const [id, target] = name.startsWith('*/') ? [name.slice(2), '*'] : [name, 'orders-db']
  return { id, target, version: `v-${id}` }
})
const ruleNames = z.array(ruleName)

/** A test in short: its name where it is met, else with what it counts as, and whether it could not be evaluated. */
export type ShortTest =
  | string
  | readonly [test: string, met: false]
  | readonly [test: string, met: boolean, 'unevaluable']

const shortTest: z.ZodType<ShortTest> = z.union([
  z.string(),
  z.tuple([z.string(), z.literal(false)]),
  z.tuple([z.string(), z.boolean(), z.literal('unevaluable')]),
])
const wholeTest: z.ZodType<TestTrace> = z.strictObject({
  test: z.string(),
  met: z.boolean(),
  expected: z.json(),
  found: z.json().exactOptional(),
  unevaluable: z.string().exactOptional(),
})

const ruleTrace = z
  .strictObject({
    rule: ruleName,
    effect: z.enum(['allow', 'deny', 'limit']),
    state: z.enum(['enforced', 'report-only']).default('enforced'),
    selected: z.boolean().default(true),
    matched: z.boolean(),
    tests: z.array(z.union([shortTest, wholeTest])),
  })
  .transform(({ rule: { id, target, version }, ...judged }) => ({ rule: id, target, version, ...judged }))

const grant = z.strictObject({
  scopes: z.array(z.string()),
  ttl: duration({ min: 'PT1M', max: 'PT24H' }),
  share: z.enum(['pod', 'workload']),
  endsAt: instant.exactOptional(),
  quota: z.int().exactOptional(),
})

const decision = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('allowed'),
    grant,
    rules: ruleNames,
    limits: ruleNames,
    passedOver: z.int(),
  }),
  z.strictObject({
    outcome: z.literal('denied'),
    reason: z.string(),
    selected: z.boolean(),
    hint: z.string().exactOptional(),
    rules: ruleNames,
    passedOver: z.int(),
  }),
])

const record = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('allowed') }),
  z.strictObject({ outcome: z.literal('denied'), code: z.string(), reason: z.string() }),
])

/** What a denial says that does not tell a denied target from an unknown one. */
const nothingTold = 'the target is unknown, or this workload may not have it'

const told = z.union([
  z.strictObject({ scopes: z.array(z.string()), expiresAt: instant }),
  z.strictObject({
    code: z.string(),
    description: z.string().default(nothingTold),
    retryAfter: z.int().exactOptional(),
  }),
])

/** One case as its file writes it. A key that is misspelt is an error, and one in a rule makes the rule unreadable. */
const caseShape = z
  .strictObject({
    case: sentence,
    given: z.array(givenName).default([]),
    rules: z.array(ruleOf('orders-db')),
    guardrails: z.array(ruleOf('*')).default([]),
    calendars: z.array(calendar).default([]),
    facts: z.record(z.string(), z.json()).default({}),
    seen: z.strictObject({ peer: z.string(), forwarded: z.string().optional() }).optional(),
    unreadable: z.record(z.string(), z.string()).default({}),
    decision,
    trace: z.array(ruleTrace),
    record,
    told,
  })
  .transform(({ given, facts, ...rest }, context) => {
    const parsed = factsFrom(given, facts)
    if (parsed.success) return { ...rest, facts: parsed.data }
    const problems = describeProblems(parsed.error).map(problem => `${rest.case}: facts.${problem}`)
    context.issues.push(...problems.map(message => ({ code: 'custom' as const, message, input: facts })))
    return z.NEVER
  })

/** The cases of one file. */
export const caseFile = z.array(caseShape).min(1)
export type Case = z.output<typeof caseShape>
