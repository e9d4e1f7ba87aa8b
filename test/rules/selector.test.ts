import { describe, expect, test } from 'vitest'
import { compileSelector, selects, type WorkloadSelector } from '../../shared/rules/selector.ts'
import type { Callers } from '../../shared/workload/identify.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { paymentsApi } from './facts.ts'

const westEurope: Workload = { ...paymentsApi, issuer: { ...paymentsApi.issuer, region: 'westeurope' } }
const apiManagement: Workload = {
  issuer: { id: 'tenant', kind: 'entra', labels: {} },
  subject: 'api-management',
  claims: {},
  token: { keyId: 'k', issuedAt: 0, expiresAt: 0 },
}
const callers: Callers = { workload: westEurope, actor: apiManagement }

function fits(selector: WorkloadSelector, asking = callers): boolean {
  return selects(compileSelector(selector), asking).met
}

describe('a selector', () => {
  test.each<[string, WorkloadSelector]>([
    ['an exact issuer', { issuer: 'aks-prod-weu' }],
    ['every issuer', { issuer: '*' }],
    ['the beginning of an issuer', { issuer: 'aks-prod-*' }],
    ['a label of the issuer', { issuer: { labels: { environment: 'prod' } } }],
    ['two labels of the issuer', { issuer: { labels: { environment: 'prod', region: 'weu' } } }],
    ['a namespace', { issuer: '*', namespace: 'payments' }],
    ['a service account', { issuer: '*', serviceAccount: 'api' }],
    ['the uid of a service account', { issuer: '*', serviceAccountUid: 'uid-of-api' }],
    ['the beginning of a pod', { issuer: '*', pod: 'api-*' }],
    ['the beginning that is the whole of it', { issuer: '*', serviceAccount: 'api*' }],
    ['a node', { issuer: '*', node: 'aks-pool1-vmss000000' }],
    ['a subject', { issuer: '*', subject: 'system:serviceaccount:payments:*' }],
    ['the kind of its issuer', { issuer: '*', kind: 'aks' }],
    ['a region', { issuer: '*', region: 'westeurope' }],
    ['the beginning of a region', { issuer: '*', region: 'west*' }],
    ['an actor', { issuer: '*', actor: { issuer: 'tenant', subject: 'api-management' } }],
    ['any actor', { issuer: '*', actor: { issuer: '*', subject: '*' } }],
  ])('fits by %s', (_, selector) => {
    expect(fits(selector)).toBe(true)
  })

  test.each<[string, WorkloadSelector]>([
    ['another issuer', { issuer: 'aks-dev' }],
    ['the beginning of an issuer without an ending', { issuer: 'aks-prod' }],
    ['letters of another case', { issuer: '*', namespace: 'Payments' }],
    ['a label of another value', { issuer: { labels: { environment: 'dev' } } }],
    ['one label of two', { issuer: { labels: { environment: 'prod', region: 'neu' } } }],
    ['a label that every object has', { issuer: { labels: { constructor: 'prod' } } }],
    ['another service account uid: the account was made anew', { issuer: '*', serviceAccountUid: 'uid-of-old-api' }],
    ['one member of two', { issuer: '*', namespace: 'payments', serviceAccount: 'batch' }],
    ['a dot that is no regular expression', { issuer: '*', namespace: 'p.yments' }],
    ['the beginning of a uid and a *, which is itself', { issuer: '*', serviceAccountUid: 'uid-of-*' }],
    ['the beginning of a uid', { issuer: '*', serviceAccountUid: 'uid-of-ap' }],
    ['another beginning of an issuer', { issuer: 'aks-dev-*' }],
    ['another beginning of a namespace', { issuer: '*', namespace: 'payment-*' }],
    ['a beginning that is longer than all of it', { issuer: '*', serviceAccount: 'api-*' }],
    ['the end of a name', { issuer: '*', pod: 'x2x7k*' }],
    ['another kind of issuer', { issuer: '*', kind: 'arc' }],
    ['another region', { issuer: '*', region: 'northeurope' }],
    ['another actor', { issuer: '*', actor: { issuer: 'tenant', subject: 'api-gateway' } }],
    ['an actor of that subject at another issuer', { issuer: '*', actor: { issuer: 'other', subject: '*' } }],
    ['the workload itself as its actor', { issuer: '*', actor: { issuer: 'aks-prod-weu', subject: '*' } }],
  ])('does not fit by %s', (_, selector) => {
    expect(fits(selector)).toBe(false)
  })

  test('fits by a uid that holds a *, where the uid is just that', () => {
    const odd = { ...paymentsApi, serviceAccount: { name: 'api', uid: 'uid*' } }
    expect(fits({ issuer: '*', serviceAccountUid: 'uid*' }, { workload: odd })).toBe(true)
    expect(fits({ issuer: '*', serviceAccountUid: 'uid*' })).toBe(false)
  })

  test('does not fit a workload that lacks what it names, not even by *', () => {
    const bare = { workload: apiManagement }
    for (const member of ['region', 'namespace', 'serviceAccount', 'serviceAccountUid', 'pod', 'node'] as const) {
      expect(fits({ issuer: '*', [member]: '*' }, bare), member).toBe(false)
    }
    expect(fits({ issuer: '*', actor: { issuer: '*', subject: '*' } }, bare)).toBe(false)
    expect(fits({ issuer: '*', subject: '*' }, bare)).toBe(true)
  })
})
