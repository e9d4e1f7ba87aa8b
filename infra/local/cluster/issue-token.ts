import { randomUUID } from 'node:crypto'
import type { SigningKeys } from '../signing-keys.ts'
import type { Inventory, Pod, ServiceAccount } from './inventory.ts'
import { badRequest, conflict, notFound } from './status.ts'
import type { TokenSpec } from './token-request.ts'

/** What is needed to issue a cluster's tokens. */
export interface TokenIssuer {
  readonly issuerUrl: string
  readonly inventory: Inventory
  readonly keys: SigningKeys
  readonly now: () => number
}

/** A token that was issued, and what it came to. */
export interface IssuedToken {
  readonly token: string
  readonly expiresAt: Date
  readonly audiences: readonly string[]
  readonly pod: Pod | undefined
}

/** Issues a service account's token as the API server does. Throws `KubernetesError`: 400, 404 or 409. */
export function issueToken(issuer: TokenIssuer, namespace: string, name: string, spec: TokenSpec): IssuedToken {
  const account = issuer.inventory.serviceAccount(namespace, name)
  if (!account) throw notFound('serviceaccounts', name)
  const pod = spec.pod && findPod(issuer.inventory, account, spec.pod)
  const audiences = spec.audiences.length > 0 ? spec.audiences : [issuer.issuerUrl]
  const issuedAt = Math.floor(issuer.now() / 1000)
  const exp = issuedAt + spec.expirationSeconds
  const claims = {
    aud: audiences,
    exp,
    iat: issuedAt,
    iss: issuer.issuerUrl,
    jti: randomUUID(),
    'kubernetes.io': kubernetesClaim(account, pod),
    nbf: issuedAt,
    sub: `system:serviceaccount:${namespace}:${name}`,
  }
  return { token: issuer.keys.sign(claims), expiresAt: new Date(exp * 1000), audiences, pod }
}

function findPod(inventory: Inventory, account: ServiceAccount, bound: NonNullable<TokenSpec['pod']>): Pod {
  const pod = inventory.pod(account.namespace, bound.name)
  if (!pod) throw notFound('pods', bound.name)
  if (pod.serviceAccount !== account.name) {
    throw badRequest(
      `cannot bind token for serviceaccount "${account.name}" to pod running with different serviceaccount name.`,
    )
  }
  if (bound.uid !== undefined && bound.uid !== pod.uid) {
    const message = `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`
    throw conflict('pods', pod.name, message)
  }
  return pod
}

/** As from Kubernetes 1.32 on: a token that is bound to a pod names its node too. */
function kubernetesClaim({ namespace, name, uid }: ServiceAccount, pod: Pod | undefined) {
  return {
    namespace,
    ...(pod && { node: { name: pod.node.name, uid: pod.node.uid }, pod: { name: pod.name, uid: pod.uid } }),
    serviceaccount: { name, uid },
  }
}
