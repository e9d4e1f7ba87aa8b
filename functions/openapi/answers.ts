import { z } from 'zod'

/**
 * What the answers of several routes have in common. Here and beside the rows schemas are strict, so that a member which is
 * not here is not answered, and loose where members may grow: a reader passes over what it does not know.
 */

export const time = z.iso.datetime()
export const texts = z.array(z.string())
export const inForceWithin = z.int()
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

/** Those that search answer pages, and say where the next one begins. */
export function pageOf(member: string, of: z.ZodType = anyObject) {
  return z.looseObject({ [member]: z.array(of), continuation: z.string().optional() })
}

/** A rule that a decision rests on. */
export const ruleReference = z.looseObject({ id: z.string(), target: z.string(), version: z.string() })
