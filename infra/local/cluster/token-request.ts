import { z } from 'zod'
import { badRequest, invalidField } from './status.ts'

/** What a TokenRequest asks for, within Kubernetes' limits. */
export interface TokenSpec {
  /** None: the cluster's own API server. */
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
  readonly pod: { readonly name: string; readonly uid?: string | undefined } | undefined
}

const tokenRequest = z.object({
  apiVersion: z.literal('authentication.k8s.io/v1').optional(),
  kind: z.literal('TokenRequest').optional(),
  spec: z
    .object({
      audiences: z.array(z.string()).nullish(),
      expirationSeconds: z.int().nullish(),
      boundObjectRef: z
        .object({
          kind: z.string().optional(),
          apiVersion: z.string().optional(),
          name: z.string().optional(),
          uid: z.string().optional(),
        })
        .nullish(),
    })
    .optional(),
})

/** Reads the body of a request to `serviceaccounts/{name}/token`. Throws `KubernetesError`: 400 or 422. */
export function parseTokenRequest(body: string): TokenSpec {
  const parsed = tokenRequest.safeParse(parseJson(body))
  if (!parsed.success) throw badRequest(`the object is not a TokenRequest: ${z.prettifyError(parsed.error)}`)
  const { audiences, expirationSeconds, boundObjectRef } = parsed.data.spec ?? {}
  return {
    audiences: audiences ?? [],
    expirationSeconds: allowedLifetime(expirationSeconds ?? 3600),
    pod: boundObjectRef ? boundPod(boundObjectRef) : undefined,
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw badRequest('the body of the request was not JSON')
  }
}

/** Ten minutes to 2^32 seconds may be asked for; the API server of an AKS cluster grants a day at most. */
export function allowedLifetime(seconds: number): number {
  const field = 'spec.expirationSeconds'
  if (seconds < 600) throw invalidField(field, seconds, 'may not specify a duration less than 10 minutes')
  if (seconds > 2 ** 32) throw invalidField(field, seconds, 'may not specify a duration larger than 2^32 seconds')
  return Math.min(seconds, 86_400)
}

function boundPod(reference: { kind?: string | undefined; name?: string | undefined; uid?: string | undefined }) {
  const { kind, name, uid } = reference
  if (kind !== 'Pod') throw badRequest(`cannot bind token for serviceaccount to object of type "${kind ?? ''}"`)
  if (!name) throw badRequest('spec.boundObjectRef.name is required')
  return { name, uid: uid || undefined }
}
