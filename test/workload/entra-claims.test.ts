import { beforeAll, expect, test } from 'vitest'
import { tokenVerifier } from '../../shared/workload/verify-token.ts'
import { failureOf, issuerOf, newSigner, type Signer } from './tokens.ts'

const application = {
  ver: '2.0',
  tid: '11111111-1111-4111-8111-111111111111',
  oid: '22222222-2222-4222-8222-222222222222',
  azp: '33333333-3333-4333-8333-333333333333',
  idtyp: 'app',
  roles: ['Rules.Write'],
  sub: '22222222-2222-4222-8222-222222222222',
  uti: 'uti-1',
  jti: undefined,
}

let signer: Signer
beforeAll(async () => {
  signer = await newSigner('rsa-1')
})

async function verify(changed: object = {}) {
  const issuers = { find: async () => ({ issuer: issuerOf({ kind: 'entra' }), version: '"1"' }) }
  const keys = { find: async () => signer.known }
  const token = await signer.sign({ 'kubernetes.io': undefined, ...application, ...changed })
  return tokenVerifier({ issuers, keys, now: () => Date.parse('2026-06-01T12:00:00Z') })(token)
}

test("an application's token tells its roles, and its uti in place of a jti", async () => {
  expect(await verify()).toMatchObject({ roles: ['Rules.Write'], issuer: { kind: 'entra' }, token: { id: 'uti-1' } })
  expect((await verify({ roles: undefined })).roles).toEqual([])
})

test('a token of Entra never has a namespace, whatever its claims say', async () => {
  const workload = await verify({ 'kubernetes.io': { namespace: 'payments', serviceaccount: { name: 'a', uid: 'b' } } })
  expect(workload).not.toHaveProperty('namespace')
})

test.each<[string, object]>([
  ['a person', { idtyp: 'user' }],
  ['somebody unsaid', { idtyp: undefined }],
  ['version 1.0', { ver: '1.0' }],
  ['no tenant', { tid: undefined }],
  ['no object', { oid: 'someone' }],
  ['roles that are no list', { roles: 'Rules.Write' }],
])('a token of %s is refused', async (_, changed) => {
  expect(await failureOf(verify(changed))).toMatchObject({ code: 'invalid_request', reason: 'token_claims' })
})
