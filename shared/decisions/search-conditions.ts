import type { Namespaces } from '../workload/namespaces.ts'

/** What records can be searched by. All that is given must fit. */
export const searchedBy = [
  'issuer',
  'subject',
  'namespace',
  'serviceAccount',
  'pod',
  'target',
  'rule',
  'outcome',
  'reason',
  'kind',
  'lease',
  'operator',
] as const
export type DecisionFilter = Readonly<Partial<Record<(typeof searchedBy)[number], string | undefined>>>

/** A condition in Cosmos DB's SQL. What was asked for is never in its text. */
export interface Condition {
  readonly sql: string
  readonly parameters: readonly Parameter[]
}

/** With a text, some texts, or a part of a member of a list: its type is the client's, which knows no `readonly`. */
export interface Parameter {
  readonly name: string
  readonly value: string | string[] | Record<string, string>
}

/** A record of the timer tells the workload of its lease. As flat as AND before OR allows: brackets cost parsers time. */
const conditions: Readonly<Record<keyof DecisionFilter, string>> = {
  issuer:
    '(c.workload.issuer.id = @issuer OR c.lease.workload.issuer = @issuer OR c.kind = "count" AND c.issuer = @issuer)',
  subject: '(c.workload.subject = @subject OR c.lease.workload.subject = @subject)',
  namespace: '(c.workload.namespace = @namespace OR c.lease.workload.namespace = @namespace)',
  serviceAccount:
    '(c.workload.serviceAccount.name = @serviceAccount OR c.lease.workload.serviceAccount = @serviceAccount)',
  pod: '(c.workload.pod.name = @pod OR c.workload.pod.uid = @pod OR c.lease.workload.podUid = @pod)',
  target:
    '(c.asked.target = @target OR c.lease.target = @target OR c.document.container = "rules" AND ' +
    'c.document.partition = @target OR c.document.container = "targets" AND c.document.id = @target)',
  rule:
    '(ARRAY_CONTAINS(c.rules, @ruleById, true) OR ARRAY_CONTAINS(c.lease.rules, @ruleById, true) OR ' +
    'c.document.container = "rules" AND c.document.id = @rule)',
  outcome: 'c.outcome = @outcome',
  reason: 'c.reason = @reason',
  kind: 'c.kind = @kind',
  lease: '(c.credential.lease = @lease OR c.lease.id = @lease OR ARRAY_CONTAINS(c.leases, @lease))',
  operator:
    '(c.operator.subject = @operator OR c.operator.entra.objectId = @operator OR ' +
    'c.operator.entra.application = @operator)',
}

/** The conditions of a filter. */
export function conditionsOf(filter: DecisionFilter): readonly Condition[] {
  return searchedBy.flatMap(name => {
    const value = filter[name]
    if (value === undefined) return []
    const byId = name === 'rule' ? [{ name: '@ruleById', value: { id: value } }] : []
    return [{ sql: conditions[name], parameters: [{ name: `@${name}`, value }, ...byId] }]
  })
}

/**
 * Whose records an operator sees. Of a namespace: its workloads' exchanges and what became of their leases; never counts
 * and changes, which are about others as well.
 */
export function visibleIn(namespaces: Namespaces): readonly Condition[] {
  if (namespaces === 'all') return []
  const workload = 'ARRAY_CONTAINS(@namespaces, c.workload.namespace)'
  const ofLease = 'NOT IS_DEFINED(c.workload) AND ARRAY_CONTAINS(@namespaces, c.lease.workload.namespace)'
  const sql = `(c.kind IN ("exchange", "revocation") AND ${workload} OR c.kind = "revocation" AND ${ofLease})`
  return [{ sql, parameters: [{ name: '@namespaces', value: [...namespaces] }] }]
}
