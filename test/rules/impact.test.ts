import { describe, expect, test } from 'vitest'
import { exchange } from '../../shared/exchange.ts'
import { decide } from '../../shared/rules/decide.ts'
import { type Impact, impact, type RecordedExchange } from '../../shared/rules/impact.ts'
import type { Ruleset } from '../../shared/rules/ruleset.ts'
import { lockdownDocument } from '../../shared/workload/lockdown.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { asked, openRoute, type Route } from '../exchange-steps.ts'
import { storeDown } from '../leases/lease-store.ts'
import { allow, deny, minute, noon, paymentsApi, type RuleDocument, rulesetOf, someoneElse } from './facts.ts'

/** An exchange in the past: `payments/api` asked for `read` of `orders-db` at noon, but for what is said. */
interface Past {
  readonly workload?: Workload
  readonly actor?: Workload
  readonly target?: string
  readonly scopes?: readonly string[]
  /** Minutes after noon. */
  readonly at?: number
}

/** Makes exchanges by the real route and gives their records back as a log does: by way of JSON. */
async function recordsOf(route: Route, ...past: readonly Past[]): Promise<readonly RecordedExchange[]> {
  for (const [index, { target, scopes = ['read'], at = 0, ...callers }] of past.entries()) {
    route.clock.time = noon + at * minute
    const steps = { ...route.steps, identify: async () => ({ workload: paymentsApi, ...callers }) }
    // What fails has its record too.
    await exchange({ ...asked(target, { scopes }), decision: `decision-${index + 1}` }, steps).catch(() => {})
  }
  return JSON.parse(JSON.stringify(route.entries))
}

/** What a draft of the rules of `orders-db` would make of them, in place of some others; it touches no other target. */
function comparedWith(
  current: readonly RuleDocument[],
  recorded: readonly RecordedExchange[],
  drafted: Ruleset,
): Impact {
  const now = rulesetOf(...current)
  return impact(recorded, facts =>
    facts.target.id === 'orders-db' ? { current: decide(now, facts), drafted: decide(drafted, facts) } : undefined,
  )
}

/** The same, in place of the one rule by which a route decides unless said. */
function judgedBy(recorded: readonly RecordedExchange[], ...rules: readonly RuleDocument[]): Impact {
  return comparedWith([allow('payments-reads')], recorded, rulesetOf(...rules))
}

/** What a draft that denies every request, whatever its target, would make of them. */
function allDenied(recorded: readonly RecordedExchange[]): Impact {
  const [now, draft] = [rulesetOf(allow('payments-reads')), rulesetOf(deny('b'))]
  return impact(recorded, facts => ({ current: decide(now, facts), drafted: decide(draft, facts) }))
}

const billingBatch: Workload = {
  ...paymentsApi,
  subject: 'system:serviceaccount:billing:batch',
  namespace: 'billing',
  serviceAccount: { name: 'batch' },
}
const otherPod: Workload = { ...paymentsApi, pod: { name: 'api-7d9c6b5f4-q8w2z', uid: 'another' } }
const portal: Workload = { ...paymentsApi, issuer: { ...paymentsApi.issuer, id: 'idp' }, subject: 'portal' }

const ofPayments = { workload: { issuer: 'aks-prod-weu', subject: 'system:serviceaccount:payments:api' } }
const ofBilling = { workload: { issuer: 'aks-prod-weu', subject: 'system:serviceaccount:billing:batch' } }
const noChange = { newlyAllowed: [], newlyDenied: [] }
const at = (minutes: number) => new Date(noon + minutes * minute).toISOString()

