import { z } from 'zod'
import { goneBody } from '../manage/attest-lease.ts'
import { leaseQuery } from '../manage/lease-query.ts'
import { revokeBody } from '../manage/revoke-leases.ts'
import { dryRunQuery } from '../manage/search-query.ts'
import { pageOf, ruleReference, texts, time } from './answers.ts'
import { endedRuleLeases } from './document-answers.ts'
import { manageRow, type RouteRow } from './row.ts'

/** A lease as operators see it. */
const lease = z.looseObject({
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
const listedLease = z.union([lease, z.strictObject({ unreadable: z.string() })])

const leaseRead = z.strictObject({ lease })

/** A lease is due: it ends with the timer's next run. */
const leaseRevoked = z.strictObject({
  lease,
  marked: z.boolean(),
  next: z.string(),
  refusedWithin: z.int().optional(),
  warnings: texts.optional(),
})

/** The timer ends the lease by the operator's word, where its server cannot be asked. */
const leaseAttested = z.strictObject({ lease, next: z.string() })

const leasesFound = z.strictObject({
  dryRun: z.literal(true),
  found: z.int(),
  more: z.boolean(),
  leases: z.array(lease),
  warnings: texts,
})

const leasesRevoked = z.strictObject({
  marked: z.int(),
  notMarked: z.int(),
  next: z.string(),
  refusedWithin: z.int(),
  warnings: texts,
})

/** Leases, and how operators end them. */
export const leaseRows: readonly RouteRow[] = [
  manageRow('rules/{target}/{id}/revoke-leases', {
    post: {
      summary: 'Ends the leases that a removed rule left behind.',
      roles: ['Rules.Write', 'Leases.Revoke'],
      answers: { 200: z.strictObject({ leases: endedRuleLeases }) },
      errors: [404, 409],
    },
  }),
  manageRow('leases', {
    get: {
      summary: 'Searches leases.',
      roles: ['Leases.Read', 'Leases.Revoke'],
      query: leaseQuery,
      answers: { 200: pageOf('leases', listedLease) },
    },
  }),
  manageRow('leases/revoke', {
    post: {
      summary: 'Ends the leases that match, after a dry run.',
      roles: ['Leases.Revoke'],
      query: dryRunQuery,
      body: { schema: revokeBody },
      answers: { 200: leasesFound, 202: leasesRevoked },
      errors: [409, 428],
    },
  }),
  manageRow('leases/{lease}', {
    get: {
      summary: 'Reads a lease.',
      roles: ['Leases.Read', 'Leases.Revoke'],
      answers: { 200: leaseRead },
      errors: [404],
    },
  }),
  manageRow('leases/{lease}/revoke', {
    post: { summary: 'Ends a lease.', roles: ['Leases.Revoke'], answers: { 202: leaseRevoked }, errors: [404] },
  }),
  manageRow('leases/{lease}/gone', {
    post: {
      summary: 'Says that the account of a stuck lease is gone, with its server.',
      roles: ['Leases.Revoke'],
      body: { schema: goneBody },
      answers: { 202: leaseAttested },
      errors: [404, 409],
    },
  }),
]
