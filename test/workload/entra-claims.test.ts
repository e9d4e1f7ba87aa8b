import { beforeAll, describe, expect, test } from 'vitest'
import { tokenVerifier } from '../../shared/workload/verify-token.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { failureOf, issuerOf, newSigner, type Signer } from './tokens.ts'

const tenant = '11111111-1111-4111-8111-111111111111'
const objectId = '22222222-2222-4222-8222-222222222222'
const client = '33333333-3333-4333-8333-333333333333'
const [v1, v2] = [`https://sts.windows.net/${tenant}/`, `https://login.microsoftonline.com/${tenant}/v2.0`]

const application = {
  iss: v2,
  ver: '2.0',
  tid: tenant,
  oid: objectId,
  azp: client,
  idtyp: 'app',
  roles: ['Rules.Write'],
  sub: objectId,
  uti: 'uti-1',
  jti: undefined,
}
const identity = {
  tenant,
  objectId,
  application: client,
  principal: 'application',
  principalStated: true,
  roles: ['Rules.Write'],
}
const managed = '/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/erp'

/** A person's sub is another for every application: never the object's id. */
const person = {
  idtyp: 'user',
  sub: 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ',
  scp: 'user_impersonation',
  roles: undefined,
}

let signer: Signer
beforeAll(async () => {
  signer = await newSigner('rsa-1')
})

type Changes = Readonly<Record<string, unknown>>

async function verify(changed: Changes = {}, document: Changes = {}): Promise<Workload> {
  const issuer = issuerOf({ kind: 'entra', issuerUrl: changed['iss'] ?? v2, ...document })
  const issuers = { find: async () => ({ issuer, version: '"1"' }) }
  const keys = { find: async () => signer.known, age: () => undefined }
  const token = await signer.sign({ 'kubernetes.io': undefined, ...application, ...changed })
  const now = () => Date.parse('2026-06-01T12:00:00Z')
  return (await tokenVerifier({ issuers, keys, review: async () => {}, now })(token)).workload
}

describe('an application', () => {
  test('of version 2.0 tells tenant, object, application and roles, and its uti in place of a jti', async () => {
    expect(await verify()).toMatchObject({ entra: identity, issuer: { kind: 'entra' }, token: { id: 'uti-1' } })
    expect((await verify({ roles: undefined })).entra?.roles).toEqual([])
  })

  test('of version 1.0 is named by appid, and by nothing else', async () => {
    const changed = { iss: v1, ver: '1.0', azp: undefined, appid: client }
    expect((await verify(changed)).entra).toEqual(identity)
    expect(await failureOf(verify({ ...changed, appid: undefined, azp: client }))).toMatchObject({
      reason: 'token_claims',
    })
  })

  test('that is a managed identity tells its ARM id', async () => {
    expect((await verify({ xms_mirid: managed })).entra).toEqual({ ...identity, managedIdentity: managed })
  })

  test('without idtyp is known by a sub that is its own object, and no scopes', async () => {
    expect((await verify({ idtyp: undefined })).entra?.principal).toBe('application')
  })

  test('never has a namespace, whatever its claims say', async () => {
    const workload = await verify({
      'kubernetes.io': { namespace: 'payments', serviceaccount: { name: 'a', uid: 'b' } },
    })
    expect(workload).not.toHaveProperty('namespace')
    expect(workload).not.toHaveProperty('serviceAccount')
  })
})

describe('a person', () => {
  test.each<[string, Changes]>([
    ['says so', person],
    ['does not say so, and has scopes', { ...person, idtyp: undefined }],
    ['does not say so, and has a sub of its own', { ...person, idtyp: undefined, scp: undefined }],
    ['does not say so, and has an application sub with scopes', { idtyp: undefined, scp: 'user_impersonation' }],
  ])('whose token %s is refused, but for an issuer of people, whose record says so', async (_, changed) => {
    const error = await failureOf(verify(changed))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_claims' })
    expect(error.description).toBe('the token is of a person, not of an application')
    expect((await verify(changed, { users: true })).entra?.principal).toBe('user')
  })

  test('is told with the scopes that it gave', async () => {
    const changed = { ...person, scp: 'user_impersonation Rules.Read' }
    expect((await verify(changed, { users: true })).entra).toEqual({
      ...identity,
      principal: 'user',
      principalStated: true,
      roles: [],
      scopes: ['user_impersonation', 'Rules.Read'],
    })
  })
})

describe('a token is refused', () => {
  test.each<[string, Changes]>([
    ['of another tenant', { tid: '99999999-9999-4999-8999-999999999999' }],
    ['of no tenant', { tid: undefined }],
    ['of a tenant that is no id', { tid: 'v2.0' }],
    ['without an object', { oid: undefined }],
    ['of an object that is no id', { oid: 'someone' }],
    ['without an application', { azp: undefined }],
    ['of a version that nobody knows', { ver: '3.0' }],
    ['of no version', { ver: undefined }],
    ['of version 1.0 without appid', { ver: '1.0' }],
    ['of a type that nobody knows', { idtyp: 'device' }],
    ['whose roles are no list', { roles: 'Rules.Write' }],
    ['of 65 roles', { roles: Array.from({ length: 65 }, (_, index) => `role-${index}`) }],
  ])('%s', async (_, changed) => {
    expect(await failureOf(verify(changed))).toMatchObject({ code: 'invalid_request', reason: 'token_claims' })
    expect(await failureOf(verify(changed, { users: true }))).toMatchObject({ reason: 'token_claims' })
  })

  test('that is an id token: it has no application', async () => {
    const { description } = await failureOf(verify({ azp: undefined }))
    expect(description).toBe('the token is no access token of Entra: azp is not acceptable')
  })
})
