import { beforeAll, expect, test } from 'vitest'
import { checkToken } from '../../shared/workload/check-token.ts'
import { audience, boundClaims, forged, issuerOf, issuerUrl, newSigner, type Signer, second } from './tokens.ts'

let signer: Signer
let stranger: Signer

beforeAll(async () => {
  signer = await newSigner('key-1')
  stranger = await newSigner('key-2')
})

/** What the doctor's line says of a token: the check, then what was expected and what was found. */
async function lineOf(token: string, changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { kid, n, e } = { n: '', e: '', ...signer.published }
  const keys = { jwks: { keys: [{ kty: 'RSA', kid, n, e }] } }
  const options = { fetchJson: () => Promise.reject(new Error('down')), now: () => second * 1000, monotonic: () => 0 }
  const { ok, check, expected, found } = await checkToken(token, issuerOf({ keys, ...changes }), options)
  return ok ? 'ok' : `${check}: expected ${expected}; found: ${found}`
}

const header = { alg: 'RS256', kid: 'key-1' }

test('a token that is well is ok', async () => {
  expect(await lineOf(await signer.sign())).toBe('ok')
})

test.each<[string, () => string | Promise<string>, Readonly<Record<string, unknown>>]>([
  [
    'token_malformed: expected a signed JWT in compact form; found: the token is not a signed JWT in compact form',
    () => 'nonsense',
    {},
  ],
  [
    `token_header: expected a header with "alg" and "kid" that brings no key along; found: the token's header is not acceptable: jwk`,
    () => forged({ ...header, jwk: {} }, boundClaims),
    {},
  ],
  [
    `issuer_unknown: expected the issuer ${issuerUrl}; found: https://another.example/`,
    () => signer.sign({ iss: 'https://another.example/' }),
    {},
  ],
  [
    `issuer_unknown: expected the issuer ${issuerUrl}; found: ${issuerUrl.slice(0, -1)}; it differs by the trailing slash`,
    () => signer.sign({ iss: issuerUrl.slice(0, -1) }),
    {},
  ],
  [
    "token_algorithm: expected the key's own algorithm, one of ES256; found: another algorithm",
    () => signer.sign(),
    { algorithms: ['ES256'] },
  ],
  [
    'token_audience: expected one of api://a, api://b, and no other; found: api://causeway',
    () => signer.sign(),
    { audiences: ['api://a', 'api://b'] },
  ],
  [
    "token_audience: expected one of api://causeway, and no other; found: api://AzureADTokenExchange; the token's is that of Azure Workload Identity: project a second token",
    () => signer.sign({ aud: 'api://AzureADTokenExchange' }),
    {},
  ],
  [
    'token_audience: expected one of api://causeway, and no other; found: api://causeway api://other',
    () => signer.sign({ aud: [audience, 'api://other'] }),
    {},
  ],
  [
    'token_expired: expected an end after 2026-06-01T12:00:00.000Z; found: it ended at 2026-06-01T11:00:00.000Z',
    () => signer.sign({ exp: second - 3600 }),
    {},
  ],
  [
    'token_not_yet_valid: expected a beginning before 2026-06-01T12:00:00.000Z; found: the token is not valid before 2026-06-01T13:00:00.000Z',
    () => signer.sign({ nbf: second + 3600 }),
    {},
  ],
  [
    'token_too_old: expected at most 3600 seconds of life; found: 7200 seconds; set expirationSeconds of the projected token',
    () => signer.sign({ exp: second + 7200 }),
    {},
  ],
  [
    'token_key_unknown: expected a key that the issuer publishes, for RS256, ES256; found: the key "key-2"',
    () => stranger.sign(),
    {},
  ],
  [
    'token_signature: expected a signature by the key that it names; found: one that does not verify by the key "key-1"',
    () => stranger.sign({}, { kid: 'key-1' }),
    {},
  ],
  [
    'token_claims: expected "iss", "sub", "aud", "exp" and "iat", and a "sub" that agrees with "kubernetes.io"; found: the token\'s sub disagrees with its kubernetes.io claims',
    () => signer.sign({ sub: 'system:serviceaccount:payments:other' }),
    {},
  ],
  [
    'token_unbound: expected a bound service-account token of a pod; found: the token is no bound service-account token: mount a projected one for this audience',
    () => signer.sign({ 'kubernetes.io': undefined }),
    {},
  ],
  [
    'issuer_keys_unavailable: expected keys that can be fetched; found: none',
    () => signer.sign(),
    { keys: { discovery: true } },
  ],
])('%s', async (line, token, changes) => {
  expect(await lineOf(await token(), changes)).toBe(line)
})

test('of a person, an issuer of applications says so', async () => {
  const person = {
    ver: '2.0',
    tid: '11111111-1111-4111-8111-111111111111',
    oid: '11111111-1111-4111-8111-111111111112',
  }
  const entra = {
    kind: 'entra',
    issuerUrl: 'https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0',
  }
  const token = await signer.sign({ ...person, iss: entra.issuerUrl, azp: person.oid, scp: 'manage' })
  expect(await lineOf(token, entra)).toMatch(
    /^token_claims: expected .*an access token of Entra for an application of the issuer's tenant; found: the token is of a person, not of an application$/,
  )
})
