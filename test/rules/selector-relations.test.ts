import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileSelector, selects, type WorkloadSelector, workloadSelector } from '../../shared/rules/selector.ts'
import { covers, mayOverlap } from '../../shared/rules/selector-relations.ts'
import type { Callers } from '../../shared/workload/identify.ts'
import type { Workload } from '../../shared/workload/workload.ts'

const prod = { labels: { environment: 'prod' } }
const prodWeu = { labels: { environment: 'prod', region: 'weu' } }

describe('a selector covers another', () => {
  test.each<[string, WorkloadSelector, WorkloadSelector]>([
    ['that is the same', { issuer: 'aks', namespace: 'pay' }, { issuer: 'aks', namespace: 'pay' }],
    ['of one issuer, where it is of all', { issuer: '*' }, { issuer: 'aks' }],
    ['of issuers with a label, where it is of all', { issuer: '*' }, { issuer: prod }],
    ['that names more members', { issuer: 'aks' }, { issuer: 'aks', namespace: 'pay', pod: 'api-*' }],
    ['whose text begins as it says', { issuer: '*', pod: 'api-*' }, { issuer: '*', pod: 'api-7' }],
    ['whose beginning is longer', { issuer: '*', pod: 'api-*' }, { issuer: '*', pod: 'api-7*' }],
    ['that names a member, of which it asks that it is there', { issuer: '*', pod: '*' }, { issuer: '*', pod: 'api' }],
    ['with more labels', { issuer: prod }, { issuer: prodWeu }],
    ['of one uid', { issuer: '*' }, { issuer: '*', serviceAccountUid: 'uid' }],
    [
      'of one actor, where it is of many',
      { issuer: '*', actor: { issuer: '*', subject: 'port*' } },
      { issuer: '*', actor: { issuer: 'idp', subject: 'portal' } },
    ],
  ])('%s', (_, wide, narrow) => {
    expect(covers(wide, narrow)).toBe(true)
  })

  test.each<[string, WorkloadSelector, WorkloadSelector]>([
    ['of all issuers, where it is of one', { issuer: 'aks' }, { issuer: '*' }],
    ['of another issuer', { issuer: 'aks' }, { issuer: 'arc' }],
    ['that does not name a member', { issuer: '*', namespace: 'pay' }, { issuer: '*' }],
    ['that lacks a member, of which it asks that it is there', { issuer: '*', namespace: '*' }, { issuer: '*' }],
    ['whose beginning is shorter', { issuer: '*', pod: 'api-*' }, { issuer: '*', pod: 'api*' }],
    ['of a beginning, where it is exact', { issuer: '*', pod: 'api' }, { issuer: '*', pod: 'api*' }],
    ['of an issuer by id, where it is by labels', { issuer: prod }, { issuer: 'aks' }],
    ['by labels, where it is of an issuer by id', { issuer: 'aks' }, { issuer: prod }],
    ['with fewer labels', { issuer: prodWeu }, { issuer: prod }],
    ['with another value of a label', { issuer: prod }, { issuer: { labels: { environment: 'dev' } } }],
    [
      'of the uid that it would begin',
      { issuer: '*', serviceAccountUid: '*' },
      { issuer: '*', serviceAccountUid: 'a' },
    ],
    ['without an actor', { issuer: '*', actor: { issuer: '*', subject: '*' } }, { issuer: '*' }],
  ])('not one %s', (_, wide, narrow) => {
    expect(covers(wide, narrow)).toBe(false)
  })
})

describe('two selectors', () => {
  test.each<[string, WorkloadSelector, WorkloadSelector]>([
    ['that name different members', { issuer: '*', namespace: 'pay' }, { issuer: '*', pod: 'api-*' }],
    ['of one issuer by id and by label', { issuer: 'aks' }, { issuer: prod }],
    ['with different labels', { issuer: prod }, { issuer: { labels: { region: 'weu' } } }],
    ['with a label that every object has', { issuer: { labels: { constructor: 'x' } } }, { issuer: 'aks' }],
    ['of beginnings within each other', { issuer: '*', pod: 'a*' }, { issuer: '*', pod: 'api-*' }],
  ])('%s may overlap', (_, one, other) => {
    expect([mayOverlap(one, other), mayOverlap(other, one)]).toEqual([true, true])
  })

  test.each<[string, WorkloadSelector, WorkloadSelector]>([
    ['of different namespaces', { issuer: '*', namespace: 'pay' }, { issuer: '*', namespace: 'bill' }],
    ['with different values of a label', { issuer: prodWeu }, { issuer: { labels: { region: 'neu' } } }],
    ['of beginnings beside each other', { issuer: '*', pod: 'api-*' }, { issuer: '*', pod: 'web*' }],
    ['of a beginning that is longer than the text', { issuer: '*', pod: 'api-*' }, { issuer: '*', pod: 'api' }],
    ['of different uids', { issuer: '*', serviceAccountUid: 'a' }, { issuer: '*', serviceAccountUid: 'ab' }],
  ])('%s do not overlap', (_, one, other) => {
    expect([mayOverlap(one, other), mayOverlap(other, one)]).toEqual([false, false])
  })
})

