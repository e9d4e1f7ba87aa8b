import { z } from 'zod'
import type { Ternary } from './three-valued.ts'

/** What claims and signals are compared with. */
export const scalar = z.union([z.string().max(256), z.number(), z.boolean()], {
  error: 'expected text, a number, true or false',
})
export type Scalar = z.output<typeof scalar>

/** Whether a value is one of those. It cannot be told of a value whose type is none of theirs. */
export function isOneOf(found: unknown, expected: readonly Scalar[]): Ternary {
  if (expected.some(one => one === found)) return true
  return expected.some(one => typeof one === typeof found) ? false : undefined
}
