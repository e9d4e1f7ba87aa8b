import { z } from 'zod'
import type { Stack } from './stack.ts'
import { audience } from './world.ts'

const tokenRequestAnswer = z.object({ status: z.object({ token: z.string() }) })
const tokenAnswer = z.object({ access_token: z.string() })

/** What a caller is answered: the status and the JSON. */
export interface Answered {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly etag: string
}

/** A pod asks its cluster for a token, as the kubelet does for a projected volume. */
export async function podToken(
  { cluster }: Pick<Stack, 'cluster'>,
  { namespace, serviceAccount, pod }: { namespace: string; serviceAccount: string; pod: string },
): Promise<string> {
  const url = cluster.tokenRequest.replace('{namespace}', namespace).replace('{name}', serviceAccount)
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: pod }
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [audience], expirationSeconds: 3600, boundObjectRef },
  }
  const answer = await send(url, { method: 'POST', body: JSON.stringify(request) })
  return tokenRequestAnswer.parse(answer.body).status.token
}

/** An exchange, as any OAuth client sends it. */
export function exchangeToken(
  gateway: string,
  token: string,
  form: Readonly<Record<string, string>>,
): Promise<Answered> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: token,
    ...form,
  })
  return send(`${gateway}/token`, { method: 'POST', body })
}

/** A pod gives a lease back. */
export function revokeLease(gateway: string, token: string, lease: string): Promise<Answered> {
  const body = new URLSearchParams({
    token: lease,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: token,
  })
  return send(`${gateway}/revoke`, { method: 'POST', body })
}

/** The operators' automation signs in to the tenant. */
export async function operatorToken({
  tokenEndpoint,
  adminClientId,
  adminSecret,
  adminScope,
}: Stack['description']['tenant']) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: adminClientId,
    client_secret: adminSecret,
    scope: adminScope,
  })
  return tokenAnswer.parse((await send(tokenEndpoint, { method: 'POST', body })).body).access_token
}

/** Any request, answered in JSON or with nothing. */
export async function send(url: string, init: RequestInit): Promise<Answered> {
  const response = await fetch(url, init)
  const text = await response.text()
  const body = z.record(z.string(), z.unknown()).parse(text === '' ? {} : JSON.parse(text))
  return { status: response.status, body, etag: response.headers.get('etag') ?? '' }
}
