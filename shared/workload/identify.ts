import { ExchangeError } from '../errors.ts'
import type { Issuer } from './issuer.ts'
import type { VerifyToken } from './verify-token.ts'
import type { Workload } from './workload.ts'

/** Who is calling, and who acts for them. */
export interface Callers {
  readonly workload: Workload
  readonly actor?: Workload
}

/** The tokens of one request. */
export interface PresentedTokens {
  readonly subjectToken: string
  readonly actorToken: string | undefined
}

/** Verifies the tokens of a request. Throws `ExchangeError`: `invalid_request`, or 503. */
export type Identify = (tokens: PresentedTokens) => Promise<Callers>

/**
 * Verifies subject and actor by the same checks. Where the subject's issuer names actors, its token counts only together
 * with that of one of them: a legacy integration's name is worth nothing without the API Management that vouches for it.
 */
export function identifier(verify: VerifyToken): Identify {
  return async ({ subjectToken, actorToken }) => {
    const { workload, issuer } = await verify(subjectToken)
    const acting = actorToken === undefined ? undefined : await verify(actorToken)
    const actor = acting?.workload
    checkActor(issuer, workload, actor)
    // An actor that counts only with an actor of its own does not count here: there are no chains.
    if (acting) checkActor(acting.issuer, acting.workload, undefined)
    return actor ? { workload, actor } : { workload }
  }
}

function checkActor({ id, actors }: Issuer, { subject }: Workload, actor: Workload | undefined): void {
  if (!actors) return
  const detail = { issuer: id, subject }
  if (!actor) throw refuse('actor_missing', 'tokens of this issuer count only with an actor_token', detail)
  if (!actors.some(allowed => allowed.issuer === actor.issuer.id && allowed.subject === actor.subject)) {
    const acting = { actorIssuer: actor.issuer.id, actorSubject: actor.subject }
    throw refuse('actor_not_allowed', 'this actor may not act for workloads of this issuer', { ...detail, ...acting })
  }
}

function refuse(
  reason: 'actor_missing' | 'actor_not_allowed',
  description: string,
  detail: Readonly<Record<string, string>>,
): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description, detail })
}
