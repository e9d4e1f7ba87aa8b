import { z } from 'zod'
import { labels } from '../document.ts'
import type { Callers } from '../workload/identify.ts'
import type { Workload } from '../workload/workload.ts'
import type { TestTrace } from './decision.ts'

/** Exact text, or text that ends in one `*`, which stands for any ending. There are no regular expressions. */
const patternOf = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[^*]*\*?$/, 'expected exact text, or text that ends in one *')
const pattern = patternOf(253)
const subjectPattern = patternOf(512)

/** What no name of Kubernetes has cannot fit: such a rule would look like protection, and be none (RFC 1123). */
const namePattern = pattern.regex(/^[a-z0-9.*-]+$/, 'expected lower-case letters, digits, dashes and dots')

const labelled = z.strictObject({
  labels: labels.refine(record => Object.keys(record).length > 0, 'expected a label at least'),
})

const issuerSelector = z.union([pattern.regex(/^[a-z0-9*-]+$/), labelled], {
  error: 'expected an issuer id, "*", or { "labels": { … } }',
})

/** Which workloads a rule is about: everything that a selector names must fit. The issuer must be named. */
export const workloadSelector = z.strictObject({
  issuer: issuerSelector,
  kind: z.enum(['aks', 'arc', 'kubernetes', 'entra', 'oidc']).optional(),
  region: pattern.optional(),
  namespace: namePattern.optional(),
  serviceAccount: namePattern.optional(),
  serviceAccountUid: z.string().min(1).max(128).optional(),
  pod: namePattern.optional(),
  node: namePattern.optional(),
  subject: subjectPattern.optional(),
  /** Who asks on the workload's behalf: an issuer's id and a subject there, since subjects repeat among issuers. */
  actor: z.strictObject({ issuer: pattern, subject: subjectPattern }).optional(),
})
export type WorkloadSelector = z.output<typeof workloadSelector>

type Find = (callers: Callers) => string | undefined

const ofWorkload = (find: (workload: Workload) => string | undefined): Find => {
  return ({ workload }) => find(workload)
}

/** Members of a selector that are compared with text, in the order in which they are tested. */
export const textMembers = {
  issuer: ofWorkload(({ issuer }) => issuer.id),
  kind: ofWorkload(({ issuer }) => issuer.kind),
  region: ofWorkload(({ issuer }) => issuer.region),
  namespace: ofWorkload(({ namespace }) => namespace),
  serviceAccount: ofWorkload(({ serviceAccount }) => serviceAccount?.name),
  serviceAccountUid: ofWorkload(({ serviceAccount }) => serviceAccount?.uid),
  pod: ofWorkload(({ pod }) => pod?.name),
  node: ofWorkload(({ node }) => node?.name),
  subject: ofWorkload(({ subject }) => subject),
  'actor issuer': ({ actor }) => actor?.issuer.id,
  'actor subject': ({ actor }) => actor?.subject,
} satisfies Record<string, Find>

export type TextMember = keyof typeof textMembers

/** What a selector expects of one of those members: exact text, or everything that begins so. */
export interface TextPattern {
  readonly member: TextMember
  readonly text: string
  readonly exact: boolean
}

/** The text that a selector expects, member by member. A uid may hold anything, and a `*` in one stands for itself. */
export function patternsOf({ issuer, actor, ...named }: WorkloadSelector): readonly TextPattern[] {
  const texts = {
    ...named,
    issuer: typeof issuer === 'string' ? issuer : undefined,
    'actor issuer': actor?.issuer,
    'actor subject': actor?.subject,
  }
  const members = Object.keys(textMembers) as TextMember[]
  return members.flatMap(member => {
    const text = texts[member]
    if (text === undefined) return []
    const exact = member === 'serviceAccountUid' || !text.endsWith('*')
    return [{ member, text: exact ? text : text.slice(0, -1), exact }]
  })
}

type Test = (callers: Callers) => TestTrace

/** A selector, compiled: its tests in the order in which they are made. */
export type CompiledSelector = readonly Test[]

/** Compiles a selector once, so that judging a request parses nothing. */
export function compileSelector(selector: WorkloadSelector): CompiledSelector {
  const tests = patternsOf(selector).map(textTest)
  return typeof selector.issuer === 'string' ? tests : [labelTest(selector.issuer.labels), ...tests]
}

/** Makes the tests in turn, up to the first that is not met. */
export function selects(selector: CompiledSelector, callers: Callers): { met: boolean; tests: readonly TestTrace[] } {
  const tests: TestTrace[] = []
  for (const test of selector) {
    const trace = test(callers)
    tests.push(trace)
    if (!trace.met) return { met: false, tests }
  }
  return { met: true, tests }
}

function textTest({ member, text, exact }: TextPattern): Test {
  const find = textMembers[member]
  const expected = exact ? text : `${text}*`
  return callers => {
    const found = find(callers)
    if (found === undefined) return { test: member, met: false, expected }
    return { test: member, met: exact ? found === text : found.startsWith(text), expected, found }
  }
}

function labelTest(expected: Readonly<Record<string, string>>): Test {
  const wanted = Object.entries(expected)
  return ({ workload: { issuer } }) => {
    const found = wanted.map(([name]) => [name, Object.hasOwn(issuer.labels, name) ? issuer.labels[name] : null])
    const met = wanted.every(([, value], at) => found[at]?.[1] === value)
    return { test: 'issuer labels', met, expected, found: Object.fromEntries(found) }
  }
}
