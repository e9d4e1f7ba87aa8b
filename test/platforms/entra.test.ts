import { beforeAll, describe, expect, test } from 'vitest'
import type { EntraIdentity } from '../../shared/workload/workload.ts'
import { failureOf, type Signer, second } from '../workload/tokens.ts'
import { type IssuerMembers, platformSigners, verified } from './verified.ts'

let signer: Signer
beforeAll(async () => {
  signer = (await platformSigners()).RS256
})

const tid = 'f645ad92-e38d-4d79-b4c4-6f2d8b5f3a10'
const oid = '6f2a1c3e-5b7d-4e9f-8a1b-2c3d4e5f6a7b'
const clientId = '1b7f2d9c-3e5a-4c8b-9d0e-1f2a3b4c5d6e'
const gateway = '0d6f8b1a-2c3e-4f5a-8b7c-9d0e1f2a3b4c'
const managedIdentity =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/apim'
const uti = 'fqiBqXLPj0eQa82S-IYFAA'

const v1: IssuerMembers = { kind: 'entra', issuerUrl: `https://sts.windows.net/${tid}/` }
const v2: IssuerMembers = {
  kind: 'entra',
  issuerUrl: `https://login.microsoftonline.com/${tid}/v2.0`,
  audiences: [gateway],
}

/** Entra dates a token five minutes back. */
const entra = { iat: second - 300, nbf: second - 300, jti: undefined, 'kubernetes.io': undefined, tid, oid, uti }
const both = { ...entra, aio: 'E2ZgYPj/', rh: '0.AX0Akq1F9o', xms_tcdt: 1_582_220_114 }
const version1 = { ...both, iss: v1['issuerUrl'], aud: 'api://causeway', idp: v1['issuerUrl'], ver: '1.0' }
const version2 = { ...both, iss: v2['issuerUrl'], aud: gateway, ver: '2.0' }
const ofApplication = { sub: oid, exp: second + 3600 }
const day = second + 86_400

interface Principal {
  readonly name: string
  readonly issuer: IssuerMembers
  readonly header?: object
  readonly claims: Readonly<Record<string, unknown>>
  readonly entra: EntraIdentity
}

const application = {
  tenant: tid,
  objectId: oid,
  application: clientId,
  principal: 'application',
  principalStated: true,
  roles: [],
} as const
const person = { ...application, principal: 'user', principalStated: true } as const

