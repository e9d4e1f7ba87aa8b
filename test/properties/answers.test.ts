import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { jsonAnswer } from '../../functions/answer.ts'
import { errorAnswer, methodNotAllowed } from '../../functions/oauth-error.ts'
import { type ErrorCode, statusOf } from '../../shared/errors.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 2_000, seed: 6749 }

const codes = Object.keys(statusOf) as ErrorCode[]
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string())
const answered = z.strictObject({
  error: z.enum(codes),
  /** RFC 6749 section 5.2. */
  error_description: z
    .string()
    .regex(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    .optional(),
  decision_id: z.string(),
})
const sent = z.object({ status: z.number(), headers: z.record(z.string(), z.string()), body: z.string() })

test('an error answer is JSON in the characters that OAuth allows, whatever its description', () => {
  fc.assert(
    fc.property(fc.constantFrom(...codes), anyText, (code, description) => {
      const { status, body } = sent.parse(errorAnswer({ code, description }, 'decision-1'))
      const parsed = answered.parse(JSON.parse(body))
      expect(status).toBe(statusOf[code])
      expect(parsed).toMatchObject({ error: code, decision_id: 'decision-1' })
      expect(parsed.error_description?.length ?? 0).toBe(description.length)
    }),
    runs,
  )
})

test('a header is one line of visible ASCII, and Retry-After a whole number of seconds', () => {
  fc.assert(
    fc.property(fc.constantFrom(...codes), fc.double({ min: 0, max: 1e6, noNaN: true }), (code, retryAfter) => {
      const { headers } = sent.parse(errorAnswer({ code, retryAfter }, 'decision-1'))
      for (const value of Object.values(headers)) expect(value).toMatch(/^[\x20-\x7e]+$/)
      expect(headers['retry-after']).toMatch(/^\d+$/)
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(retryAfter)
    }),
    runs,
  )
})

test('an answer of JSON is read as what it was made of, in UTF-8', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 200, max: 599 }), (content, status) => {
      const answer = sent.parse(jsonAnswer(status, content))
      const read = JSON.parse(Buffer.from(answer.body, 'utf8').toString('utf8'))
      expect(JSON.stringify(read)).toBe(JSON.stringify(content))
      expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    }),
    runs,
  )
})

test('a method that is not allowed is told which is, in JSON', () => {
  const { status, headers, body } = sent.parse(methodNotAllowed('POST', 'decision-1'))
  expect({ status, allow: headers['allow'] }).toEqual({ status: 405, allow: 'POST' })
  answered.parse(JSON.parse(body))
})
