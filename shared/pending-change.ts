import { z } from 'zod'
import type { Proposer } from './decisions/record.ts'
import type { Workload } from './workload/workload.ts'

const instant = z.iso.datetime()
const person = z.object({
  tenant: z.string(),
  objectId: z.string(),
  application: z.string(),
  principal: z.enum(['application', 'user']),
})

/** A change that takes effect when a second person approves it. */
export const pendingChange = z.object({
  schema: z.literal(1),
  id: z.guid(),
  /** `approving`: somebody approved it, and it is being saved. `refused`: approved, and could not be saved any more. */
  state: z.enum(['proposed', 'approving', 'approved', 'refused', 'withdrawn']),
  container: z.enum(['rules', 'targets', 'issuers', 'calendars', 'lockdowns', 'posture']),
  name: z.object({ id: z.string(), partition: z.string() }),
  action: z.enum(['put', 'remove']),
  /** What is to be saved. Absent where the document is to be removed. */
  document: z.unknown().optional(),
  /** The version that it was proposed for, and nothing else is changed. */
  expected: z.union([z.object({ etag: z.string() }), z.literal('absent')]),
  /** What becomes of the leases of a rule that is removed. */
  leases: z.enum(['keep', 'revoke']).optional(),
  proposedBy: person,
  proposedAt: instant,
  lapsesAt: instant,
  /** Who approved or withdrew it, and when. */
  settledBy: person.optional(),
  settledAt: instant.optional(),
  ttl: z.int(),
})
export type PendingChange = z.output<typeof pendingChange>

/** Milliseconds after which a change that nobody approved cannot be approved any more. */
const lifetime = 86_400_000

/** Seconds that a change is kept to be looked at. The decision log keeps what became of it. */
export const changeRetention = 90 * 86_400

/** While one approval is being saved, no other may be, in milliseconds. One that died is tried again after it. */
export const savingTime = 30_000

/** When a change that is proposed at a time (epoch milliseconds) lapses. */
export function lapseOf(now: number): string {
  return new Date(now + lifetime).toISOString()
}

/** How a change may stand. */
export const standings = [...pendingChange.shape.state.options, 'lapsed'] as const
export type Standing = (typeof standings)[number]

/** How a change stands at a time, in epoch milliseconds. */
export function standingOf({ state, lapsesAt, settledAt }: PendingChange, now: number): Standing {
  const isAbandoned = state === 'approving' && settledAt !== undefined && Date.parse(settledAt) + savingTime <= now
  if (state !== 'proposed' && !isAbandoned) return state
  return Date.parse(lapsesAt) <= now ? 'lapsed' : 'proposed'
}

/** Who an operator is, by what never changes. */
export function proposerOf({ entra, subject }: Workload): Proposer {
  const { tenant = '', objectId = subject, application = '', principal = 'application' } = entra ?? {}
  return { tenant, objectId, application, principal }
}

/** Whether they are one and the same: by tenant and object id, whatever application they use. */
export function isSamePerson(one: Proposer, other: Proposer): boolean {
  return one.tenant === other.tenant && one.objectId === other.objectId
}
