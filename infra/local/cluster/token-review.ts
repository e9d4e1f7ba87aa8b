import { timingSafeEqual } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { z } from 'zod'
import type { JsonAnswer, JsonRequest } from '../json-listener.ts'
import type { Inventory } from './inventory.ts'
import type { TokenIssuer } from './issue-token.ts'
import { badRequest, KubernetesError } from './status.ts'

/** Where Kubernetes says whether a token is good now. */
export const tokenReviewPath = '/apis/authentication.k8s.io/v1/tokenreviews'

const review = z.object({
  kind: z.literal('TokenReview'),
  apiVersion: z.literal('authentication.k8s.io/v1'),
  spec: z.object({ token: z.string(), audiences: z.array(z.string()).default([]) }),
})

const claims = z.object({
  aud: z.array(z.string()),
  sub: z.string(),
  'kubernetes.io': z.object({
    namespace: z.string(),
    serviceaccount: z.object({ name: z.string(), uid: z.string() }),
    pod: z.object({ name: z.string(), uid: z.string() }).optional(),
  }),
})

/**
 * Answers a TokenReview as the API server does: signature and time, and that what the token is bound to is still there
 * under the same uid. `reviewer` is the token that may ask (`system:auth-delegator`).
 */
export async function createTokenReview(
  issuer: TokenIssuer,
  { body, headers }: Pick<JsonRequest, 'body' | 'headers'>,
  reviewer: string | undefined,
): Promise<JsonAnswer> {
  if (!isReviewer(headers.authorization, reviewer)) throw new KubernetesError(401, 'Unauthorized', 'Unauthorized')
  const asked = review.safeParse(parseJson(body))
  if (!asked.success) throw badRequest('the object provided is not a TokenReview of authentication.k8s.io/v1')
  const { apiVersion, kind, spec } = asked.data
  return { status: 201, body: { apiVersion, kind, spec, status: await statusOf(issuer, spec) } }
}

async function statusOf(issuer: TokenIssuer, { token, audiences }: z.output<typeof review>['spec']) {
  const wanted = audiences.length > 0 ? audiences : [issuer.issuerUrl]
  try {
    const keys = createLocalJWKSet({ keys: [...issuer.keys.published()] })
    const options = { issuer: issuer.issuerUrl, audience: wanted, currentDate: new Date(issuer.now()) }
    const { payload } = await jwtVerify(token, keys, options)
    const { aud, sub, ...read } = claims.parse(payload)
    const { uid } = read['kubernetes.io'].serviceaccount
    if (!isThere(issuer.inventory, read['kubernetes.io'])) return refused('the bound object no longer exists')
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${read['kubernetes.io'].namespace}`]
    const user = { username: sub, uid, groups: [...groups, 'system:authenticated'] }
    return { authenticated: true, user, audiences: aud.filter(audience => wanted.includes(audience)) }
  } catch {
    return refused('invalid bearer token')
  }
}

function refused(error: string) {
  return { authenticated: false, user: {}, error }
}

function isThere(
  inventory: Inventory,
  { namespace, serviceaccount, pod }: z.output<typeof claims>['kubernetes.io'],
): boolean {
  if (inventory.serviceAccount(namespace, serviceaccount.name)?.uid !== serviceaccount.uid) return false
  return pod === undefined || inventory.pod(namespace, pod.name)?.uid === pod.uid
}

function isReviewer(authorization = '', reviewer: string | undefined): boolean {
  const [given, expected] = [Buffer.from(authorization), Buffer.from(`Bearer ${reviewer}`)]
  return reviewer !== undefined && given.length === expected.length && timingSafeEqual(given, expected)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
