import { describe, expect, test } from 'vitest'
import type { UnverifiedToken } from '../../shared/workload/compact-token.ts'
import type { Issuer } from '../../shared/workload/issuer.ts'
import { issuerIndex } from '../../shared/workload/issuer-index.ts'
import {
  explainAudience,
  explainLifetime,
  explainUnknownIssuer,
  isLegacyToken,
} from '../../shared/workload/issuer-mistakes.ts'
import { boundClaims, issuerUrl } from './tokens.ts'

const defaultIssuer = 'https://kubernetes.default.svc.cluster.local'

function indexOf(...urls: readonly string[]) {
  const index = issuerIndex()
  for (const [position, url] of urls.entries()) index.put({ id: `issuer-${position}`, issuerUrl: url })
  return index
}

const explained = (asked: string, ...registered: readonly string[]) =>
  explainUnknownIssuer(asked, indexOf(...registered).similarTo(asked))

describe('an issuer that is not registered is explained', () => {
  test.each<[string, string, RegExp]>([
    ['without the trailing slash', issuerUrl.slice(0, -1), /differs by the trailing slash/],
    ['with a second trailing slash', `${issuerUrl}/`, /differs by the trailing slash|differs by the case/],
    ['in letters of another case', issuerUrl.replace('tenant', 'Tenant'), /differs by the case of its letters/],
    ['as the default of every cluster', defaultIssuer, /service-account-issuer.*oidcIssuerProfile/],
    ['as the short default', 'https://kubernetes.default.svc', /service-account-issuer/],
    ['that is like none', 'https://evil.example/', /^the token's issuer is not registered$/],
    ['that only begins alike', `${issuerUrl}more`, /^the token's issuer is not registered$/],
  ])('%s', (_, asked, words) => {
    expect(explained(asked, issuerUrl)).toMatch(words)
  })

  test('without repeating the registered one, nor the one that was presented', () => {
    for (const asked of [issuerUrl.slice(0, -1), issuerUrl.toUpperCase(), 'https://evil.example/']) {
      const words = explained(asked, issuerUrl)
      expect(words).not.toContain('oidc.example')
      expect(words).not.toContain('evil.example')
    }
  })

  test('but never found: the exact comparison is what decides', () => {
    const index = indexOf(issuerUrl)
    for (const spelling of [issuerUrl.slice(0, -1), `${issuerUrl}/`, issuerUrl.toUpperCase(), ` ${issuerUrl}`]) {
      expect(index.idsOf(spelling), spelling).toEqual([])
    }
    expect(index.idsOf(issuerUrl)).toEqual(['issuer-0'])
  })
})

describe('the index of issuers', () => {
  test('forgets an issuer that was removed or moved, and what it was like', () => {
    const index = indexOf(issuerUrl)
    index.put({ id: 'issuer-0', issuerUrl: 'https://new.example/' })
    expect(index.idsOf(issuerUrl)).toEqual([])
    expect(index.similarTo(issuerUrl.slice(0, -1))).toBe(undefined)
    expect(index.idsOf('https://new.example/')).toEqual(['issuer-0'])
    index.remove('issuer-0')
    index.remove('never-there')
    expect(index.idsOf('https://new.example/')).toEqual([])
    expect(index.similarTo('https://new.example')).toBe(undefined)
  })

  test('keeps what is like as long as one issuer of that URL is left', () => {
    const index = indexOf(issuerUrl, issuerUrl)
    expect(index.idsOf(issuerUrl)).toEqual(['issuer-0', 'issuer-1'])
    index.remove('issuer-0')
    expect(index.idsOf(issuerUrl)).toEqual(['issuer-1'])
    expect(index.similarTo(issuerUrl.slice(0, -1))).toBe(issuerUrl)
  })

  test('finds another spelling beside the one that is registered', () => {
    const index = indexOf(issuerUrl, issuerUrl.slice(0, -1))
    expect(index.idsOf(issuerUrl)).toEqual(['issuer-0'])
    expect(index.similarTo(issuerUrl)).toBe(issuerUrl.slice(0, -1))
  })
})

describe('an audience that is not ours is explained', () => {
  test.each<[string, readonly string[], RegExp]>([
    [
      'that of Azure Workload Identity',
      ['api://AzureADTokenExchange'],
      /Azure Workload Identity: project a second token/,
    ],
    ['that of AKS identity bindings', ['api://AKSIdentityBinding'], /AKS identity bindings/],
    ["the API server's", ['https://kubernetes.default.svc'], /the API server's own/],
    ["the API server's long name", [defaultIssuer], /the API server's own/],
    ['that of AWS', ['sts.amazonaws.com'], /AWS/],
    ['among others', ['api://x', 'sts.amazonaws.com'], /AWS/],
    ['one that nobody knows', ['api://x'], /^expected the audience api:\/\/causeway or api:\/\/old$/],
    ['named like a member of every object', ['constructor'], /^expected the audience api:\/\/causeway or api:\/\/old$/],
  ])('%s', (_, found, words) => {
    expect(explainAudience(found, ['api://causeway', 'api://old'])).toMatch(words)
  })
})

describe('a life that is too long is explained', () => {
  const token = (payload: unknown) => ({ payload }) as Pick<UnverifiedToken, 'payload'> as UnverifiedToken
  const cluster = (maxTokenAge: number) =>
    ({ kind: 'aks', maxTokenAge }) as Pick<Issuer, 'kind' | 'maxTokenAge'> as Issuer

  test('without a word of projected tokens where the issuer is no cluster', () => {
    const entra = { ...cluster(60_000), kind: 'entra' as const }
    expect(explainLifetime(token(boundClaims), entra)).toMatch(/at most 60 seconds of life$/)
  })

  test('as the year that Kubernetes adds for the API server, where the token says warnafter', () => {
    const extended = { ...boundClaims, 'kubernetes.io': { ...boundClaims['kubernetes.io'], warnafter: 1 } }
    expect(explainLifetime(token(extended), cluster(3_600_000))).toMatch(
      /3600 seconds.*extended to a year \(warnafter\)/,
    )
  })

  test.each([boundClaims, { warnafter: 1 }, null, 'text', { 'kubernetes.io': null }])('otherwise by %j', payload => {
    expect(explainLifetime(token(payload), cluster(60_000))).toMatch(/at most 60 seconds.*set expirationSeconds/)
  })
})

test('a token from a Secret is known by its claims, and by nothing inherited', () => {
  expect(isLegacyToken({ 'kubernetes.io/serviceaccount/namespace': 'payments' })).toBe(true)
  expect(isLegacyToken(Object.create({ 'kubernetes.io/serviceaccount/namespace': 'payments' }))).toBe(false)
  for (const payload of [boundClaims, {}, [], null, undefined, 'text']) expect(isLegacyToken(payload)).toBe(false)
})
