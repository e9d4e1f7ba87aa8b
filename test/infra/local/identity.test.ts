import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManagedIdentityCredential } from '@azure/identity'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { type IdentityEndpoint, startIdentityEndpoint } from '../../../infra/local/identity.ts'
import { startTenant, type Tenant } from '../../../infra/local/tenant.ts'

const vault = 'https://vault.azure.net'
const answered = z.object({ access_token: z.string(), expires_on: z.string() })
const gateway = { clientId: 'client-gateway', objectId: 'object-gateway', name: 'causeway-exchange' }

let dir: string
let tenant: Tenant
let identity: IdentityEndpoint

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'identity-'))
  const certificate = await (await openCertificateAuthority(dir)).issue()
  tenant = await startTenant({ certificate, dir, applications: [] })
  const identities = [{ ...gateway, roles: { 'api://causeway': ['Rules.Read'] } }]
  identity = await startIdentityEndpoint({ identities, tenant })
})

afterEach(() => vi.unstubAllEnvs())

afterAll(async () => {
  await Promise.all([identity.stop(), tenant.stop()])
  await rm(dir, { recursive: true })
})

async function request(parameters: Record<string, string>, header = identity.header) {
  const query = new URLSearchParams({ 'api-version': '2019-08-01', resource: vault, ...parameters })
  const response = await fetch(`${identity.endpoint}?${query}`, { headers: { 'X-IDENTITY-HEADER': header } })
  return { status: response.status, body: await response.json() }
}

async function issued(parameters: Record<string, string>) {
  const { body } = await request(parameters)
  return decodeJwt(answered.parse(body).access_token)
}

function credential(clientId: string): ManagedIdentityCredential {
  vi.stubEnv('IDENTITY_ENDPOINT', identity.endpoint)
  vi.stubEnv('IDENTITY_HEADER', identity.header)
  return new ManagedIdentityCredential({ clientId })
}

test('the unmodified ManagedIdentityCredential gets a token of the identity that it names', async () => {
  const { token } = await credential(gateway.clientId).getToken(`${vault}/.default`)
  expect(await tenant.authenticate(token, vault)).toBe(gateway.clientId)
  expect(decodeJwt(token)).toMatchObject({
    oid: gateway.objectId,
    sub: gateway.objectId,
    azpacr: '2',
    idtyp: 'app',
    xms_mirid: expect.stringMatching(/userAssignedIdentities\/causeway-exchange$/),
  })
})

test('the unmodified ManagedIdentityCredential fails for an identity that the app does not have', async () => {
  await expect(credential('client-stranger').getToken(`${vault}/.default`)).rejects.toThrow(/Managed Identity found/)
})

test('the answer names the resource, the client and when the token ends', async () => {
  const { status, body } = await request({ client_id: gateway.clientId })
  expect(status).toBe(200)
  expect(body).toMatchObject({ resource: vault, client_id: gateway.clientId, token_type: 'Bearer' })
  const { expires_on, access_token } = answered.parse(body)
  expect(expires_on).toBe(String(decodeJwt(access_token).exp))
})

test('an identity has the roles that the resource grants it, and none elsewhere', async () => {
  const granted = await issued({ client_id: gateway.clientId, resource: 'api://causeway' })
  expect(granted['roles']).toEqual(['Rules.Read'])
  expect(await issued({ client_id: gateway.clientId })).not.toHaveProperty('roles')
})

test('a wrong header is refused, whatever else is right', async () => {
  expect(await request({ client_id: gateway.clientId }, 'guess')).toMatchObject({
    status: 401,
    body: { statusCode: 401 },
  })
})

test.each([
  ['an unknown client id', { client_id: 'client-stranger' }],
  ['no client id, since the app has no system-assigned identity', {}],
  ['another api-version', { client_id: gateway.clientId, 'api-version': '2017-09-01' }],
  ['no resource', { client_id: gateway.clientId, resource: '' }],
])('%s is a bad request', async (_, parameters) => {
  expect(await request(parameters)).toMatchObject({ status: 400, body: { statusCode: 400 } })
})
