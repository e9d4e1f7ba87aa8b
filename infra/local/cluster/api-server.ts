import type { AnswerRequest, JsonAnswer, JsonRequest } from '../json-listener.ts'
import type { Pod } from './inventory.ts'
import { type IssuedToken, issueToken, type TokenIssuer } from './issue-token.ts'
import { answerStatus, KubernetesError, notFound } from './status.ts'
import { parseTokenRequest, type TokenSpec } from './token-request.ts'
import { createTokenReview, tokenReviewPath } from './token-review.ts'

/** The path at which Kubernetes issues a service account's tokens. */
export const tokenRequestPath = '/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token'

/**
 * The routes of the Kubernetes API that play a pod's life: a token, the pod itself, its end, and the review of a token.
 * Whoever reaches loopback may use them; only a review asks who is asking.
 */
export function apiServer(issuer: TokenIssuer, reviewer: string | undefined): AnswerRequest {
  return async request => {
    try {
      return await answerApi(issuer, request, reviewer)
    } catch (error) {
      if (error instanceof KubernetesError) return answerStatus(error)
      throw error
    }
  }
}

const objectPath = /^\/api\/v1\/namespaces\/([^/]+)\/(serviceaccounts|pods)\/([^/]+)(\/token)?$/

function answerApi(
  issuer: TokenIssuer,
  request: JsonRequest,
  reviewer: string | undefined,
): JsonAnswer | Promise<JsonAnswer> {
  const { method, url, body } = request
  if (method === 'POST' && url.pathname === tokenReviewPath) return createTokenReview(issuer, request, reviewer)
  const [, namespace = '', kind, name = '', subresource] = objectPath.exec(url.pathname) ?? []
  switch (`${method} ${kind}${subresource ?? ''}`) {
    case 'POST serviceaccounts/token':
      return createToken(issuer, namespace, name, body)
    case 'GET pods':
      return getPod(issuer, namespace, name)
    case 'DELETE pods':
      return deletePod(issuer, namespace, name)
    default:
      throw new KubernetesError(404, 'NotFound', 'the server could not find the requested resource')
  }
}

function createToken(issuer: TokenIssuer, namespace: string, name: string, body: string): JsonAnswer {
  const spec = parseTokenRequest(body)
  const issued = issueToken(issuer, namespace, name, spec)
  const metadata = { name, namespace, creationTimestamp: timestamp(new Date(issuer.now())) }
  return {
    status: 201,
    body: { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', metadata, ...outcome(issued, spec) },
  }
}

function outcome({ token, expiresAt, audiences, pod }: IssuedToken, { expirationSeconds }: TokenSpec) {
  const boundObjectRef = pod ? { kind: 'Pod', apiVersion: 'v1', name: pod.name, uid: pod.uid } : null
  return {
    spec: { audiences, expirationSeconds, boundObjectRef },
    status: { token, expirationTimestamp: timestamp(expiresAt) },
  }
}

function getPod({ inventory }: TokenIssuer, namespace: string, name: string): JsonAnswer {
  const pod = inventory.pod(namespace, name)
  if (!pod) throw notFound('pods', name)
  return { status: 200, body: podObject(pod) }
}

function deletePod(issuer: TokenIssuer, namespace: string, name: string): JsonAnswer {
  const answer = getPod(issuer, namespace, name)
  issuer.inventory.removePod(namespace, name)
  return answer
}

function podObject({ namespace, name, uid, serviceAccount, node }: Pod) {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name, namespace, uid },
    spec: { serviceAccountName: serviceAccount, nodeName: node.name },
    status: { phase: 'Running' },
  }
}

/** Kubernetes writes times in whole seconds. */
function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}
