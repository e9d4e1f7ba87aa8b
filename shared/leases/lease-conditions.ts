import { z } from 'zod'
import type { Namespaces } from '../workload/namespaces.ts'
import { type Lease, leaseDocument } from './lease.ts'

/** What leases can be searched by, texts all of them. All that is given must fit. */
export const searchedBy = [
  'target',
  'state',
  'issuer',
  'subject',
  'namespace',
  'serviceAccount',
  'pod',
  'node',
  'account',
  'rule',
  'expiresBefore',
] as const
type SearchedBy = (typeof searchedBy)[number]

const conditions: Readonly<Record<SearchedBy, string>> = {
  target: 'c.target = @target',
  state: 'c.state = @state',
  issuer: 'c.workload.issuer = @issuer',
  subject: 'c.workload.subject = @subject',
  namespace: 'c.workload.namespace = @namespace',
  serviceAccount: 'c.workload.serviceAccount = @serviceAccount',
  /** By uid: a lease tells no pod's name. */
  pod: 'c.workload.podUid = @pod',
  node: 'c.workload.node = @node',
  account: 'c.account = @account',
  rule: 'ARRAY_CONTAINS(c.rules, @rule, true)',
  expiresBefore: 'c.expiresAt < @expiresBefore',
}

export type LeaseFilter = Readonly<Partial<Record<SearchedBy, string | undefined>>> & {
  /** Those whose revocation failed, and is tried again. */
  readonly stuck?: boolean
}

/** A query in Cosmos DB's SQL. What was asked for is never in its text. */
export interface LeaseQuery {
  readonly query: string
  /** The type of a value is the client's, which knows no `readonly`. */
  readonly parameters: { readonly name: string; readonly value: string | string[] | Record<string, string> }[]
}

/** The container has the places under quotas too. */
export const isLease = 'NOT STARTSWITH(c.id, "place-")'
/**
 * Whether a lease's account may give access from now on: it is being made, or there, or its sessions may finish a
 * transaction, or an attempt to end it failed.
 */
export const isLive =
  '(c.state IN ("reserved", "active") OR c.state = "revoking" ' +
  'AND (c.attempts > 0 OR c.cause = "expired" AND c.onExpiry = "finish-transactions"))'
const isStuck = 'c.state = "revoking" AND c.attempts > 0'

/** The query for the leases of a filter that are of those namespaces; of the live ones only, where asked. */
export function leaseQuery(filter: LeaseFilter, namespaces: Namespaces, only?: 'live'): LeaseQuery {
  const given = searchedBy.flatMap(name => {
    const value = filter[name]
    return value === undefined ? [] : [{ name, value }]
  })
  const clauses = [
    isLease,
    ...given.map(({ name }) => conditions[name]),
    ...(filter.stuck ? [isStuck] : []),
    ...(only === 'live' ? [isLive] : []),
    ...(namespaces === 'all' ? [] : ['ARRAY_CONTAINS(@namespaces, c.workload.namespace)']),
  ]
  const parameterOf = (name: string, value: string) => (name === 'rule' ? { id: value } : value)
  return {
    query: `SELECT * FROM c WHERE ${clauses.join(' AND ')}`,
    parameters: [
      ...given.map(({ name, value }) => ({ name: `@${name}`, value: parameterOf(name, value) })),
      ...(namespaces === 'all' ? [] : [{ name: '@namespaces', value: [...namespaces] }]),
    ],
  }
}

/** Whether a lease's workload is of one of the namespaces. */
export function isOfNamespaces({ workload }: Pick<Lease, 'workload'>, namespaces: Namespaces): boolean {
  return namespaces === 'all' || (workload.namespace !== undefined && namespaces.includes(workload.namespace))
}

/** What operators see of a lease: nothing of which its secret is made, and no settings, which name hosts. */
const shownMembers = leaseDocument.pick({
  id: true,
  state: true,
  target: true,
  provider: true,
  scopes: true,
  account: true,
  workload: true,
  actor: true,
  share: true,
  rules: true,
  decision: true,
  createdAt: true,
  mintUntil: true,
  expiresAt: true,
  dueAt: true,
  onExpiry: true,
  cause: true,
  lockdown: true,
  attempts: true,
  lastError: true,
  attested: true,
  evidence: true,
})
const shown = shownMembers.extend({
  /** What its target said when its revocation failed last. */
  lastDetail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
})
export type ShownLease = z.output<typeof shown>

/** A lease as operators see it. */
export function shownLease(lease: Lease): ShownLease {
  return shown.parse(lease)
}
