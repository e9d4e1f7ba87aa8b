import { describe, expect, test } from 'vitest'
import { decide } from '../../shared/rules/decide.ts'
import type { Facts } from '../../shared/rules/facts.ts'
import { allow, deny, factsOf, minute, noon, type RuleDocument, rulesetOf } from './facts.ts'

interface Case {
  readonly seed: number
  readonly rules: readonly RuleDocument[]
  readonly facts: Facts
}

/** The same numbers from the same seed (mulberry32), so that a failing case can be made again. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function caseFrom(seed: number): Case {
  const number = numbersFrom(seed)
  const oneOf = <T>(choices: readonly T[]): T => choices[Math.floor(number() * choices.length)] as T
  const someOf = <T>(choices: readonly T[]) => choices.filter(() => number() < 0.6)
  const scopes = ['read', 'write', 'admin']
  const rule = (index: number): RuleDocument => {
    const chosen = someOf(scopes)
    const members = {
      state: oneOf(['enforced', 'enforced', 'enforced', 'report-only', 'disabled']),
      priority: oneOf([50, 100, 100, 200]),
      workloads: [{ issuer: '*', namespace: oneOf(['payments', 'payments', 'pay*', 'billing']) }],
      ...(number() < 0.2 && { notBefore: '2026-06-01T12:00:01Z' }),
      ...(number() < 0.3 && { expiresAt: new Date(noon + oneOf([-5, 5, 30]) * minute).toISOString() }),
    }
    const id = `${oneOf(['a', 'b', 'c'])}-${index}`
    if (number() < 0.15) return deny(id, { ...members, ...(chosen.length > 0 && { scopes: chosen }) })
    const grant = {
      share: oneOf(['pod', 'workload']),
      ...(number() < 0.5 && { ttl: oneOf(['PT2M', 'PT20M', 'PT3H']) }),
    }
    return allow(id, { ...members, scopes: chosen.length > 0 ? chosen : ['read'], grant })
  }
  const rules = Array.from({ length: Math.floor(number() * 7) }, (_, index) => rule(index))
  return { seed, rules, facts: factsOf({ scopes: someOf(scopes) }) }
}

const cases = Array.from({ length: 1500 }, (_, seed) => caseFrom(seed + 1))

function decided({ rules, facts }: Case, ...more: readonly RuleDocument[]) {
  return decide(rulesetOf(...rules, ...more), facts)
}

function isAllowed(one: Case, ...more: readonly RuleDocument[]): boolean {
  return decided(one, ...more).outcome === 'allowed'
}

/** The seeds of the cases that break a law. */
function breaking(law: (one: Case) => boolean): readonly number[] {
  return cases.filter(one => !law(one)).map(({ seed }) => seed)
}

describe('the laws hold for rule sets drawn at random', () => {
  test('the cases are worth judging: many are allowed, and many denied for each reason', () => {
    const count = new Map<string, number>()
    for (const one of cases) {
      const decision = decided(one)
      const outcome = decision.outcome === 'denied' ? decision.reason : decision.outcome
      count.set(outcome, (count.get(outcome) ?? 0) + 1)
    }
    for (const outcome of ['allowed', 'denied_by_rule', 'condition_not_met', 'scope_not_granted', 'scope_missing']) {
      expect(count.get(outcome), outcome).toBeGreaterThan(20)
    }
  })

  test('the order of storage never matters', () => {
    expect(
      breaking(one => {
        const number = numbersFrom(one.seed)
        const shuffled = one.rules.map(rule => ({ rule, at: number() })).toSorted((a, b) => a.at - b.at)
        const other = { ...one, rules: shuffled.map(({ rule }) => rule) }
        return JSON.stringify(decided(one)) === JSON.stringify(decided(other))
      }),
    ).toEqual([])
  })

  test('adding an allow never removes access', () => {
    const more = allow('aaa', { priority: 0, scopes: ['write'], grant: { ttl: 'PT1M' } })
    expect(breaking(one => !isAllowed(one) || isAllowed(one, more))).toEqual([])
  })

  test('adding a deny never gives access, and one about the request always takes it', () => {
    const other = deny('zzz', { workloads: [{ issuer: 'another' }] })
    expect(breaking(one => isAllowed(one) || !isAllowed(one, other))).toEqual([])
    expect(breaking(one => !isAllowed(one, deny('zzz', { priority: 100_000 })))).toEqual([])
  })

  test('adding a report-only or disabled rule changes nothing but the trace', () => {
    for (const state of ['report-only', 'disabled']) {
      expect(
        breaking(one => {
          const decisions = [decided(one), decided(one, allow('aaa', { state, priority: 0 }), deny('aab', { state }))]
          const [before, after] = decisions.map(({ trace: _, ...decision }) => JSON.stringify(decision))
          return before === after
        }),
      ).toEqual([])
    }
  })

  test('without an enforced allow of every scope nothing is allowed', () => {
    expect(
      breaking(one => {
        const granted = one.rules
          .filter(rule => rule['effect'] === 'allow' && rule['state'] === 'enforced')
          .flatMap(rule => rule['scopes'])
        return (
          !isAllowed(one) || (one.facts.scopes.length > 0 && one.facts.scopes.every(scope => granted.includes(scope)))
        )
      }),
    ).toEqual([])
  })

  test("the ttl is never longer than the target's longest, nor than that of a rule used", () => {
    const shortest = allow('aaa', { priority: 0, scopes: ['read', 'write', 'admin'], grant: { ttl: 'PT1M' } })
    expect(
      breaking(one => {
        const [decision, cut] = [decided(one), decided(one, shortest)]
        const within = decision.outcome === 'denied' || decision.grant.ttl <= one.facts.target.maxTtl
        return within && (cut.outcome === 'denied' || cut.grant.ttl === minute)
      }),
    ).toEqual([])
  })

  test('what is granted is what was asked for, no more and no less', () => {
    expect(
      breaking(one => {
        const decision = decided(one)
        return decision.outcome === 'denied' || decision.grant.scopes === one.facts.scopes
      }),
    ).toEqual([])
  })
})
