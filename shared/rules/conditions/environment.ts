import type { Condition } from './condition.ts'

/** Issuer and target have one `environment` label. An allow that is meant to cross over says so, and has no such test. */
export const environmentTest: Condition = {
  test: 'environment',
  expected: 'that of the target',
  judge({ workload: { issuer }, target }) {
    const [from, to] = [environmentOf(issuer.labels), environmentOf(target.labels)]
    return { met: from === to, found: { issuer: from ?? null, target: to ?? null } }
  },
}

function environmentOf(labels: Readonly<Record<string, string>>): string | undefined {
  return Object.hasOwn(labels, 'environment') ? labels['environment'] : undefined
}