const principals: readonly Principal[] = [
  {
    name: 'a managed identity, v1.0, for the day that such tokens live',
    issuer: { ...v1, maxTokenAge: 'PT24H' },
    header: { typ: 'JWT', x5t: 'nOo3ZDrODXEK1jKWhXslHR_KXEg' },
    claims: {
      ...version1,
      sub: oid,
      exp: day,
      appid: clientId,
      appidacr: '2',
      idtyp: 'app',
      xms_mirid: managedIdentity,
    },
    entra: { ...application, managedIdentity },
  },
  {
    name: 'a managed identity, v2.0, with roles',
    issuer: { ...v2, maxTokenAge: 'PT24H' },
    header: { typ: 'JWT' },
    claims: {
      ...version2,
      sub: oid,
      exp: day,
      azp: clientId,
      azpacr: '2',
      idtyp: 'app',
      roles: ['Gateway.Broker'],
      xms_mirid: managedIdentity,
    },
    entra: { ...application, roles: ['Gateway.Broker'], managedIdentity },
  },
  {
    name: 'an application, v1.0, without the optional idtyp',
    issuer: v1,
    header: { typ: 'JWT', x5t: 'nOo3ZDrODXEK1jKWhXslHR_KXEg' },
    claims: { ...version1, ...ofApplication, appid: clientId, appidacr: '1', roles: ['Rules.Read', 'Rules.Write'] },
    entra: { ...application, principalStated: false, roles: ['Rules.Read', 'Rules.Write'] },
  },
  {
    name: 'an application, v2.0, without roles, which anybody in the tenant can have',
    issuer: v2,
    claims: { ...version2, ...ofApplication, azp: clientId, azpacr: '1', idtyp: 'app' },
    entra: application,
  },
  {
    name: 'a person, v1.0, where the issuer says users',
    issuer: { ...v1, users: true, maxTokenAge: 'PT90M' },
    claims: {
      ...version1,
      sub: 'l3roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA',
      exp: second + 4_800,
      appid: clientId,
      appidacr: '0',
      acr: '1',
      amr: ['pwd', 'mfa'],
      family_name: 'Lovelace',
      given_name: 'Ada',
      ipaddr: '198.51.100.7',
      name: 'Ada Lovelace',
      scp: 'user_impersonation',
      unique_name: 'ada@corp.example',
      upn: 'ada@corp.example',
    },
    entra: { ...person, principalStated: false, scopes: ['user_impersonation'] },
  },
  {
    name: 'a person, v2.0, where the issuer says users',
    issuer: { ...v2, users: true, maxTokenAge: 'PT90M' },
    claims: {
      ...version2,
      sub: 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ',
      exp: second + 4_800,
      azp: clientId,
      azpacr: '0',
      idtyp: 'user',
      name: 'Ada Lovelace',
      preferred_username: 'ada@corp.example',
      roles: ['Rules.Read'],
      scp: 'Rules.Read.All access_as_user',
    },
    entra: { ...person, roles: ['Rules.Read'], scopes: ['Rules.Read.All', 'access_as_user'] },
  },
]

describe.each(principals)('a token of $name', ({ issuer, claims, entra: identity, header = {} }) => {
  const verify = (changed: Readonly<Record<string, unknown>> = {}, members: IssuerMembers = {}) =>
    verified(signer, { issuer: { ...issuer, ...members }, claims: { ...claims, ...changed }, header })
  const refusal = { code: 'invalid_request', reason: 'token_claims' }

  test('tells the workload, whole: nothing of it that a person could rename', async () => {
    expect((await verify()).workload).toStrictEqual({
      issuer: { id: 'aks-prod-weu', kind: 'entra', labels: {} },
      subject: claims['sub'],
      entra: identity,
      claims: Object.create(null),
      token: { id: uti, keyId: signer.id, issuedAt: second - 300, expiresAt: claims['exp'] },
    })
  })

  test("of another tenant than the issuer's is refused, though its key signed it", async () => {
    const error = await failureOf(verify({ tid: '00000000-1111-4222-8333-444444444444' }))
    expect(error).toMatchObject(refusal)
  })

  test('without an object id, or with the application of the other version, is refused', async () => {
    expect(await failureOf(verify({ oid: undefined }))).toMatchObject(refusal)
    const { appid, azp } = claims
    expect(await failureOf(verify({ appid: azp, azp: appid }))).toMatchObject(refusal)
  })

  test('is a workload of a person only where the issuer says users', async () => {
    const verifying = verify({}, { users: false })
    if (identity.principal === 'application') expect((await verifying).workload.entra).toEqual(identity)
    else
      expect(await failureOf(verifying)).toMatchObject({ ...refusal, description: expect.stringContaining('person') })
  })

  test('that lives longer than the issuer allows, from when it was asked for, is refused', async () => {
    const life = Number(claims['exp']) - second
    const exactly = { maxTokenAge: `PT${life}S` }
    expect((await verify({}, exactly)).workload.entra).toEqual(identity)
    const error = await failureOf(verify({ exp: Number(claims['exp']) + 1 }, exactly))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_too_old' })
  })
})

test('a token of an application with a scope is taken for a person: only people have scopes', async () => {
  const claims = { ...version2, ...ofApplication, azp: clientId, scp: 'Rules.Read' }
  expect(await failureOf(verified(signer, { issuer: v2, claims }))).toMatchObject({ reason: 'token_claims' })
})
