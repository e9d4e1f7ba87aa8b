import { z } from 'zod'

/** Answers and bodies that more than one route has. Strict: a member that is not here is not answered. */

const time = z.iso.datetime()
export const anyObject = z.record(z.string(), z.unknown())

/** RFC 9457, with what is wrong by JSON pointer. */
export const problemDocument = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  problems: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
})

/** RFC 6749 section 5.2, and the id by which an operator finds it. */
export const oauthError = z.strictObject({
  error: z.enum([
    'invalid_request',
    'invalid_client',
    'invalid_target',
    'invalid_scope',
    'unsupported_grant_type',
    'slow_down',
    'temporarily_unavailable',
    'server_error',
  ]),
  error_description: z.string().optional(),
  decision_id: z.guid(),
})

/** RFC 8693 section 2.1. */
export const exchangeForm = z.object({
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
export const issued = z.strictObject({
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
export const revocationForm = z.object({
  token: z.string().max(16_384),
  client_assertion_type: z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
  client_assertion: z.string(),
  actor_token: z.string().optional(),
})
export const revoked = z.strictObject({ decision_id: z.guid() })

/** RFC 8414 section 2. */
export const metadata = z.looseObject({ issuer: z.url(), token_endpoint: z.url(), revocation_endpoint: z.url() })
export const health = z.strictObject({ status: z.string() })

/** A version as it is listed: what it holds is read by its id. */
export const listedVersion = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  of: z.string(),
  at: time,
  operator: anyObject.optional().describe('Absent where it was not saved here: whoever deploys wrote it.'),
  state: z.enum(['intended', 'saved', 'refused']),
  etag: z.string().optional(),
  removed: z.boolean().describe('The change removed the document.'),
})
export const version = listedVersion.omit({ removed: true }).extend({
  content: z.unknown().optional().describe('Absent where the change removed the document.'),
})

/** Live leases that a lockdown names. `more`: there may be more of them. */
export const matchingLeases = z.strictObject({ found: z.int(), more: z.boolean() })

export const proposed = z.strictObject({ change: z.guid(), lapsesAt: time, next: z.string() })
const step = z.strictObject({
  step: z.string(),
  ok: z.boolean().nullable(),
  expected: z.string(),
  found: z.string(),
  reason: z.string().optional(),
})
export const checkAsked = z.strictObject({ check: z.guid(), at: z.string() })
export const targetChecked = z.strictObject({
  id: z.guid(),
  target: z.string(),
  state: z.enum(['pending', 'running', 'done']),
  askedAt: time,
  finishedAt: time.optional(),
  ok: z.boolean().optional(),
  steps: z.array(step).optional(),
})
export const issuerCheckBody = z.strictObject({ token: z.string().min(1).max(16_384).optional() })
export const issuerChecked = z.strictObject({
  ok: z.boolean(),
  steps: z.array(step),
  token: z
    .strictObject({
      ok: z.boolean(),
      check: z.string().optional(),
      expected: z.string(),
      found: z.string(),
      says: z
        .strictObject({
          iss: z.string(),
          aud: z.array(z.string()),
          sub: z.string(),
          exp: z.string(),
          kid: z.string(),
        })
        .optional(),
      rule: anyObject.optional(),
      notChecked: z.string().optional(),
    })
    .optional(),
})

/** Those that search answer pages, and say where the next one begins. */
export function pageOf(member: string, of: z.ZodType = anyObject) {
  return z.looseObject({ [member]: z.array(of), continuation: z.string().optional() })
}
