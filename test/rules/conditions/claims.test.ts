import { describe, expect, test } from 'vitest'
import type { Claim } from '../../../shared/workload/workload.ts'
import { factsOf, paymentsApi } from '../facts.ts'
import { type Conditions, problemsOf, type Result, resultOf, testsOf } from './judged.ts'

const factsWith = (claims: Readonly<Record<string, Claim>>) => factsOf({ workload: { ...paymentsApi, claims } })
const judged = (claims: Conditions, found: Readonly<Record<string, Claim>>) => resultOf({ claims }, factsWith(found))

describe('a claim', () => {
  test.each<[Claim, readonly Claim[], Result]>([
    ['prod', ['prod'], 'met'],
    ['prod', ['dev', 'prod'], 'met'],
    ['prod', ['Prod'], 'not met'],
    ['production', ['prod'], 'not met'],
    ['', ['prod'], 'not met'],
    [3, [3], 'met'],
    [3, [4], 'not met'],
    [true, [true], 'met'],
    [false, [true], 'not met'],
    ['prod', ['dev', 3], 'not met'],
    ['3', [3], 'cannot be evaluated'],
    [3, ['3'], 'cannot be evaluated'],
    ['true', [true], 'cannot be evaluated'],
    [1, [true], 'cannot be evaluated'],
  ])('that is %j, where %j are accepted: %s', (found, accepted, result) => {
    expect(judged({ '/tier': accepted }, { tier: found })).toBe(result)
  })

  test.each<[readonly string[], readonly Claim[], Result]>([
    [['a', 'b'], ['b'], 'met'],
    [['a', 'b'], ['c', 'a'], 'met'],
    [['a', 'b'], ['c'], 'not met'],
    [['a', 'b'], ['a,b'], 'not met'],
    [[], ['a'], 'not met'],
    [['1', '2'], [1], 'cannot be evaluated'],
  ])('that is the list %j, where one of %j is asked for: %s', (found, accepted, result) => {
    expect(judged({ '/groups': accepted }, { groups: found })).toBe(result)
  })

  test('that the token lacks cannot be evaluated, though every object has one of that name', () => {
    expect(judged({ '/tier': ['gold'] }, { other: 'gold' })).toBe('cannot be evaluated')
    expect(judged({ '/toString': ['gold'] }, {})).toBe('cannot be evaluated')
  })

  test('may have a slash or a tilde in its name, and may be an element of a list', () => {
    const url = 'https://example.com/tier~1'
    expect(judged({ '/https:~1~1example.com~1tier~01': ['gold'] }, { [url]: 'gold' })).toBe('met')
    expect(judged({ '/groups/1': ['b'] }, { groups: ['a', 'b'] })).toBe('met')
    expect(judged({ '/groups/0': ['b'] }, { groups: ['a', 'b'] })).toBe('not met')
  })
})

test('each pointer is a test of its own, and shows what it found', () => {
  const claims = { '/tier': ['gold'], '/level': [3], '/missing': ['a'] }
  expect(testsOf({ claims }, factsWith({ tier: 'silver', level: '3' }))).toEqual([
    { test: 'claims /tier', met: false, expected: ['gold'], found: 'silver' },
    { test: 'claims /level', met: false, expected: [3], found: '3', unevaluable: 'the claim is of another type' },
    {
      test: 'claims /missing',
      met: false,
      expected: ['a'],
      unevaluable: 'the token has no such claim that is kept',
    },
  ])
})

test.each<[string, Conditions, string]>([
  ['a claim by its bare name', { tier: ['gold'] }, 'claims.tier: expected a JSON pointer (RFC 6901)'],
  ['the prototype of the claims', { '/constructor': ['a'] }, 'expected the name of a member'],
  ['one value that is no list', { '/tier': 'gold' }, 'claims["/tier"]: Invalid input: expected array'],
  ['no accepted value', { '/tier': [] }, 'claims["/tier"]: Too small'],
  ['null', { '/tier': [null] }, 'claims["/tier"][0]: expected text, a number, true or false'],
  ['no pointer', {}, 'claims: expected 1 to 32 pointers'],
])('a rule is refused for %s, by path and expectation', (_, claims, problem) => {
  expect(problemsOf({ claims })).toEqual([expect.stringContaining(problem)])
})
