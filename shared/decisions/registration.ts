import { z } from 'zod'
import { hourOf, startOfHour } from './checkpoint-hours.ts'
import { withoutSystemMembers } from './record-hash.ts'
import type { Registration } from './stream.ts'

// Strict: nothing chains or signs a registration, so no other member of it would mean anything.
const form = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  hour: z.string(),
  stream: z.string(),
  boot: z.guid(),
  lane: z.int().min(0),
  deployment: z.string(),
  openedAt: z.iso.datetime(),
  ttl: z.int(),
})

/**
 * A registration as it was written; undefined for any other document. Whoever may create documents beside registrations
 * may name any stream in one: only where all its members say the same is it the stream's, in the partition of its hour.
 */
export function asRegistration(document: object): Registration | undefined {
  const { success, data } = form.safeParse(withoutSystemMembers(document))
  return success && isConsistent(data) ? data : undefined
}

function isConsistent({ id, hour, stream, boot, lane }: Registration): boolean {
  return isHour(hour) && stream === `${hour}/${boot}/${lane}` && id === stream.replaceAll('/', '_')
}

/** Whether this is the name of an hour, written as {@link hourOf} does. */
export function isHour(hour: string): boolean {
  const start = startOfHour(hour)
  return !Number.isNaN(start) && hourOf(start) === hour
}
