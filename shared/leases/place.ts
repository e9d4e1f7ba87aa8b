import { z } from 'zod'
import { canonicalDigest } from '../canonical-form.ts'
import type { Lease } from './lease.ts'

/**
 * A place under a quota: the lease that it names has it until then. A workload has as many places at a target as its
 * quota says, each with a number of its own, and one write decides who gets one: no count can be out of date.
 */
export const placeDocument = z.strictObject({
  schema: z.literal(1),
  id: z.string().regex(/^place-(0|[1-9]\d*)$/),
  /** Whose places these are: the partition, beside those of the leases. */
  slot: z.string(),
  lease: z.string(),
  /** From here on it is free, whether Cosmos DB has removed it yet or not. */
  until: z.iso.datetime(),
  /** Seconds until then: Cosmos DB may remove what is free. */
  ttl: z.int().min(1),
})
export type Place = z.output<typeof placeDocument>

/** A place at the version that was read. Without its content where the document is no place. */
export interface StoredPlace {
  readonly id: string
  readonly etag: string
  readonly place?: Place
}

/** The id of the place with that number, from 0 on. */
export function placeId(number: number): string {
  return `place-${number}`
}

/** The partition of the places for which a lease competes: those of its workload, whatever the pod, at its target. */
export function quotaSlot({ deployment, target, workload }: Pick<Lease, 'deployment' | 'target' | 'workload'>): string {
  const { issuer, subject, serviceAccountUid = null } = workload
  return canonicalDigest({ quota: [deployment, target, issuer, subject, serviceAccountUid] })
}
