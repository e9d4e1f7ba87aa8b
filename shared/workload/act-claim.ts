import { z } from 'zod'
import type { Act } from './workload.ts'

const claim = z.object({ act: z.object({ sub: z.string().min(1).max(512), iss: z.string().max(512).optional() }) })

/**
 * Who acts for the subject by the token's own word (RFC 8693 section 4.1). Only the top level: earlier actors, nested
 * below, are history and no ground for access.
 */
export function actClaim(payload: unknown): Act | undefined {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, 'act')) return undefined
  const parsed = claim.safeParse(payload)
  if (!parsed.success) return undefined
  const { sub, iss } = parsed.data.act
  return { subject: sub.toWellFormed(), ...(iss !== undefined && { issuerUrl: iss.toWellFormed() }) }
}
