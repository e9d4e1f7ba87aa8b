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

/** Those of the named top-level claims that the token has and that are within bounds, as far as there is room. */
export function keptClaims(payload: unknown, names: readonly string[]): Readonly<Record<string, Claim>> {
  const kept: Record<string, Claim> = Object.create(null)
  if (typeof payload !== 'object' || payload === null) return kept
  let room = maxBytes
  for (const name of names) {
    const value: unknown = Object.getOwnPropertyDescriptor(payload, name)?.value
    // Most tokens lack most claims, and a parse that fails is the dear one.
    if (value === undefined) continue
    const parsed = claim.safeParse(value)
    if (!parsed.success) continue
    room -= Buffer.byteLength(JSON.stringify([name, parsed.data]))
    if (room < 0) break
    kept[name] = parsed.data
  }
  return kept
}