describe('a draft', () => {
  test('that is the same as what decided changes nothing', async () => {
    const rules = [allow('a', { workloads: [{ issuer: '*', namespace: 'payments' }] })]
    const recorded = await recordsOf(openRoute(...rules), {}, { workload: billingBatch }, { scopes: ['write'] })
    expect(comparedWith(rules, recorded, rulesetOf(...rules))).toEqual({
      judged: 3,
      notByRules: 0,
      uncertain: 0,
      drift: 0,
      ...noChange,
    })
  })

  test('that changes nothing changes nothing, though decisions would be others today: that is drift', async () => {
    const recorded = await recordsOf(openRoute(), {}, { workload: billingBatch }, { scopes: ['write'] })
    const now = [allow('a', { scopes: ['read', 'write'] }), deny('b', someoneElse)]
    const found = comparedWith(now, recorded, rulesetOf(...now))
    expect(found).toEqual({ judged: 3, notByRules: 0, uncertain: 0, drift: 2, ...noChange })
    const without = comparedWith(now, recorded, rulesetOf(allow('a')))
    expect(without).toMatchObject({
      newlyAllowed: [{ ...ofBilling, scopes: ['read'], count: 1 }],
      newlyDenied: [{ ...ofPayments, scopes: ['write'], count: 1 }],
      drift: 2,
    })
  })

  test('that allows more tells who would get what, by which rules', async () => {
    const recorded = await recordsOf(openRoute(), {}, { workload: billingBatch, scopes: ['write'] })
    expect(judgedBy(recorded, allow('a'), allow('b', { scopes: ['write'] }))).toEqual({
      judged: 2,
      notByRules: 0,
      uncertain: 0,
      drift: 0,
      newlyDenied: [],
      newlyAllowed: [
        {
          ...ofBilling,
          target: 'orders-db',
          scopes: ['write'],
          count: 1,
          first: at(0),
          last: at(0),
          rules: ['b'],
          uncertain: 0,
          decisions: ['decision-2'],
        },
      ],
    })
  })

  test('that denies tells who would lose what, by which rules and why', async () => {
    const recorded = await recordsOf(openRoute(), {}, { workload: billingBatch })
    const found = judgedBy(recorded, allow('a'), deny('b', someoneElse))
    expect(found).toMatchObject({ judged: 2, newlyAllowed: [] })
    expect(found.newlyDenied).toEqual([
      expect.objectContaining({ ...ofBilling, scopes: ['read'], rules: ['b'], reason: 'denied_by_rule' }),
    ])
  })

  test('that is without rules would deny all that was allowed, and what was denied is no news', async () => {
    const recorded = await recordsOf(openRoute(), {}, { scopes: ['write'] })
    expect(judgedBy(recorded)).toMatchObject({ judged: 2, newlyDenied: [{ count: 1, reason: 'no_rule', rules: [] }] })
  })

  test('judges each request at its own time', async () => {
    const recorded = await recordsOf(openRoute(), { at: -1 }, { at: 1 })
    const [denied, ...others] = judgedBy(recorded, allow('a', { expiresAt: at(0) })).newlyDenied
    expect(denied).toMatchObject({ count: 1, first: at(1), reason: 'condition_not_met', decisions: ['decision-2'] })
    expect(others).toEqual([])
  })

  test('judges by what the record holds of the client and of the actor', async () => {
    const recorded = await recordsOf(openRoute(), {}, { actor: portal })
    const byActor = { workloads: [{ issuer: '*', actor: { issuer: 'idp', subject: 'portal' } }] }
    const fromThere = { conditions: { network: { in: ['192.0.2.0/24'] } } }
    expect(judgedBy(recorded, allow('a', fromThere))).toMatchObject(noChange)
    const found = judgedBy(recorded, allow('a', { ...byActor, ...fromThere }))
    expect(found.newlyDenied).toMatchObject([{ decisions: ['decision-1'] }])
  })

  test('that does not touch a target tells nothing of its requests', async () => {
    const recorded = await recordsOf(openRoute(), { target: 'mainframe' }, {})
    expect(judgedBy(recorded)).toMatchObject({ judged: 1, notByRules: 0, newlyDenied: [{ target: 'orders-db' }] })
  })
})

describe('what would change is told', () => {
  test('once for all requests of a workload: how often, from when to when, and the first five decisions', async () => {
    const minutes = [3, 1, 4, 0, 2, 6, 5]
    const pods = [paymentsApi, otherPod]
    const past = minutes.map((at, index) => ({ at, workload: pods[index % 2] ?? paymentsApi }))
    const found = judgedBy(await recordsOf(openRoute(), ...past), deny('b'))
    expect(found.newlyDenied).toEqual([
      {
        ...ofPayments,
        target: 'orders-db',
        scopes: ['read'],
        count: 7,
        first: at(0),
        last: at(6),
        rules: ['b'],
        reason: 'denied_by_rule',
        uncertain: 0,
        decisions: [1, 2, 3, 4, 5].map(number => `decision-${number}`),
      },
    ])
  })

  test('the most frequent first', async () => {
    const billing = { workload: billingBatch }
    const found = judgedBy(await recordsOf(openRoute(), {}, billing, billing), deny('b'))
    expect(found.newlyDenied).toMatchObject([
      { ...ofBilling, count: 2 },
      { ...ofPayments, count: 1 },
    ])
  })

  test('apart for each actor', async () => {
    const found = judgedBy(await recordsOf(openRoute(), {}, { actor: portal }), deny('b'))
    expect(found.newlyDenied.map(({ actor }) => actor)).toEqual([undefined, { issuer: 'idp', subject: 'portal' }])
  })

  test('apart for each set of scopes, in whichever order they were asked for', async () => {
    const scopes = [['read', 'write'], ['write', 'read'], ['read']]
    const route = openRoute(allow('a', { scopes: ['read', 'write'] }))
    const recorded = await recordsOf(route, ...scopes.map(each => ({ scopes: each })))
    const found = comparedWith([allow('a', { scopes: ['read', 'write'] })], recorded, rulesetOf(deny('b')))
    expect(found.newlyDenied).toMatchObject([
      { scopes: ['read', 'write'], count: 2 },
      { scopes: ['read'], count: 1 },
    ])
  })

  test('apart for each reason', async () => {
    const recorded = await recordsOf(openRoute(), { at: -1 }, { at: 1 })
    const found = judgedBy(recorded, allow('a', { notBefore: at(0) }), deny('b', { notBefore: at(0) }))
    expect(found.newlyDenied.map(({ reason }) => reason)).toEqual(['condition_not_met', 'denied_by_rule'])
  })

  test('apart for each target', async () => {
    const recorded = await recordsOf(openRoute(), {}, { target: 'mainframe' })
    const found = allDenied(recorded)
    expect(found.newlyDenied.map(({ target }) => target)).toEqual(['orders-db', 'mainframe'])
  })
})

