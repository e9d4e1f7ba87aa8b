import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { ClientSecretCredential } from '@azure/identity'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type Certificate, openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { startTenant, type Tenant } from '../../../infra/local/tenant.ts'

const operator = { clientId: 'client-1', clientSecret: 'p:ss w/rd', objectId: 'object-1' }
const audience = 'api://causeway'
const discovery = z.object({ issuer: z.string(), jwks_uri: z.string() })
const granted = z.object({ access_token: z.string() })
const refusal = z.object({ error_description: z.string() })
const roles = { [audience]: ['Rules.Write'] }

let dir: string
let certificate: Certificate
let tenant: Tenant

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenant-'))
  const authority = await openCertificateAuthority(dir)
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), authority.certificate])
  certificate = await authority.issue()
  tenant = await start()
})

afterAll(async () => {
  await tenant.stop()
  await rm(dir, { recursive: true })
})

function start(port = 0): Promise<Tenant> {
  return startTenant({ port, certificate, dir, plainHttp: true, applications: [{ ...operator, roles }] })
}

async function verify(token: string) {
  const response = await fetch(`${tenant.issuerUrl}/.well-known/openid-configuration`)
  const metadata = discovery.parse(await response.json())
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
  return jwtVerify(token, keys, { issuer: metadata.issuer, algorithms: ['RS256'] })
}

async function request(form: Record<string, string>, headers: Record<string, string> = {}) {
  const full = { grant_type: 'client_credentials', scope: `${audience}/.default`, ...form }
  const response = await fetch(tenant.tokenEndpoint, { method: 'POST', headers, body: new URLSearchParams(full) })
  return { status: response.status, body: await response.json() }
}

async function issued(form: Record<string, string>): Promise<string> {
  const { body } = await request(form)
  return granted.parse(body).access_token
}

const posted = { client_id: operator.clientId, client_secret: operator.clientSecret }

test('a token of an application carries the claims of Entra v2 and is verified by the published keys', async () => {
  const { payload, protectedHeader } = await verify(await issued(posted))
  expect(protectedHeader.typ).toBe('JWT')
  expect(payload).toMatchObject({
    aud: audience,
    azp: operator.clientId,
    azpacr: '1',
    oid: operator.objectId,
    sub: operator.objectId,
    tid: tenant.tenantId,
    idtyp: 'app',
    ver: '2.0',
    roles: ['Rules.Write'],
    uti: expect.any(String),
  })
})

test('a token for an audience that grants no roles is issued all the same, without roles', async () => {
  const claims = decodeJwt(await issued({ ...posted, scope: 'https://elsewhere.example//.default' }))
  expect(claims.aud).toBe('https://elsewhere.example/')
  expect(claims).not.toHaveProperty('roles')
})

test('client_secret_basic decodes what the client had to encode', async () => {
  const encoded = `${operator.clientId}:${encodeURIComponent(operator.clientSecret)}`
  const { status } = await request({}, { authorization: `Basic ${Buffer.from(encoded).toString('base64')}` })
  expect(status).toBe(200)
})

test('the plain http copy of the token endpoint issues tokens of the same issuer', async () => {
  const form = { grant_type: 'client_credentials', scope: `${audience}/.default`, ...posted }
  const response = await fetch(tenant.tokenEndpointHttp ?? '', { method: 'POST', body: new URLSearchParams(form) })
  const { payload } = await verify(granted.parse(await response.json()).access_token)
  expect(payload.iss).toBe(tenant.issuerUrl)
})

test.each([
  ['a wrong secret', { ...posted, client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
  ['an unknown application', { ...posted, client_id: 'nobody' }, 400, 'unauthorized_client', 700016],
  ['a missing secret', { client_id: operator.clientId }, 400, 'invalid_request', 7000216],
  ['a missing client id', {}, 400, 'invalid_request', 900144],
  ['another grant', { ...posted, grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
  ['a scope that is not /.default', { ...posted, scope: `${audience}/Rules.Write` }, 400, 'invalid_scope', 1002012],
])('%s is refused in the shape of Entra', async (_, form, status, error, number) => {
  const refused = await request(form)
  expect(refused).toMatchObject({ status, body: { error, error_codes: [number], trace_id: expect.any(String) } })
  expect(refusal.parse(refused.body).error_description).toContain(`AADSTS${number}: `)
})

test('the unmodified ClientSecretCredential gets a token', async () => {
  const { origin } = new URL(tenant.issuerUrl)
  const options = { authorityHost: origin, disableInstanceDiscovery: true }
  const credential = new ClientSecretCredential(tenant.tenantId, operator.clientId, operator.clientSecret, options)
  const { token } = await credential.getToken(`${audience}/.default`)
  expect(decodeJwt(token)['azp']).toBe(operator.clientId)
})

test('authenticate tells the client of a token for that audience, and nothing of any other', async () => {
  const claims = { aud: audience, azp: 'client-2', oid: 'object-2' }
  const token = await tenant.sign(claims)
  const expired = await tenant.sign({ ...claims, exp: 1 })
  expect(await tenant.authenticate(token, audience)).toBe('client-2')
  expect(await tenant.authenticate(token, 'api://other')).toBeUndefined()
  expect(await tenant.authenticate(expired, audience)).toBeUndefined()
  expect(await tenant.authenticate(`${token.slice(0, -4)}AAAA`, audience)).toBeUndefined()
})

test('claims given to sign replace or remove those of an application', async () => {
  const claims = { aud: audience, azp: 'a', oid: 'o', idtyp: undefined, scp: 'Admin.Manage', ver: '1.0' }
  const signed = decodeJwt(await tenant.sign(claims))
  expect(signed).toMatchObject({ scp: 'Admin.Manage', ver: '1.0' })
  expect(signed).not.toHaveProperty('idtyp')
})

test('a restart is the same tenant and signs with the same key', async () => {
  const before = { issuerUrl: tenant.issuerUrl, token: await tenant.sign({ aud: audience, azp: 'a', oid: 'o' }) }
  await tenant.stop()
  tenant = await start(Number(new URL(before.issuerUrl).port))
  const after = await tenant.sign({ aud: audience, azp: 'a', oid: 'o' })
  expect(tenant.issuerUrl).toBe(before.issuerUrl)
  expect(decodeProtectedHeader(after).kid).toBe(decodeProtectedHeader(before.token).kid)
  expect(await tenant.authenticate(before.token, audience)).toBe('a')
})
