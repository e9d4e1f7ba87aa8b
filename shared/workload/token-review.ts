import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { ReadSecret } from '../credentials/secret-reference.ts'
import { describeCause, ExchangeError, unavailable } from '../errors.ts'
import type { PostJson } from './https-json.ts'
import type { Issuer } from './issuer.ts'
import type { Workload } from './workload.ts'

/** Asks whether what a token is bound to is still there. Throws `invalid_request` where not, 503 where unanswered. */
export type ReviewToken = (token: string, workload: Workload, issuer: Issuer) => Promise<void>

export interface TokenReviewOptions {
  readonly postJson: PostJson
  readonly readSecret: ReadSecret
  /** Milliseconds by a clock that never jumps. */
  readonly monotonic: () => number
}

/** How long an answer serves, in milliseconds: a pod that the API server no longer knows is refused within this time. */
const freshness = 30_000
/** For so long a question that failed is not asked again for the same token. */
const failurePause = 3_000

/** `TokenReview`, authentication.k8s.io/v1: the parts of its status that decide. */
const reviewed = z.object({
  status: z.object({
    authenticated: z.boolean().default(false),
    audiences: z.array(z.string()).default([]),
    user: z.object({ username: z.string().optional(), uid: z.string().optional() }).default({}),
  }),
})

type TokenReview = NonNullable<Issuer['tokenReview']>

interface Remembered {
  readonly asking: Promise<boolean>
  until: number
}

/**
 * Liveness by Kubernetes' TokenReview, for issuers that demand it: signatures alone cannot tell that a pod or service
 * account was deleted. An API server that cannot be asked is never taken for a yes.
 */
export function tokenReviewer({ postJson, readSecret, monotonic }: TokenReviewOptions): ReviewToken {
  const remembered = new LRUCache<string, Remembered>({ max: 20_000 })

  async function ask(token: string, workload: Workload, issuer: Issuer, review: TokenReview): Promise<boolean> {
    const { apiServer, credential, ca } = review
    const { secret } = await readSecret(credential)
    const url = new URL(`${apiServer.replace(/\/$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`)
    const { audiences } = issuer
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } }
    try {
      const answer = await postJson(url, { body, bearer: secret, ca, network: issuer.network })
      return isSameWorkload(reviewed.parse(answer), workload, issuer)
    } catch (cause) {
      throw unavailable('token_review_unavailable', { detail: describeCause(cause), cause })
    }
  }

  return async (token, workload, issuer) => {
    const { tokenReview } = issuer
    if (!tokenReview) return
    // Under the document's own words: an answer of another API server, or for another audience, is another answer.
    const key = hash('sha256', JSON.stringify([issuer.id, tokenReview, issuer.audiences, token]), 'base64url')
    const known = remembered.get(key)
    const current = known && known.until > monotonic() ? known : undefined
    const asking = current?.asking ?? ask(token, workload, issuer, tokenReview)
    if (!current) {
      const entry = { asking, until: monotonic() + freshness }
      remembered.set(key, entry)
      asking.catch(() => {
        entry.until = monotonic() + failurePause
      })
    }
    if (!(await asking)) {
      const description = "the cluster no longer knows the token's pod or service account"
      throw new ExchangeError('invalid_request', 'token_not_live', { description })
    }
  }
}

/** An API server that does not know audiences would answer for its own: one of ours must be among those it confirms. */
function isSameWorkload({ status }: z.output<typeof reviewed>, workload: Workload, issuer: Issuer): boolean {
  const { authenticated, audiences, user } = status
  return (
    authenticated &&
    audiences.some(audience => issuer.audiences.includes(audience)) &&
    user.username === workload.subject &&
    user.uid === workload.serviceAccount?.uid
  )
}
