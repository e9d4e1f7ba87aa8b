import type { HttpRequest, HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { problem } from './problem.ts'
import { continuation, instant, pageLimit, searchText } from './search-query.ts'

/** Whose leases, of what: by what the leases tell. */
export const leaseHolder = {
  target: searchText.optional(),
  issuer: searchText.optional(),
  subject: searchText.optional(),
  namespace: searchText.optional(),
  serviceAccount: searchText.optional(),
  pod: searchText.optional(),
  node: searchText.optional(),
  account: searchText.optional(),
  rule: searchText.optional(),
}

/** The query of `GET /manage/leases`. `pod` is a uid: a lease tells no pod's name. */
export const leaseQuery = z.strictObject({
  ...leaseHolder,
  state: z.enum(['reserved', 'active', 'revoking', 'revoked']).optional(),
  stuck: z.literal('true').optional(),
  expiresBefore: instant.optional(),
  limit: pageLimit(500),
  continuation: continuation.optional(),
})

/** The id of the lease that the URL names. */
export function leaseIn(request: HttpRequest): string {
  return String(request.params['lease'])
}

/** The answer where there is no such lease. */
export function notThere(): HttpResponseInit {
  return problem(404, { detail: 'there is no such lease' })
}
