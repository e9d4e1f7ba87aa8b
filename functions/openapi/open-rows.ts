import { z } from 'zod'
import { anyObject } from './answers.ts'
import type { RouteRow } from './row.ts'

/** RFC 8414 section 2. */
const metadata = z.looseObject({ issuer: z.url(), token_endpoint: z.url(), revocation_endpoint: z.url() })
const health = z.strictObject({ status: z.string() })

const get = (summary: string, answer: z.ZodType): RouteRow['operations'] => ({
  get: { summary, answers: { 200: answer } },
})

/** What anybody may ask. */
export const openRows: readonly RouteRow[] = [
  { route: 'openapi.json', family: 'open', operations: get('This description.', anyObject) },
  { route: 'health/live', family: 'open', operations: get('Whether the process answers.', health) },
  {
    route: 'health/ready',
    family: 'open',
    operations: {
      get: { summary: 'Whether a request could be decided now.', answers: { 200: health, 503: health } },
    },
  },
  ...['oauth-authorization-server', 'openid-configuration'].map(name => ({
    route: `.well-known/${name}`,
    family: 'open' as const,
    operations: get('The metadata of this authorization server (RFC 8414).', metadata),
  })),
]