/** Words are few, so that selectors are about the same workloads often enough. */
const word = fc.constantFrom
const labels = fc.record({ environment: word('prod', 'dev'), tier: word('1', '2') }, { requiredKeys: [] })

const issuer = word<unknown>(
  '*',
  'aks',
  'a*',
  'ak*',
  prod,
  { labels: { tier: '1' } },
  { labels: { environment: 'prod', tier: '1' } },
)
/** None, or one member beside the issuer. */
const member = word<Partial<WorkloadSelector>>(
  {},
  {},
  { kind: 'aks' },
  { namespace: '*' },
  { namespace: 'pay' },
  { namespace: 'p*' },
  { serviceAccountUid: 'u' },
  { serviceAccountUid: 'u*' },
  { pod: '*' },
  { pod: 'api' },
  { pod: 'api*' },
  { pod: 'api-*' },
  { actor: { issuer: '*', subject: 'portal' } },
  { actor: { issuer: 'idp', subject: 'p*' } },
)
const selector = fc
  .tuple(issuer, member, member)
  .map(([issuer, one, other]) => workloadSelector.parse({ issuer, ...one, ...other }))

const workload: fc.Arbitrary<Workload> = fc
  .record({
    issuer: fc.record({ id: word('aks', 'akt', 'arc'), kind: word('aks', 'arc'), labels }),
    subject: fc.constant('payments/api'),
    claims: fc.constant({}),
    token: fc.constant({ keyId: 'key-1', issuedAt: 0, expiresAt: 1 }),
    members: word(
      {},
      { namespace: 'pay' },
      { namespace: 'bill', pod: { name: 'web' } },
      { namespace: 'pay', pod: { name: 'api' }, serviceAccount: { name: 'api', uid: 'u' } },
      { namespace: 'pit', pod: { name: 'api-7' }, serviceAccount: { name: 'api', uid: 'u*' } },
    ),
  })
  .map(({ members, ...others }) => ({ ...others, ...members }))

const actor = fc
  .tuple(workload, word('idp', 'aks'), word('portal', 'proxy', 'other'))
  .map(([one, id, subject]) => ({ ...one, issuer: { ...one.issuer, id }, subject }))
const callers: fc.Arbitrary<Callers> = fc.oneof(fc.record({ workload }), fc.record({ workload, actor }))

function fits(one: WorkloadSelector, who: Callers): boolean {
  return selects(compileSelector(one), who).met
}

describe('whatever the selectors and the workloads', () => {
  const pairs = fc.tuple(selector, selector, fc.array(callers, { minLength: 8, maxLength: 32 }))

  /** How often the property said something, beside where it held by saying nothing. */
  function tellingRuns(tells: (one: WorkloadSelector, other: WorkloadSelector, who: Callers) => boolean): number {
    let telling = 0
    fc.assert(
      fc.property(pairs, ([one, other, everybody]) => {
        for (const who of everybody) telling += Number(tells(one, other, who))
      }),
      { numRuns: 2_000, seed: 32 },
    )
    return telling
  }

  test('whoever a covered selector fits is one that the covering one fits', () => {
    const telling = tellingRuns((wide, narrow, who) => {
      if (!covers(wide, narrow) || !fits(narrow, who)) return false
      expect(fits(wide, who)).toBe(true)
      return true
    })
    expect(telling).toBeGreaterThan(100)
  })

  test('selectors that both fit somebody may overlap', () => {
    const telling = tellingRuns((one, other, who) => {
      if (!fits(one, who) || !fits(other, who)) return false
      expect(mayOverlap(one, other)).toBe(true)
      return true
    })
    expect(telling).toBeGreaterThan(100)
  })
})
