import { z } from 'zod'
import { time } from './answers.ts'
import type { RouteRow } from './row.ts'

const form = 'application/x-www-form-urlencoded'

/** RFC 8693 section 2.1. */
const exchangeForm = z.object({
  grant_type: z.literal('urn:ietf:params:oauth:grant-type:token-exchange'),
  subject_token: z.string(),
  subject_token_type: z.string(),
  audience: z.string().max(256).optional(),
  resource: z.string().max(512).optional(),
  scope: z.string().max(1_024).optional(),
  requested_token_type: z.string().max(256).optional(),
  actor_token: z.string().optional(),
  actor_token_type: z.string().optional(),
})

/** RFC 8693 section 2.2.1, and this gateway's own members. */
const issued = z.strictObject({
  access_token: z.string(),
  issued_token_type: z.string(),
  token_type: z.enum(['N_A', 'Bearer']),
  expires_in: z.int(),
  expires_at: time,
  refresh_in: z.int(),
  scope: z.string(),
  credential: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  lease_id: z.string().optional(),
  decision_id: z.guid(),
})

/** RFC 7009 section 2.1, with RFC 7523 section 2.2. */
const revocationForm = z.object({
  token: z.string().max(16_384),
  client_assertion_type: z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
  client_assertion: z.string(),
  actor_token: z.string().optional(),
})
const revoked = z.strictObject({ decision_id: z.guid() })

/** What workloads ask. */
export const oauthRows: readonly RouteRow[] = [
  {
    route: 'token',
    family: 'oauth',
    operations: {
      post: {
        summary: 'Exchanges a workload token for a credential (RFC 8693).',
        body: { type: form, schema: exchangeForm },
        answers: { 200: issued },
        errors: [429],
      },
    },
  },
  {
    route: 'revoke',
    family: 'oauth',
    operations: {
      post: {
        summary: 'Gives a credential back (RFC 7009).',
        body: { type: form, schema: revocationForm },
        answers: { 200: revoked },
        errors: [429],
      },
    },
  },
]
