import { inspect } from 'node:util'
import { beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../shared/credentials/secret.ts'
import { unavailable } from '../../shared/errors.ts'
import type { Posted } from '../../shared/workload/https-json.ts'
import { type ReviewToken, tokenReviewer } from '../../shared/workload/token-review.ts'
import { paymentsApi } from '../rules/facts.ts'
import { failureOf, issuerOf } from './tokens.ts'

const reviewerToken = 'the-reviewer-token'
const tokenReview = {
  apiServer: 'https://api.example:6443',
  credential: { vault: 'corp', secret: 'reviewer' },
  ca: 'PEM',
}
const issuer = issuerOf({ tokenReview, network: 'private' })
const alive = {
  authenticated: true,
  audiences: ['api://causeway'],
  user: { username: paymentsApi.subject, uid: 'uid-of-api', groups: ['system:serviceaccounts'] },
}

let clock: number
let posted: { readonly url: string; readonly what: Posted }[]
let answer: () => Promise<unknown>
let readSecret: () => Promise<{ secret: Secret; version: string }>
let review: ReviewToken

beforeEach(() => {
  clock = 1_000_000
  posted = []
  answer = async () => ({ kind: 'TokenReview', status: alive })
  readSecret = async () => ({ secret: new Secret(reviewerToken), version: '1' })
  review = tokenReviewer({
    postJson: (url, what) => {
      posted.push({ url: url.href, what })
      return answer()
    },
    readSecret: () => readSecret(),
    monotonic: () => clock,
  })
})

const ask = (token = 'its.token.signed', reviewing = issuer) => review(token, paymentsApi, reviewing)

test('the API server is asked as Kubernetes wants it, with the token of the reviewer', async () => {
  await ask()
  expect(posted).toEqual([
    {
      url: 'https://api.example:6443/apis/authentication.k8s.io/v1/tokenreviews',
      what: {
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          spec: { token: 'its.token.signed', audiences: ['api://causeway'] },
        },
        bearer: expect.any(Secret),
        ca: 'PEM',
        network: 'private',
      },
    },
  ])
  expect(posted[0]?.what.bearer.reveal()).toBe(reviewerToken)
})

test('an issuer that demands no review is never asked', async () => {
  answer = () => Promise.reject(new Error('nobody asks'))
  await ask('its.token.signed', issuerOf())
  expect(posted).toEqual([])
})

describe('an answer', () => {
  test('serves for 30 seconds, and then the cluster is asked again: a pod that was deleted is refused', async () => {
    await ask()
    answer = async () => ({ status: { authenticated: false, error: 'the bound object no longer exists' } })
    clock += 29_999
    await ask()
    expect(posted.length).toBe(1)
    clock += 1
    expect(await failureOf(ask())).toMatchObject({ code: 'invalid_request', reason: 'token_not_live' })
    expect(posted.length).toBe(2)
  })

  test('that is no serves for 30 seconds too, and costs one request', async () => {
    answer = async () => ({ status: { authenticated: false } })
    for (let attempt = 0; attempt < 5; attempt++) expect((await failureOf(ask())).reason).toBe('token_not_live')
    expect(posted.length).toBe(1)
    answer = async () => ({ status: alive })
    clock += 30_000
    await ask()
  })

  test('is awaited by all who ask meanwhile, and is of one token alone', async () => {
    await Promise.all([ask(), ask(), ask()])
    expect(posted.length).toBe(1)
    await ask('another.token.signed')
    expect(posted.length).toBe(2)
  })

  test('is forgotten last used first: twenty thousand others do not make memory grow', async () => {
    await ask()
    for (let count = 0; count < 20_000; count++) await ask(`token-${count}`)
    posted = []
    await ask()
    expect(posted.length).toBe(1)
    await ask('token-19999')
    expect(posted.length).toBe(1)
  })
})

