import { z } from 'zod'
import type { Facts } from '../facts.ts'
import { type Condition, type Finding, finding } from './condition.ts'
import { compilePointer, jsonPointer, valueAt } from './json-pointer.ts'
import { isOneOf, type Scalar, scalar } from './scalar.ts'
import { some } from './three-valued.ts'

const accepted = z.array(scalar).min(1).max(64)

/** Values of the claims that the issuer keeps. Of a claim that is a list, one value has to be accepted. */
export const claimsCondition = z
  .record(jsonPointer, accepted)
  .refine(record => Object.keys(record).length >= 1 && Object.keys(record).length <= 32, 'expected 1 to 32 pointers')
  .transform(record => Object.entries(record).map(([pointer, values]) => compileClaim(pointer, values)))

function compileClaim(text: string, expected: readonly Scalar[]): Condition {
  const pointer = compilePointer(text)
  return { test: `claims ${text}`, expected, judge }

  function judge({ workload }: Facts): Finding {
    const found = valueAt(workload.claims, pointer)
    if (found === undefined) return { unevaluable: 'the token has no such claim that is kept' }
    const met = Array.isArray(found) ? some(found.map(one => isOneOf(one, expected))) : isOneOf(found, expected)
    return finding(met, found, 'the claim is of another type')
  }
}
