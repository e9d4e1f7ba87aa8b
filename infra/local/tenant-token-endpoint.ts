import { randomUUID } from 'node:crypto'
import type { JsonAnswer, JsonRequest } from './json-listener.ts'

/** An application registered in a tenant. */
export interface TenantApplication {
  readonly clientId: string
  readonly clientSecret: string
  readonly objectId: string
  /** The app roles granted to it, by resource (audience). */
  readonly roles: Readonly<Record<string, readonly string[]>>
}

/** What the endpoint needs of its tenant. */
export interface TokenIssuer {
  readonly tenantId: string
  readonly applications: readonly TenantApplication[]
  readonly now: () => number
  issue(application: TenantApplication, audience: string): string
}

/**
 * Answers the client credentials grant (RFC 6749 section 4.4) as Entra does: for any audience, granted or not, because
 * "app-only tokens can be issued without a roles claim" and a resource must check roles itself.
 */
export function answerTokenRequest(request: JsonRequest, issuer: TokenIssuer): JsonAnswer {
  try {
    const form = new URLSearchParams(request.body)
    requireClientCredentials(form)
    const application = authenticateClient(form, request.headers.authorization, issuer)
    return granted(issuer.issue(application, requestedAudience(form)))
  } catch (error) {
    if (error instanceof Refusal) return refused(error, issuer.now())
    throw error
  }
}

/** A refusal with Entra's own error number. */
class Refusal extends Error {
  readonly error: string
  readonly number: number

  constructor(error: string, number: number, message: string) {
    super(message)
    this.error = error
    this.number = number
  }
}

function requireClientCredentials(form: URLSearchParams): void {
  const grant = required(form, 'grant_type')
  if (grant !== 'client_credentials') {
    throw new Refusal('unsupported_grant_type', 70003, `The app requested an unsupported grant type '${grant}'.`)
  }
}

function authenticateClient(
  form: URLSearchParams,
  authorization: string | undefined,
  { applications, tenantId }: TokenIssuer,
): TenantApplication {
  const { clientId, secret } = basicCredentials(authorization) ?? postedCredentials(form)
  const application = applications.find(known => known.clientId === clientId)
  if (!application) {
    const message = `Application with identifier '${clientId}' was not found in the directory '${tenantId}'.`
    throw new Refusal('unauthorized_client', 700016, message)
  }
  if (!secret) {
    const message =
      "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    throw new Refusal('invalid_request', 7000216, message)
  }
  if (secret !== application.clientSecret) {
    const message = `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`
    throw new Refusal('invalid_client', 7000215, message)
  }
  return application
}

function postedCredentials(form: URLSearchParams) {
  return { clientId: required(form, 'client_id'), secret: form.get('client_secret') }
}

/** Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1). */
function basicCredentials(authorization: string | undefined) {
  const encoded = /^Basic (\S+)$/i.exec(authorization ?? '')?.[1]
  if (!encoded) return undefined
  const [, clientId = '', secret = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  return { clientId: formDecoded(clientId), secret: formDecoded(secret) }
}

function formDecoded(text: string): string {
  return new URLSearchParams(`text=${text}`).get('text') ?? ''
}

/** The audience exactly as asked for: what stands before `/.default`, a trailing slash of its own included. */
function requestedAudience(form: URLSearchParams): string {
  const scope = required(form, 'scope')
  const audience = /^(\S+)\/\.default$/.exec(scope)?.[1]
  if (audience) return audience
  const message = `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`
  throw new Refusal('invalid_scope', 1002012, message)
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name)
  if (value) return value
  throw new Refusal('invalid_request', 900144, `The request body must contain the following parameter: '${name}'.`)
}

function granted(token: string): JsonAnswer {
  const body = { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: token }
  return { status: 200, headers: { 'cache-control': 'no-store, no-cache', pragma: 'no-cache' }, body }
}

function refused({ error, number, message }: Refusal, now: number): JsonAnswer {
  const timestamp = new Date(now).toISOString().replace('T', ' ').replace(/\..*/, 'Z')
  const trace = { trace_id: randomUUID(), correlation_id: randomUUID() }
  const suffix = `Trace ID: ${trace.trace_id} Correlation ID: ${trace.correlation_id} Timestamp: ${timestamp}`
  const description = `AADSTS${number}: ${message} ${suffix}`
  const body = { error, error_description: description, error_codes: [number], timestamp, ...trace }
  return { status: error === 'invalid_client' ? 401 : 400, headers: { 'cache-control': 'no-store, no-cache' }, body }
}
