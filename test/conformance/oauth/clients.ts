import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IdentityPoolClient } from 'google-auth-library'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { z } from 'zod'

/** What every client is asked to exchange. */
export interface Asked {
  readonly subjectToken: string
  readonly audience: string
  readonly scope: string
}

/** The members of an answer that are OAuth's own, as the client hands them over. */
export interface Exchanged {
  readonly accessToken: string
  readonly tokenType: string
  readonly issuedTokenType: string
  readonly expiresIn: number
  readonly scope: string
  /** This gateway's own, which a client passes through. */
  readonly lease: string
}

/** What a client lets its user see of a refusal. Some keep the body of a 5xx to themselves. */
export interface Surfaced {
  readonly status: number
  readonly error?: string | undefined
  readonly description?: string | undefined
  readonly retryAfter?: string | undefined
  /** This gateway's own `decision_id`. */
  readonly decision?: string | undefined
}

/** An OAuth client off the shelf. `issuer` is the gateway's URL: what else a client needs, it discovers where it can. */
export interface OAuthClient {
  readonly name: string
  exchange(issuer: string, asked: Asked): Promise<Exchanged>
  /** RFC 7009, where the client knows it. `assertion` says who asks. */
  readonly revoke?: (issuer: string, token: string, assertion: string) => Promise<void>
  /** Tells what an error of this client says. Throws what is none. */
  surfaced(error: unknown): Surfaced
}

export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const jwt = 'urn:ietf:params:oauth:token-type:jwt'
const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const clientId = 'a-pod'

/** Client authentication by a token that another issuer signed (RFC 7523 section 2.2): clients only know to sign one. */
function assertedBy(assertion: string) {
  return (_as: unknown, _client: unknown, body: URLSearchParams) => {
    body.set('client_assertion_type', jwtBearer)
    body.set('client_assertion', assertion)
  }
}

const answered = z
  .object({
    access_token: z.string(),
    token_type: z.string(),
    issued_token_type: z.string(),
    expires_in: z.number(),
    scope: z.string(),
    lease_id: z.string(),
  })
  .transform(body => ({
    accessToken: body.access_token,
    tokenType: body.token_type,
    issuedTokenType: body.issued_token_type,
    expiresIn: body.expires_in,
    scope: body.scope,
    lease: body.lease_id,
  }))

function parametersOf({ subjectToken, audience, scope }: Asked): Record<string, string> {
  return { subject_token: subjectToken, subject_token_type: jwt, audience, scope }
}

function retryAfterOf({ headers }: { headers: Pick<Headers, 'get'> }): string | undefined {
  return headers.get('retry-after') ?? undefined
}

/** The body of an error answer has this gateway's own member too. */
const identified = z.object({ decision_id: z.string() }).transform(body => body.decision_id)

function asSurfaced(error: oauth.ResponseBodyError | openid.ResponseBodyError): Surfaced {
  const { status, error: code, error_description: description, response, cause } = error
  return { status, error: code, description, retryAfter: retryAfterOf(response), decision: identified.parse(cause) }
}

export function discover(issuer: string, authentication: openid.ClientAuth, algorithm: 'oidc' | 'oauth2' = 'oauth2') {
  const options = { execute: [openid.allowInsecureRequests], algorithm }
  return openid.discovery(new URL(issuer), clientId, undefined, authentication, options)
}

export const openidClient: OAuthClient = {
  name: 'openid-client',
  async exchange(issuer, asked) {
    const configuration = await discover(issuer, openid.None())
    return answered.parse(await openid.genericGrantRequest(configuration, tokenExchange, parametersOf(asked)))
  },
  revoke: async (issuer, token, assertion) =>
    openid.tokenRevocation(await discover(issuer, assertedBy(assertion)), token),
  surfaced(error) {
    if (error instanceof openid.ResponseBodyError) return asSurfaced(error)
    if (!(error instanceof openid.ClientError && error.cause instanceof Response)) throw error
    return { status: error.cause.status, retryAfter: retryAfterOf(error.cause) }
  },
}

/** RFC 8414, and nothing of OpenID. */
export async function authorizationServer(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  const options = { algorithm: 'oauth2', [oauth.allowInsecureRequests]: true } as const
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options))
}

/** A plain token request; the answer is for the caller to process. */
export async function requestToken(issuer: string, asked: Asked) {
  const server = await authorizationServer(issuer)
  const client = { client_id: clientId }
  const options = { [oauth.allowInsecureRequests]: true }
  const parameters = parametersOf(asked)
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    oauth.None(),
    tokenExchange,
    parameters,
    options,
  )
  return { server, client, response }
}

export const oauth4webapi: OAuthClient = {
  name: 'oauth4webapi',
  async exchange(issuer, asked) {
    const { server, client, response } = await requestToken(issuer, asked)
    // RFC 8693 section 2.2.1: N_A, for what is no access token. This client wants to be told of it.
    const recognizedTokenTypes = { n_a: () => {} }
    return answered.parse(
      await oauth.processGenericTokenEndpointResponse(server, client, response, { recognizedTokenTypes }),
    )
  },
  async revoke(issuer, token, assertion) {
    const server = await authorizationServer(issuer)
    const options = { [oauth.allowInsecureRequests]: true }
    const client = { client_id: clientId }
    const response = await oauth.revocationRequest(server, client, assertedBy(assertion), token, options)
    await oauth.processRevocationResponse(response)
  },
  surfaced(error) {
    if (error instanceof oauth.ResponseBodyError) return asSurfaced(error)
    if (!(error instanceof oauth.OperationProcessingError && error.cause instanceof Response)) throw error
    return { status: error.cause.status, retryAfter: retryAfterOf(error.cause) }
  },
}

/** Its `Headers` are not the platform's. */
const headers = z.custom<Pick<Headers, 'get'>>(value => value instanceof Object && 'get' in value)
const refusedByGoogle = z.object({
  message: z.string(),
  response: z.object({ status: z.number(), headers, data: identified }),
})

/** The external-account client: it knows no discovery and no revocation, and reads its token from a file as a pod does. */
export const googleAuthLibrary: OAuthClient = {
  name: 'google-auth-library',
  async exchange(issuer, { subjectToken, audience, scope }) {
    const dir = await mkdtemp(join(tmpdir(), 'external-account-'))
    try {
      const file = join(dir, 'token')
      await writeFile(file, subjectToken, { mode: 0o600 })
      const client = new IdentityPoolClient({
        type: 'external_account',
        audience,
        subject_token_type: jwt,
        token_url: `${issuer}/token`,
        credential_source: { file },
      })
      client.scopes = [scope]
      const { res } = await client.getAccessToken()
      return answered.parse(res?.data)
    } finally {
      await rm(dir, { recursive: true })
    }
  },
  surfaced(error) {
    const parsed = refusedByGoogle.safeParse(error)
    if (!parsed.success) throw error
    const { message, response } = parsed.data
    // "Error code invalid_target: the description".
    const [, code, description] = /^Error code (\w+)(?:: (.*))?$/.exec(message) ?? []
    return {
      status: response.status,
      error: code,
      description,
      retryAfter: retryAfterOf(response),
      decision: response.data,
    }
  },
}

export const clients: readonly OAuthClient[] = [openidClient, oauth4webapi, googleAuthLibrary]
