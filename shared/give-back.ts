import { z } from 'zod'
import { Secret } from './credentials/secret.ts'
import type { DecisionLog } from './decisions/record.ts'
import { malformedForm, readParameters } from './form.ts'
import type { Leases } from './leases/hold-lease.ts'
import type { VerifyToken } from './workload/verify-token.ts'

export interface GiveBackSteps {
  readonly verify: VerifyToken
  readonly leases: Leases
  readonly decisions: DecisionLog
}

/** RFC 7009 section 2.1, with the workload's own token as client assertion (RFC 7523 section 2.2). */
const parameters = z.object({
  token: z.string().max(16_384),
  client_assertion_type: z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
  client_assertion: z.string(),
})

/**
 * A workload gives a lease back before its time, by the lease's id or the secret itself. A token that is unknown or
 * another's is passed over without a word (RFC 7009 section 2.2); a lease that pods share is kept for the others.
 * Throws `ExchangeError`: after a 503 the credential must be taken to be alive.
 */
export async function giveBack(form: string, decision: string, steps: GiveBackSteps): Promise<void> {
  const parsed = parameters.safeParse(readParameters(form, parameters.shape))
  if (!parsed.success) throw malformedForm(`${String(parsed.error.issues[0]?.path[0])} is missing or not acceptable`)
  const workload = await steps.verify(parsed.data.client_assertion)
  const found = await steps.leases.findHeld(new Secret(parsed.data.token), workload)
  if (!found) return
  const { id, target, account, share } = found.lease
  const outcome = share === 'workload' ? 'kept' : 'requested'
  await steps.decisions.write({ kind: 'revocation', decision, outcome, lease: { id, target, account }, workload })
  if (outcome === 'requested') await steps.leases.release(found)
}