describe('an answer is of one question', () => {
  test.each<[string, object]>([
    ['another API server', { apiServer: 'https://other.example' }],
    ['another reviewer', { credential: { vault: 'corp', secret: 'other' } }],
  ])('%s is asked anew about the same token', async (_, changed) => {
    await ask()
    await ask('its.token.signed', issuerOf({ tokenReview: { ...tokenReview, ...changed } }))
    expect(posted.length).toBe(2)
  })

  test('and so are other audiences, and another issuer', async () => {
    await ask()
    await ask('its.token.signed', issuerOf({ tokenReview, audiences: ['api://causeway', 'api://old'] }))
    await ask('its.token.signed', issuerOf({ tokenReview, id: 'other' }))
    expect(posted.length).toBe(3)
  })

  test('that failed is not asked again for three seconds: an API server that is down is not flooded', async () => {
    answer = () => Promise.reject(new Error('status 503'))
    const asks = Array.from({ length: 5 }, () => failureOf(ask()))
    for (const error of await Promise.all(asks)) expect(error.reason).toBe('token_review_unavailable')
    clock += 2_999
    expect((await failureOf(ask())).reason).toBe('token_review_unavailable')
    expect(posted.length).toBe(1)
    answer = async () => ({ status: alive })
    clock += 1
    await ask()
    expect(posted.length).toBe(2)
  })

  test('goes below the path of the API server, where it has one', async () => {
    await ask(
      'its.token.signed',
      issuerOf({ tokenReview: { ...tokenReview, apiServer: 'https://rancher.example/k8s/clusters/c-1/' } }),
    )
    expect(posted[0]?.url).toBe('https://rancher.example/k8s/clusters/c-1/apis/authentication.k8s.io/v1/tokenreviews')
  })
})

describe('a pass is refused', () => {
  test.each<[string, object]>([
    ['that is no', { ...alive, authenticated: false }],
    ['that does not say', { ...alive, authenticated: undefined }],
    ['of another user', { ...alive, user: { ...alive.user, username: 'system:serviceaccount:billing:batch' } }],
    ['of a service account made anew', { ...alive, user: { ...alive.user, uid: 'uid-of-another' } }],
    ['without a user', { ...alive, user: undefined }],
    ['without the uid', { ...alive, user: { username: paymentsApi.subject } }],
    ['for another audience', { ...alive, audiences: ['https://kubernetes.default.svc'] }],
    ['by an API server that does not know audiences', { ...alive, audiences: undefined }],
  ])('%s', async (_, status) => {
    answer = async () => ({ status })
    const error = await failureOf(ask())
    expect({ code: error.code, reason: error.reason }).toEqual({ code: 'invalid_request', reason: 'token_not_live' })
    expect(error.description).toBe("the cluster no longer knows the token's pod or service account")
  })

  test('whose workload has no service account to compare', async () => {
    const { serviceAccount: _, ...bare } = paymentsApi
    expect((await failureOf(review('its.token.signed', bare, issuer))).reason).toBe('token_not_live')
  })
})

describe('no answer is 503, never a pass, and is asked again in three seconds, not by every request', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['a status of 401', () => Promise.reject(new Error('status 401'))],
    ['a time-out', () => Promise.reject(new DOMException('timeout', 'TimeoutError'))],
    ['a connection that is refused', () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7'))],
    ['an answer that is none', async () => ({})],
    ['a list', async () => []],
    ['an answer of another shape', async () => ({ status: { authenticated: 'true' } })],
  ])('%s', async (_, answers) => {
    answer = answers
    const error = await failureOf(ask())
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'token_review_unavailable' })
    expect(error.description).toBe(undefined)
    const log = JSON.stringify(error.detail)
    for (const secret of ['10.0.0.7', 'its.token.signed', reviewerToken]) expect(log).not.toContain(secret)
    answer = async () => ({ status: alive })
    await failureOf(ask())
    expect(posted.length).toBe(1)
    clock += 3_000
    await ask()
    expect(posted.length).toBe(2)
  })

  test('a reviewer whose token cannot be read', async () => {
    readSecret = () => Promise.reject(unavailable('vault_unavailable'))
    const error = await failureOf(ask())
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'vault_unavailable' })
    expect(posted).toEqual([])
    expect(inspect(error, { depth: 9 })).not.toContain(reviewerToken)
  })
})
