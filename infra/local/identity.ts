import { randomUUID } from 'node:crypto'
import { type JsonAnswer, type JsonRequest, listenForJson } from './json-listener.ts'
import type { Tenant } from './tenant.ts'

/** A user-assigned managed identity of the function app. */
export interface ManagedIdentity {
  readonly clientId: string
  readonly objectId: string
  readonly name: string
  /** The app roles granted to it, by resource (audience). */
  readonly roles?: Readonly<Record<string, readonly string[]>>
}

export interface IdentityEndpointOptions {
  readonly port?: number
  readonly identities: readonly ManagedIdentity[]
  readonly tenant: Pick<Tenant, 'sign'>
  /** What a caller must send as `X-IDENTITY-HEADER`; made anew where not given, as the platform does. */
  readonly header?: string
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** App Service's token endpoint for managed identities: `endpoint` and `header` become `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`. */
export interface IdentityEndpoint {
  readonly endpoint: string
  readonly header: string
  stop(): Promise<void>
}

/**
 * Starts the endpoint on loopback, over plain http as App Service does. It speaks api-version 2019-08-01:
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
export async function startIdentityEndpoint(options: IdentityEndpointOptions): Promise<IdentityEndpoint> {
  const { port = 0, identities, tenant, header = randomUUID(), now = Date.now } = options
  const endpoint = { identities, tenant, header, now }
  const listener = await listenForJson({ port }, () => request => answer(request, endpoint))
  return { endpoint: `${listener.url}/msi/token`, header, stop: listener.stop }
}

type Endpoint = Required<Omit<IdentityEndpointOptions, 'port'>>

async function answer(request: JsonRequest, endpoint: Endpoint): Promise<JsonAnswer> {
  const { url, headers, method } = request
  if (url.pathname !== '/msi/token' || method !== 'GET') return refused(404, 'Not found.')
  // The header proves that the caller reads the app's environment: a forged request through the app cannot set it.
  if (headers['x-identity-header'] !== endpoint.header)
    return refused(401, 'The X-IDENTITY-HEADER is missing or wrong.')
  if (url.searchParams.get('api-version') !== '2019-08-01') return refused(400, 'The api-version is not supported.')
  const resource = url.searchParams.get('resource')
  if (!resource) return refused(400, 'The parameter resource is missing.')
  const identity = endpoint.identities.find(known => known.clientId === url.searchParams.get('client_id'))
  if (!identity) {
    return refused(
      400,
      'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.',
    )
  }
  return granted(identity, resource, endpoint)
}

/** Tokens of managed identities last a day. */
async function granted(identity: ManagedIdentity, resource: string, { tenant, now }: Endpoint): Promise<JsonAnswer> {
  const { clientId, objectId, name, roles } = identity
  const expires = Math.floor(now() / 1000) + 86_400
  const token = await tenant.sign({
    aud: resource,
    azp: clientId,
    azpacr: '2',
    oid: objectId,
    roles: roles?.[resource],
    exp: expires,
    xms_mirid: armId(name),
  })
  const body = { access_token: token, expires_on: String(expires), resource, token_type: 'Bearer', client_id: clientId }
  return { status: 200, body }
}

function armId(name: string): string {
  const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/local'
  return `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
}

function refused(statusCode: number, message: string): JsonAnswer {
  return { status: statusCode, body: { statusCode, message, correlationId: randomUUID() } }
}
