import type { Workload } from '../workload/workload.ts'
import type { TestTrace } from './decision.ts'
import type { WorkloadSelector } from './rule.ts'

/** One test of a workload against a selector's member. */
type Test = (workload: Workload) => TestTrace

/** A selector, compiled: its tests in the order in which they are made. */
export type CompiledSelector = readonly Test[]

/** What each member of a selector is compared with. */
const members = {
  namespace: workload => workload.namespace,
  serviceAccount: workload => workload.serviceAccount?.name,
  serviceAccountUid: workload => workload.serviceAccount?.uid,
  pod: workload => workload.pod?.name,
  node: workload => workload.node?.name,
  subject: workload => workload.subject,
} satisfies Record<Exclude<keyof WorkloadSelector, 'issuer'>, (workload: Workload) => string | undefined>

/** Compiles a selector once, so that judging a request parses nothing. */
export function compileSelector({ issuer, ...named }: WorkloadSelector): CompiledSelector {
  const tests = [
    typeof issuer === 'string' ? textTest('issuer', issuer, workload => workload.issuer.id) : labelTest(issuer.labels),
  ]
  for (const [member, find] of Object.entries(members)) {
    const expected = named[member as keyof typeof members]
    if (expected !== undefined)
      tests.push(member === 'serviceAccountUid' ? exactTest(member, expected, find) : textTest(member, expected, find))
  }
  return tests
}

/** Makes the tests in turn, up to the first that is not met. */
export function selects(selector: CompiledSelector, workload: Workload): { met: boolean; tests: readonly TestTrace[] } {
  const tests: TestTrace[] = []
  for (const test of selector) {
    const trace = test(workload)
    tests.push(trace)
    if (!trace.met) return { met: false, tests }
  }
  return { met: true, tests }
}

type Find = (workload: Workload) => string | undefined

/** Exact text, or any ending where the pattern ends in `*`. */
function textTest(test: string, expected: string, find: Find): Test {
  if (!expected.endsWith('*')) return exactTest(test, expected, find)
  const prefix = expected.slice(0, -1)
  return workload => traced(test, expected, find(workload), found => found.startsWith(prefix))
}

/** Exact text: a uid may hold anything, and a `*` in one stands for itself. */
function exactTest(test: string, expected: string, find: Find): Test {
  return workload => traced(test, expected, find(workload), found => found === expected)
}

function traced(
  test: string,
  expected: string,
  found: string | undefined,
  fits: (found: string) => boolean,
): TestTrace {
  return found === undefined ? { test, met: false, expected } : { test, met: fits(found), expected, found }
}

function labelTest(expected: Readonly<Record<string, string>>): Test {
  const wanted = Object.entries(expected)
  return ({ issuer }) => ({
    test: 'issuer labels',
    met: wanted.every(([name, value]) => Object.hasOwn(issuer.labels, name) && issuer.labels[name] === value),
    expected,
    found: Object.fromEntries(
      wanted.map(([name]) => [name, Object.hasOwn(issuer.labels, name) ? issuer.labels[name] : null]),
    ),
  })
}
