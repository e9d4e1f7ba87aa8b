import type { AnswerRequest, JsonAnswer } from '../json-listener.ts'
import type { Pod } from './inventory.ts'
import { type IssuedToken, issueToken, type TokenIssuer } from './issue-token.ts'
import { answerStatus, KubernetesError, notFound } from './status.ts'
import { parseTokenRequest, type TokenSpec } from './token-request.ts'

/** The path at which Kubernetes issues a service account's tokens. */
export const tokenRequestPath = '/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token'

/** The two routes of the Kubernetes API that a caller needs to play a pod. Whoever reaches loopback may use them. */
export function apiServer(issuer: TokenIssuer): AnswerRequest {
  return ({ method, url, body }) => {
    const [, namespace = '', kind, name = '', subresource] =
      /^\/api\/v1\/namespaces\/([^/]+)\/(serviceaccounts|pods)\/([^/]+)(\/token)?$/.exec(url.pathname) ?? []
    try {
      if (method === 'POST' && kind === 'serviceaccounts' && subresource)
        return createToken(issuer, namespace, name, body)
      if (method === 'GET' && kind === 'pods' && !subresource) return getPod(issuer, namespace, name)
      throw new KubernetesError(404, 'NotFound', 'the server could not find the requested resource')
    } catch (error) {
      if (error instanceof KubernetesError) return answerStatus(error)
      throw error
    }
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
