import { z } from 'zod'
import { ExchangeError } from '../errors.ts'
import type { UnverifiedToken } from './compact-token.ts'
import type { Issuer } from './issuer.ts'
import type { NamedObject, Workload } from './workload.ts'

const dnsLabel = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
const dnsSubdomain = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/)
/** A UUID, or whatever else a distribution takes for one. */
const uid = z.string().regex(/^[\x20-\x7E]{1,128}$/)

/**
 * The private claims of a bound service-account token, Kubernetes 1.21 and later
 * (kubernetes/pkg/serviceaccount/claims.go).
 */
const boundClaims = z.object({
  'kubernetes.io': z.object({
    namespace: dnsLabel,
    serviceaccount: z.object({ name: dnsSubdomain, uid }),
    pod: z.object({ name: dnsSubdomain, uid }).optional(),
    node: z.object({ name: dnsSubdomain, uid: uid.optional() }).optional(),
  }),
})

type KubernetesIdentity = Pick<Workload, 'namespace' | 'serviceAccount' | 'pod' | 'node'>

/**
 * The Kubernetes identity in a token whose signature was verified. The token must be bound to a pod and have exactly
 * one audience, unless the issuer relaxes that, and its `sub` must say the same as its claims. Throws
 * `invalid_request`.
 */
export function kubernetesIdentity(token: UnverifiedToken, issuer: Issuer): KubernetesIdentity {
  const parsed = boundClaims.safeParse(token.payload)
  if (!parsed.success) {
    throw refuse(
      'token_unbound',
      'the token is no bound service-account token: mount a projected one for this audience',
    )
  }
  const { namespace, serviceaccount, pod, node } = parsed.data['kubernetes.io']
  if (token.claims.sub !== `system:serviceaccount:${namespace}:${serviceaccount.name}`) {
    throw refuse('token_claims', "the token's sub disagrees with its kubernetes.io claims")
  }
  if (!pod && !issuer.relax.includes('unbound')) {
    throw refuse('token_unbound', 'the token is not bound to a pod: mount a projected service-account token')
  }
  if (token.claims.aud.length !== 1 && !issuer.relax.includes('severalAudiences')) {
    throw refuse('token_audience', 'the token has several audiences: ask for one that names this gateway alone')
  }
  return { namespace, serviceAccount: serviceaccount, ...(pod && { pod }), ...(node && { node: asNamed(node) }) }
}

function asNamed(node: { name: string; uid?: string | undefined }): NamedObject {
  return node.uid === undefined ? { name: node.name } : { name: node.name, uid: node.uid }
}

function refuse(reason: 'token_unbound' | 'token_claims' | 'token_audience', description: string): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description })
}
