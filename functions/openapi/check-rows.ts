import { z } from 'zod'
import { anyObject, time } from './answers.ts'
import { manageRow, type RouteRow } from './row.ts'

const step = z.strictObject({
  step: z.string(),
  ok: z.boolean().nullable(),
  expected: z.string(),
  found: z.string(),
  reason: z.string().optional(),
})

const checkAsked = z.strictObject({ check: z.guid(), at: z.string() })

const targetChecked = z.strictObject({
  id: z.guid(),
  target: z.string(),
  state: z.enum(['pending', 'running', 'done']),
  askedAt: time,
  finishedAt: time.optional(),
  ok: z.boolean().optional(),
  steps: z.array(step).optional(),
})

const issuerCheckBody = z.strictObject({ token: z.string().min(1).max(16_384).optional() })

const issuerChecked = z.strictObject({
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

/** Checks of what the gateway has to reach. */
export const checkRows: readonly RouteRow[] = [
  manageRow('targets/{id}/check', {
    post: {
      summary: 'Asks for a check of a target, which the timers answer.',
      roles: ['Trust.Write'],
      answers: { 202: checkAsked },
      errors: [404],
    },
  }),
  manageRow('checks/{id}', {
    get: { summary: 'Reads a check.', roles: ['Trust.Write'], answers: { 200: targetChecked }, errors: [404] },
  }),
  manageRow('issuers/{id}/check', {
    post: {
      summary: 'Checks an issuer, and a token of it.',
      roles: ['Trust.Write'],
      body: { schema: issuerCheckBody, isOptional: true },
      answers: { 200: issuerChecked },
      errors: [404],
    },
  }),
]
