import { z } from 'zod'
import { documentId } from '../../shared/document.ts'
import { providerKinds } from '../../shared/provider-kinds.ts'
import { continuation, pageLimit } from './search-query.ts'

const flag = z.enum(['true', 'false'])
const state = z.enum(['enforced', 'report-only', 'draft', 'disabled']).optional()
const paging = z.strictObject({ limit: pageLimit(100), continuation: continuation.optional() })

/** The queries by which each kind of document is listed: a filter that is not known must not be passed over. */
export const documentQueries = {
  rules: paging.extend({
    target: z.union([documentId, z.literal('*')]).optional(),
    state,
    effect: z.enum(['allow', 'deny', 'limit']).optional(),
  }),
  guardrails: paging.extend({ state, effect: z.enum(['deny', 'limit']).optional() }),
  targets: paging.extend({ provider: z.enum(providerKinds).optional(), enabled: flag.optional() }),
  issuers: paging.extend({
    kind: z.enum(['aks', 'arc', 'kubernetes', 'entra', 'oidc']).optional(),
    enabled: flag.optional(),
  }),
  calendars: paging,
  lockdowns: paging.extend({
    standing: flag.optional().describe('Whether it has not expired. What was lifted is not listed.'),
  }),
} as const

/** The kinds of documents that are reached alike, by their names in the URL. */
export type DocumentPlural = keyof typeof documentQueries
