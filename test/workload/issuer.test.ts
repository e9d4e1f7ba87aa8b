import { beforeAll, describe, expect, test } from 'vitest'
import { describeProblems } from '../../shared/document.ts'
import { issuerDocument } from '../../shared/workload/issuer.ts'
import { issuerUrl, newSigner, type Signer } from './tokens.ts'

const document = { schema: 1, id: 'aks-prod-weu', issuerUrl, kind: 'aks', audiences: ['api://causeway'] }
const anHour = 3_600_000

let rsa: Signer
beforeAll(async () => {
  rsa = await newSigner('rsa-1')
})

type Changes = Readonly<Record<string, unknown>>

const parse = (changed: Changes = {}) => issuerDocument.parse({ ...document, ...changed })

function problemsOf(changed: Changes): readonly string[] {
  const parsed = issuerDocument.safeParse({ ...document, ...changed })
  return parsed.success ? [] : describeProblems(parsed.error)
}

describe('an issuer document', () => {
  test('needs little, and its defaults are the strict ones', () => {
    expect(parse()).toEqual({
      ...document,
      labels: {},
      keys: { discovery: true },
      network: 'public',
      algorithms: ['RS256', 'ES256'],
      maxTokenAge: anHour,
      clockTolerance: 30_000,
      keepClaims: [],
      relax: [],
      requireApproval: false,
      users: false,
      enabled: true,
    })
  })

  test.each(['aks', 'arc', 'kubernetes', 'entra', 'oidc'])('may be of the kind %s', kind => {
    expect(parse({ kind }).kind).toBe(kind)
  })

  test('says where keys come from: discovery, another URL, or the document itself', () => {
    const inline = { jwks: { keys: [rsa.published] } }
    for (const keys of [{ discovery: true }, { jwksUri: 'https://keys.example/jwks' }, inline]) {
      expect(parse({ keys }).keys).toEqual(keys)
    }
  })

  test('of a cluster may demand a review of tokens, relax checks and name actors', () => {
    const tokenReview = { apiServer: 'https://api.example', credential: { vault: 'corp', secret: 'reviewer' } }
    const actors = [{ issuer: 'entra', subject: 'api-management' }]
    const relax = ['unbound', 'severalAudiences']
    expect(parse({ tokenReview, actors, relax })).toMatchObject({ tokenReview, actors, relax })
    expect(parse({ kind: 'entra', users: true }).users).toBe(true)
  })

  test.each<[string, () => Changes, string]>([
    ['a kind that nobody knows', () => ({ kind: 'fridge' }), 'kind'],
    ['a member that nobody knows', () => ({ enabeld: false }), 'document'],
    ['an issuerUrl over http', () => ({ issuerUrl: 'http://oidc.example/' }), 'issuerUrl'],
    ['an issuerUrl with a query', () => ({ issuerUrl: 'https://oidc.example/?x=1' }), 'issuerUrl'],
    ['an issuerUrl with a fragment', () => ({ issuerUrl: 'https://oidc.example/#x' }), 'issuerUrl'],
    ['an issuerUrl with a user', () => ({ issuerUrl: 'https://aks@oidc.example/' }), 'issuerUrl'],
    ['an issuerUrl with a password alone', () => ({ issuerUrl: 'https://:aks@oidc.example/' }), 'issuerUrl'],
    ['an issuerUrl that is none', () => ({ issuerUrl: 'kubernetes/serviceaccount' }), 'issuerUrl'],
    ['no audience', () => ({ audiences: [] }), 'audiences'],
    ['HMAC', () => ({ algorithms: ['HS256'] }), 'algorithms[0]'],
    ['unsigned tokens', () => ({ algorithms: ['RS256', 'none'] }), 'algorithms[1]'],
    ['no algorithm', () => ({ algorithms: [] }), 'algorithms'],
    ['tokens of two days', () => ({ maxTokenAge: 'PT48H' }), 'maxTokenAge'],
    ['a tolerance of two minutes', () => ({ clockTolerance: 'PT2M' }), 'clockTolerance'],
    ['keys from two places', () => ({ keys: { discovery: true, jwksUri: 'https://keys.example' } }), 'keys'],
    ['keys from nowhere', () => ({ keys: {} }), 'keys'],
    ['keys over http', () => ({ keys: { jwksUri: 'http://keys.example' } }), 'keys.jwksUri'],
    ['no inline key', () => ({ keys: { jwks: { keys: [] } } }), 'keys.jwks.keys'],
    [
      'a private inline key',
      () => ({ keys: { jwks: { keys: [{ ...rsa.published, d: 'AAAA' }] } } }),
      'keys.jwks.keys[0]',
    ],
    ['a symmetric inline key', () => ({ keys: { jwks: { keys: [{ kty: 'oct', kid: 'a', k: 'AAAA' }] } } }), 'keys'],
    [
      'an inline key without an id',
      () => ({ keys: { jwks: { keys: [{ ...rsa.published, kid: undefined }] } } }),
      'keys',
    ],
    ['a relaxation that nobody knows', () => ({ relax: ['expired'] }), 'relax[0]'],
    ['a relaxation of another kind', () => ({ kind: 'oidc', relax: ['unbound'] }), 'relax'],
    ['people of a cluster', () => ({ users: true }), 'users'],
    ['people of another kind than Entra', () => ({ kind: 'oidc', users: true }), 'users'],
    ['actors that are nobody', () => ({ actors: [] }), 'actors'],
    ['an actor by pattern', () => ({ actors: [{ issuer: '*', subject: 'x' }] }), 'actors[0].issuer'],
    [
      'a review by a tenant',
      () => ({
        kind: 'entra',
        tokenReview: { apiServer: 'https://x.example', credential: { vault: 'a', secret: 'b' } },
      }),
      'tokenReview',
    ],
    [
      'a review over http',
      () => ({ tokenReview: { apiServer: 'http://x.example', credential: { vault: 'a', secret: 'b' } } }),
      'tokenReview.apiServer',
    ],
  ])('with %s is refused', (_, changed, path) => {
    expect(problemsOf(changed()).map(problem => problem.split(': ')[0])[0]).toBe(path)
  })
})
