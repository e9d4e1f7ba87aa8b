import { z } from 'zod'
import type { Claim } from './workload.ts'

const text = z
  .string()
  .max(256)
  .transform(value => value.toWellFormed())

/** JSON writes -0 as 0, and rules see a claim as the record stores it. */
const number = z.number().transform(value => value + 0)

/** A claim beyond these bounds is not a fact: a condition on it cannot be evaluated. */
const claim: z.ZodType<Claim> = z.union([text, number, z.boolean(), z.array(text).max(32)])

/** What the kept claims of one token may take in a record, in bytes. */
const maxBytes = 4_096

/** What becomes of the claims that an issuer keeps. */
export interface KeptClaims {
  readonly claims: Readonly<Record<string, Claim>>
  /** Those that the token has, and that are no facts: nobody may conclude that it has none of them. */
  readonly beyondBounds: readonly string[]
}

/** Those of the named top-level claims that the token has and that are within bounds, as far as there is room. */
export function keptClaims(payload: unknown, names: readonly string[]): KeptClaims {
  const claims: Record<string, Claim> = Object.create(null)
  const beyondBounds: string[] = []
  if (typeof payload !== 'object' || payload === null) return { claims, beyondBounds }
  let room = maxBytes
  for (const name of names) {
    const value: unknown = Object.getOwnPropertyDescriptor(payload, name)?.value
    // Most tokens lack most claims, and a parse that fails is the dear one.
    if (value === undefined) continue
    const parsed = claim.safeParse(value)
    const size = parsed.success ? Buffer.byteLength(JSON.stringify([name, parsed.data])) : Number.POSITIVE_INFINITY
    if (!parsed.success || size > room) {
      beyondBounds.push(name)
      continue
    }
    room -= size
    claims[name] = parsed.data
  }
  return { claims, beyondBounds }
}