describe('what no rule decided is counted and not judged', () => {
  const lockdown = lockdownDocument.parse({ schema: 1, id: 'l', blocks: 'everything', reason: 'incident 42' })

  test.each<[string, (route: Route) => void, Past]>([
    ['a lockdown', ({ lockdowns }) => lockdowns.push(lockdown), {}],
    ['an unknown target', () => {}, { target: 'nowhere' }],
    ['a disabled target', () => {}, { target: 'off' }],
    ['a lease store that is down', ({ store }) => store.before('create', storeDown), {}],
  ])('%s', async (_, happens, past) => {
    const route = openRoute()
    happens(route)
    const recorded = await recordsOf(route, past)
    expect(recorded).toHaveLength(1)
    const found = allDenied(recorded)
    expect(found).toEqual({ judged: 0, notByRules: 1, uncertain: 0, drift: 0, ...noChange })
  })

  test('but what was allowed and could not be minted is judged, once', async () => {
    const route = openRoute()
    route.mints(async () => storeDown())
    const recorded = await recordsOf(route, {})
    expect(recorded.map(({ outcome }) => outcome)).toEqual(['allowed', 'failed'])
    expect(judgedBy(recorded, deny('b'))).toMatchObject({ judged: 1, notByRules: 0, newlyDenied: [{ count: 1 }] })
  })
})

describe('where a rule asks for posture', () => {
  const scanned = { of: 'pod', signal: 'scan', require: { '/high': { max: 0 } }, maxAge: 'PT1H' }
  const conditions = { posture: [scanned] }

  /** A route whose records hold a signal about the pod. */
  function observed(high: number): Route {
    const route = openRoute()
    const signal = { observedAt: at(-1), expiresAt: at(60), value: { high } }
    return { ...route, steps: { ...route.steps, posture: async () => ({ pod: { scan: signal } }) } }
  }

  test('that the record does not hold, the change is uncertain', async () => {
    const recorded = await recordsOf(openRoute(), {}, {}, { workload: billingBatch })
    const found = judgedBy(recorded, allow('a', { conditions }), deny('b', someoneElse))
    expect(found).toMatchObject({ judged: 3, uncertain: 3 })
    expect(found.newlyDenied).toMatchObject([
      { ...ofPayments, reason: 'condition_not_met', count: 2, uncertain: 2 },
      { ...ofBilling, reason: 'denied_by_rule', count: 1, uncertain: 1 },
    ])
  })

  test('that the record does not hold, it is uncertain that nothing changes', async () => {
    const recorded = await recordsOf(openRoute(), { scopes: ['write'] })
    const found = judgedBy(recorded, allow('a', { scopes: ['write'], conditions }))
    expect(found).toEqual({ judged: 1, notByRules: 0, uncertain: 1, drift: 0, ...noChange })
  })

  test('that the record holds, the outcome is certain', async () => {
    const draft = allow('a', { conditions })
    expect(judgedBy(await recordsOf(observed(0), {}), draft)).toMatchObject({ uncertain: 0, drift: 0, ...noChange })
    const found = judgedBy(await recordsOf(observed(1), {}), draft)
    expect(found).toMatchObject({ uncertain: 0, newlyDenied: [{ reason: 'condition_not_met', uncertain: 0 }] })
  })

  test('and is report-only or about somebody else, the outcome is certain', async () => {
    const recorded = await recordsOf(openRoute(), {})
    const others = [deny('b', { state: 'report-only', conditions }), allow('c', { ...someoneElse, conditions })]
    expect(judgedBy(recorded, allow('a'), ...others)).toMatchObject({ uncertain: 0, drift: 0, ...noChange })
  })
})
