import { describe, expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import type { Allowed } from '../../shared/rules/decision.ts'
import { allow, deny, factsOf, minute, noon, type RuleDocument, rulesetOf, someoneElse } from './facts.ts'

type Documents = readonly RuleDocument[]
type Members = Readonly<Record<string, unknown>>

function allowed(rules: Documents, facts = factsOf()): Allowed {
  const decision = decide(rulesetOf(...rules), facts)
  if (decision.outcome !== 'allowed') throw new Error(`expected to be allowed, was ${decision.reason}`)
  return decision
}

const grantBy = (...rules: Documents) => allowed(rules).grant

/** What two rules grant together: one gives `read`, the other `write`. */
function grantByBoth(one: Members, other: Members): Allowed['grant'] {
  const rules = [allow('reads', one), allow('writes', { scopes: ['write'], ...other })]
  return allowed(rules, factsOf({ scopes: ['read', 'write'] })).grant
}

/** A limit of every target. */
function limit(id: string, ttl: string, overrides: Members = {}): RuleDocument {
  return deny(id, { target: '*', effect: 'limit', limit: { ttl }, ...overrides })
}

describe('the ttl', () => {
  test.each([
    ['the rule, where it is shortest', 'PT5M', 5],
    ['the target, where the rule gives more', 'PT2H', 60],
    ['the target by default, where the rule says nothing', undefined, 15],
  ])('is that of %s', (_, ttl, minutes) => {
    expect(grantBy(allow('a', { grant: { ...(ttl && { ttl }) } })).ttl).toBe(minutes * minute)
  })

  test('is the shortest of the rules used, and of no other', () => {
    const unused = allow('unused', { priority: 200, grant: { ttl: 'PT1M' } })
    const reads = allow('reads', { grant: { ttl: 'PT10M' } })
    expect(grantByBoth({ grant: { ttl: 'PT10M' } }, { grant: { ttl: 'PT4M' } }).ttl).toBe(4 * minute)
    expect(grantBy(reads, unused).ttl).toBe(10 * minute)
  })
})

describe('a limit', () => {
  test('is an upper bound of the ttl, the shortest of all that match, and the decision names them', () => {
    const { grant, rules, limits } = allowed([allow('a'), limit('z', 'PT4M'), limit('y', 'PT2M')])
    expect([grant.ttl, rules.map(({ id }) => id)]).toEqual([2 * minute, ['a']])
    expect(limits).toEqual([
      { id: 'y', target: '*', version: 'v-y' },
      { id: 'z', target: '*', version: 'v-z' },
    ])
  })

  test('never lengthens the ttl', () => {
    expect(grantBy(allow('a', { grant: { ttl: 'PT5M' } }), limit('l', 'PT24H')).ttl).toBe(5 * minute)
  })

  test('gives nothing and takes nothing: without an allow nobody is allowed', () => {
    expect(decide(rulesetOf(limit('l', 'PT4M')), factsOf())).toMatchObject({
      outcome: 'denied',
      reason: 'no_rule',
      selected: false,
    })
  })

  test.each<[string, Members]>([
    ['other workloads', someoneElse],
    ['other scopes', { scopes: ['write'] }],
    ['another time', { expiresAt: '2026-06-01T12:00:00Z' }],
    ['a client from elsewhere', { conditions: { network: { in: ['10.0.0.0/8'] } } }],
    ['nobody as long as it is report-only', { state: 'report-only' }],
  ])('of %s limits nothing', (_, members) => {
    const facts = factsOf({ client: { provenance: 'direct', address: '192.0.2.1' } })
    const { grant, limits } = allowed([allow('a'), limit('l', 'PT4M', members)], facts)
    expect([grant.ttl, limits]).toEqual([15 * minute, []])
  })
})

describe('a credential', () => {
  test.each([
    ['workload', 'workload', 'workload'],
    ['workload', 'pod', 'pod'],
    ['pod', 'pod', 'pod'],
  ])('of rules that share by %s and by %s is shared by %s', (one, other, share) => {
    expect(grantByBoth({ grant: { share: one } }, { grant: { share: other } }).share).toBe(share)
  })

  test.each<[Members, Members, number | undefined]>([
    [{}, {}, undefined],
    [{ quota: { max: 3 } }, {}, 3],
    [{ quota: { max: 3 } }, { quota: { max: 2 } }, 2],
  ])('of rules with %j and %j is one of %s', (one, other, quota) => {
    expect(grantByBoth({ grant: one }, { grant: other }).quota).toBe(quota)
  })
})

/** Noon is one o'clock in London: the window ends 30 minutes later. */
const untilHalfPast = { time: [{ from: '09:00', to: '13:30', timeZone: 'Europe/London' }] }
const inTwentyMinutes = '2026-06-01T12:20:00Z'

describe('what is granted ends', () => {
  test.each<[string, Members, number]>([
    ['rule', { expiresAt: inTwentyMinutes }, 20],
    ["rule's time window", { conditions: untilHalfPast }, 30],
    ['rule, where that is before its window', { expiresAt: inTwentyMinutes, conditions: untilHalfPast }, 20],
    ['window, where that is before the rule', { expiresAt: '2026-06-01T12:40:00Z', conditions: untilHalfPast }, 30],
  ])('with the %s', (_, members, minutes) => {
    expect(grantBy(allow('a', members)).endsAt).toBe(noon + minutes * minute)
  })

  test('with the first of the rules used that ends', () => {
    expect(grantByBoth({ conditions: untilHalfPast }, { expiresAt: inTwentyMinutes }).endsAt).toBe(noon + 20 * minute)
  })

  test.each<[string, Members]>([
    ['nothing ends', {}],
    ['the window is open for longer than a day', { conditions: { time: [{ timeZone: 'UTC' }] } }],
    ['the grant may outlive them', { expiresAt: inTwentyMinutes, conditions: untilHalfPast, grant: { outlive: true } }],
  ])('at no time where %s', (_, members) => {
    expect(grantBy(allow('a', members))).not.toHaveProperty('endsAt')
  })

  test('with a rule that may not be outlived, whatever another says', () => {
    const lasting = { expiresAt: '2026-06-01T12:10:00Z', grant: { outlive: true } }
    expect(grantByBoth(lasting, { expiresAt: inTwentyMinutes }).endsAt).toBe(noon + 20 * minute)
  })
})
