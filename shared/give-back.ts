import { z } from 'zod'
import { Secret } from './credentials/secret.ts'
import type { DecisionLog } from './decisions/record.ts'
import type { CountRefusal } from './decisions/refusal-counts.ts'
import { ExchangeError, toExchangeError } from './errors.ts'
import { malformedForm, readParameters } from './form.ts'
import type { Leases } from './leases/hold-lease.ts'
import type { Client } from './rules/facts.ts'
import type { SeenClient } from './workload/client-address.ts'
import type { Callers, Identify } from './workload/identify.ts'
import type { TakeRate } from './workload/rate-limit.ts'
import type { Workload } from './workload/workload.ts'

export interface GiveBackSteps {
  readonly identify: Identify
  readonly takeRate: TakeRate
  readonly clientOf: (seen: SeenClient, actor: Workload | undefined) => Client
  readonly leases: Leases
  readonly decisions: DecisionLog
  /** Counts what proved no identity, or came too often. */
  readonly count: CountRefusal
}

/** A form that gives something back, where it came from, and the id that its sender is given. */
export interface Returned {
  readonly form: string
  readonly decision: string
  readonly client: SeenClient
}

/** RFC 7009 section 2.1, with the workload's own token as client assertion (RFC 7523 section 2.2). */
const parameters = z.object({
  token: z.string().max(16_384),
  client_assertion_type: z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
  client_assertion: z.string(),
  /** For workloads whose issuer demands an actor. */
  actor_token: z.string().optional(),
})

/**
 * A workload gives a lease back before its time, by the lease's id or the secret itself. A token that is unknown or
 * another's is passed over without a word (RFC 7009 section 2.2); a lease that pods share is kept for the others.
 * Throws `ExchangeError`: after a 503 the credential must be taken to be alive.
 */
export async function giveBack({ form, decision, client: seen }: Returned, steps: GiveBackSteps): Promise<void> {
  const { token, workload, actor } = await givenBack(form, decision, steps)
  const found = await steps.leases.findHeld(token, workload)
  if (!found) return
  const { id, target, account, share } = found.lease
  const outcome = share === 'workload' ? 'kept' : 'requested'
  const who = { workload, ...(actor && { actor }), client: steps.clientOf(seen, actor) }
  await steps.decisions.write({ kind: 'revocation', decision, outcome, lease: { id, target, account }, ...who })
  if (outcome === 'requested') await steps.leases.release(found)
}

/** What is given back, and by whom. What fails here is counted, as on `/token`, and costs no write. */
async function givenBack(
  form: string,
  decision: string,
  { identify, takeRate, count }: GiveBackSteps,
): Promise<Callers & { readonly token: Secret }> {
  try {
    const parsed = parameters.safeParse(readParameters(form, parameters.shape))
    if (!parsed.success) throw malformed(String(parsed.error.issues[0]?.path[0]))
    const { token, client_assertion, actor_token } = parsed.data
    const tokens = { subjectToken: client_assertion, actorToken: actor_token }
    const callers = await identify(tokens).catch(asClientError)
    takeRate(callers.workload)
    return { token: new Secret(token), ...callers }
  } catch (error) {
    count(decision, toExchangeError(error))
    throw error
  }
}

/** A client that does not say who it is, or not by its own token, is no client (RFC 7523 section 3.2). */
function malformed(parameter: string): ExchangeError {
  const description = `${parameter} is missing or not acceptable`
  if (!parameter.startsWith('client_assertion')) return malformedForm(description)
  return new ExchangeError('invalid_client', 'malformed_request', { description })
}

function asClientError(error: unknown): never {
  if (!(error instanceof ExchangeError) || error.code !== 'invalid_request') throw error
  const { reason, description, detail, cause } = error
  throw new ExchangeError('invalid_client', reason, { ...(description && { description }), detail, cause })
}
