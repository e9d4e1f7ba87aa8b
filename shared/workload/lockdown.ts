import { z } from 'zod'
import { documentId } from '../document.ts'
import type { RuleReference } from '../rules/decision.ts'
import type { Workload } from './workload.ts'

const text = z.string().min(1).max(253)

/** What is blocked: everything named must fit. `everything` blocks the whole gateway. */
const blocked = z.union(
  [
    z.literal('everything'),
    z
      .strictObject({
        issuer: documentId.optional(),
        namespace: text.optional(),
        serviceAccount: text.optional(),
        podUid: text.optional(),
        node: text.optional(),
        keyId: text.optional(),
        target: documentId.optional(),
        rule: documentId.optional(),
      })
      .refine(members => Object.keys(members).length > 0),
  ],
  { error: 'expected "everything", or some of issuer, namespace, serviceAccount, podUid, node, keyId, target, rule' },
)

/** Ends access for certain, now: whatever a rule says, what it names gets nothing until it is lifted or expires. */
export const lockdownDocument = z.strictObject({
  schema: z.literal(1),
  id: documentId,
  blocks: blocked,
  reason: z.string().min(1).max(512),
  expiresAt: z.iso.datetime().optional(),
  /** Leases that match are due for revocation as long as the lockdown stands. */
  revokeLeases: z.boolean().default(false),
})
export type Lockdown = z.output<typeof lockdownDocument>

/** What an exchange is about, as far as a lockdown can name it. */
export interface LockdownSubject {
  readonly workload: Workload
  readonly actor: Workload | undefined
  readonly target: string
  readonly rules: readonly RuleReference[]
}

/** Whether a lockdown stands at that time, in epoch milliseconds. */
export function stands({ expiresAt }: Lockdown, time: number): boolean {
  return expiresAt === undefined || Date.parse(expiresAt) > time
}

/** Whether a lockdown stands at that time (epoch milliseconds) and blocks this. */
export function blocks(lockdown: Lockdown, subject: LockdownSubject, time: number): boolean {
  if (!stands(lockdown, time)) return false
  const { blocks: named } = lockdown
  if (named === 'everything') return true
  const { target, rule, ...identity } = named
  if (target !== undefined && target !== subject.target) return false
  if (rule !== undefined && !subject.rules.some(({ id }) => id === rule)) return false
  return [subject.workload, subject.actor].some(who => who !== undefined && isNamed(who, identity))
}

function isNamed(workload: Workload, identity: Readonly<Partial<Record<string, string>>>): boolean {
  const found: Readonly<Record<string, string | undefined>> = {
    issuer: workload.issuer.id,
    namespace: workload.namespace,
    serviceAccount: workload.serviceAccount?.name,
    podUid: workload.pod?.uid,
    node: workload.node?.name,
    keyId: workload.token.keyId,
  }
  // A token that does not tell its node or pod may be of the one that is locked down.
  const untold = (name: string) =>
    (name === 'node' || name === 'podUid') && found[name] === undefined && workload.namespace
  return Object.entries(identity).every(([name, value]) => value === undefined || found[name] === value || untold(name))
}
