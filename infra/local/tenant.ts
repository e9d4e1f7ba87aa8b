import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createLocalJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Certificate } from './certificate-authority.ts'
import { type AnswerRequest, type JsonAnswer, listenForJson } from './json-listener.ts'
import { keepJson, readKeptJson } from './kept-json.ts'
import { openSigningKeys, type SigningKeys } from './signing-keys.ts'
import { answerTokenRequest, type TenantApplication } from './tenant-token-endpoint.ts'

export interface TenantOptions {
  readonly port?: number
  readonly certificate: Certificate
  /** Keeps the tenant's id and its keys. */
  readonly dir: string
  /** Serves the token endpoint over plain http too, so that curl needs no CA. */
  readonly plainHttp?: boolean
  readonly plainHttpPort?: number
  /** Epoch milliseconds. */
  readonly now?: () => number
  readonly applications: readonly TenantApplication[]
}

/** The claims that say whom a token is for and about. Any other replaces Entra's own; undefined leaves one out. */
export interface TenantClaims {
  readonly [claim: string]: unknown
  readonly aud: string
  readonly azp: string
  readonly oid: string
}

/** A Microsoft Entra tenant that issues v2 access tokens to applications. */
export interface Tenant {
  readonly tenantId: string
  readonly issuerUrl: string
  readonly tokenEndpoint: string
  readonly tokenEndpointHttp?: string
  /** Signs an access token with Entra's full set of claims: an application's, valid for an hour, unless `claims` say otherwise. */
  sign(claims: TenantClaims): Promise<string>
  /** The client id in a token that this tenant signed for that audience and that is valid now, else undefined. */
  authenticate(token: string, audience: string): Promise<string | undefined>
  stop(): Promise<void>
}

/** Starts an Entra tenant on loopback. A restart over the same `dir` is the same tenant, with the same keys. */
export async function startTenant(options: TenantOptions): Promise<Tenant> {
  const { port = 0, certificate, dir, plainHttp, plainHttpPort = 0, applications, now = Date.now } = options
  const tenantId = openTenantId(dir)
  const keys = await openSigningKeys(dir)
  const published = createLocalJWKSet({ keys: [...keys.published()] })
  const issuedBy = (origin: string) => ({ tenantId, applications, keys, published, now, origin })
  const listener = await listenForJson({ port, certificate }, origin => answerTenant(issuedBy(origin)))
  const issuer = issuedBy(listener.url)
  const http = plainHttp ? await listenForJson({ port: plainHttpPort }, () => answerTokens(issuer)) : undefined
  return {
    tenantId,
    issuerUrl: issuerUrl(issuer),
    tokenEndpoint: listener.url + tokenPath(tenantId),
    ...(http && { tokenEndpointHttp: http.url + tokenPath(tenantId) }),
    sign: async claims => signAccessToken(issuer, claims),
    authenticate: (token, audience) => authenticate(issuer, token, audience),
    stop: async () => {
      await Promise.all([listener.stop(), http?.stop()])
    },
  }
}

interface Issuer {
  readonly tenantId: string
  readonly applications: readonly TenantApplication[]
  readonly keys: SigningKeys
  readonly published: JWTVerifyGetKey
  readonly now: () => number
  /** Of the https listener, over which even the plain-http token endpoint's tokens are verified. */
  readonly origin: string
}

function openTenantId(dir: string): string {
  const path = join(dir, 'tenant.json')
  const kept = readKeptJson(path) ?? { tenantId: randomUUID() }
  keepJson(path, kept)
  return z.strictObject({ tenantId: z.string() }).parse(kept).tenantId
}

function issuerUrl({ origin, tenantId }: Issuer): string {
  return `${origin}/${tenantId}/v2.0`
}

function tokenPath(tenantId: string): string {
  return `/${tenantId}/oauth2/v2.0/token`
}

function answerTenant(issuer: Issuer): AnswerRequest {
  const tokens = answerTokens(issuer)
  return request => {
    switch (request.url.pathname) {
      case `/${issuer.tenantId}/v2.0/.well-known/openid-configuration`:
        return cacheable(discovery(issuer))
      case `/${issuer.tenantId}/discovery/v2.0/keys`:
        return cacheable({ keys: issuer.keys.published().map(key => ({ ...key, issuer: issuerUrl(issuer) })) })
      default:
        return tokens(request)
    }
  }
}

function answerTokens(issuer: Issuer): AnswerRequest {
  const issue = ({ clientId, objectId, roles }: TenantApplication, audience: string) =>
    signAccessToken(issuer, { aud: audience, azp: clientId, oid: objectId, roles: roles[audience] })
  return request => {
    const path = tokenPath(issuer.tenantId)
    if (request.url.pathname !== path) return { status: 404, body: { error: 'not_found' } }
    if (request.method !== 'POST')
      return { status: 405, headers: { allow: 'POST' }, body: { error: 'invalid_request' } }
    return answerTokenRequest(request, { ...issuer, issue })
  }
}

function cacheable(body: unknown): JsonAnswer {
  return { status: 200, headers: { 'cache-control': 'max-age=86400, private' }, body }
}

/** Entra's metadata. There is nobody to sign in, so nothing listens at the authorization endpoint; clients insist on its name. */
function discovery(issuer: Issuer) {
  const { origin, tenantId } = issuer
  return {
    issuer: issuerUrl(issuer),
    token_endpoint: origin + tokenPath(tenantId),
    authorization_endpoint: `${origin}/${tenantId}/oauth2/v2.0/authorize`,
    jwks_uri: `${origin}/${tenantId}/discovery/v2.0/keys`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
  }
}

/** Entra sets `iat` and `nbf` five minutes back, for verifiers whose clock is slow. */
function signAccessToken(issuer: Issuer, claims: TenantClaims): string {
  const seconds = Math.floor(issuer.now() / 1000)
  const full = {
    iss: issuerUrl(issuer),
    iat: seconds - 300,
    nbf: seconds - 300,
    exp: seconds + 3600,
    azpacr: '1',
    idtyp: 'app',
    sub: claims.oid,
    tid: issuer.tenantId,
    uti: randomBytes(16).toString('base64url'),
    ver: '2.0',
  }
  return issuer.keys.sign({ ...full, ...claims }, { typ: 'JWT' })
}

async function authenticate(issuer: Issuer, token: string, audience: string): Promise<string | undefined> {
  const expected = { issuer: issuerUrl(issuer), audience, algorithms: ['RS256'], currentDate: new Date(issuer.now()) }
  try {
    const { payload } = await jwtVerify(token, issuer.published, expected)
    return typeof payload['azp'] === 'string' ? payload['azp'] : undefined
  } catch {
    return undefined
  }
}
