import { describe, expect, test } from 'vitest'
import type { Json, Posture, Signal } from '../../../shared/rules/facts.ts'
import { factsOf, minute, noon } from '../facts.ts'
import { type Conditions, problemsOf, type Result, resultOf, testsOf } from './judged.ts'

const instant = (time: number) => new Date(time).toISOString()

/** Observed a minute before noon, until an hour after. */
function signalOf(value: Json, overrides: Partial<Signal> = {}): Signal {
  return { observedAt: instant(noon - minute), expiresAt: instant(noon + 60 * minute), value, ...overrides }
}

function condition(require: Conditions, overrides: Conditions = {}): Conditions {
  return { posture: [{ of: 'cluster', signal: 'defender', require, maxAge: 'PT1H', ...overrides }] }
}

function judged(require: Conditions, value: Json, signal: Partial<Signal> = {}): Result {
  const posture = { cluster: { defender: signalOf(value, signal) } }
  return resultOf(condition(require), factsOf({ posture }))
}

describe('a value of a signal', () => {
  test.each<[Json, Conditions, Result]>([
    ['on', { equals: 'on' }, 'met'],
    ['off', { equals: 'on' }, 'not met'],
    [true, { equals: true }, 'met'],
    [false, { equals: false }, 'met'],
    [0, { equals: 0 }, 'met'],
    [0, { equals: false }, 'cannot be evaluated'],
    ['0', { equals: 0 }, 'cannot be evaluated'],
    ['b', { oneOf: ['a', 'b'] }, 'met'],
    ['c', { oneOf: ['a', 'b'] }, 'not met'],
    [7, { oneOf: ['a', 7] }, 'met'],
    [true, { oneOf: ['a', 7] }, 'cannot be evaluated'],
    [3, { min: 3 }, 'met'],
    [2.9, { min: 3 }, 'not met'],
    [3, { max: 3 }, 'met'],
    [3.1, { max: 3 }, 'not met'],
    [0, { max: 0 }, 'met'],
    [5, { min: 1, max: 9 }, 'met'],
    [10, { min: 1, max: 9 }, 'not met'],
    ['5', { min: 1 }, 'cannot be evaluated'],
    [null, { max: 0 }, 'cannot be evaluated'],
    [[0], { max: 0 }, 'cannot be evaluated'],
    [{ count: 0 }, { max: 0 }, 'cannot be evaluated'],
  ])('that is %j, where %j is required: %s', (value, required, result) => {
    expect(judged({ '/value': required }, { value })).toBe(result)
  })

  test('is found by its pointer, however deep, and cannot be evaluated where it is not there', () => {
    const value = { findings: [{ high: 0 }, { high: 2 }] }
    expect(judged({ '/findings/0/high': { max: 0 } }, value)).toBe('met')
    expect(judged({ '/findings/1/high': { max: 0 } }, value)).toBe('not met')
    expect(judged({ '/findings/2/high': { max: 0 } }, value)).toBe('cannot be evaluated')
  })

  test('must be right by every pointer: one that is wrong decides, whatever cannot be told of another', () => {
    const require = { '/high': { max: 0 }, '/enabled': { equals: true } }
    expect(judged(require, { high: 0, enabled: true })).toBe('met')
    expect(judged(require, { high: 0, enabled: false })).toBe('not met')
    expect(judged(require, { high: 1 })).toBe('not met')
    expect(judged(require, { high: 0 })).toBe('cannot be evaluated')
  })
})

describe('a signal', () => {
  const second = 1_000

  test.each<[string, Partial<Signal>, Result]>([
    ['exactly maxAge ago', { observedAt: instant(noon - 60 * minute) }, 'met'],
    ['longer ago than maxAge', { observedAt: instant(noon - 60 * minute - 1) }, 'cannot be evaluated'],
    ['a minute ahead of our clock', { observedAt: instant(noon + 60 * second) }, 'met'],
    ['further ahead of our clock', { observedAt: instant(noon + 60 * second + 1) }, 'cannot be evaluated'],
    ['and has not expired yet', { expiresAt: instant(noon + 1) }, 'met'],
    ['and expires now', { expiresAt: instant(noon) }, 'cannot be evaluated'],
    ['and expired long ago, though it is younger than maxAge', { expiresAt: instant(0) }, 'cannot be evaluated'],
  ])('that was observed %s: %s', (_, signal, result) => {
    expect(judged({ '/high': { max: 0 } }, { high: 0 }, signal)).toBe(result)
  })

  test.each<[string, Posture | undefined]>([
    ['nothing is known', undefined],
    ['nothing is known of the cluster', { node: { defender: signalOf({ high: 0 }) } }],
    ['another signal is known', { cluster: { antivirus: signalOf({ high: 0 }) } }],
  ])('cannot be evaluated where %s', (_, posture) => {
    const facts = factsOf(posture && { posture })
    expect(resultOf(condition({ '/high': { max: 0 } }), facts)).toBe('cannot be evaluated')
  })

  test('of a name that every object has cannot be evaluated', () => {
    const facts = factsOf({ posture: { cluster: {} } })
    const [shown] = testsOf(condition({ '/name': { equals: 'Object' } }, { signal: 'constructor' }), facts)
    expect(shown?.unevaluable).toBe('there is no such signal, or no room for it in the record')
  })

  test.each(['cluster', 'namespace', 'node', 'serviceAccount', 'pod'])('may be about a %s', of => {
    const facts = factsOf({ posture: { [of]: { defender: signalOf({ high: 0 }) } } })
    expect(resultOf(condition({ '/high': { max: 0 } }, { of }), facts)).toBe('met')
  })
})

test('each signal is a test of its own, and shows what was observed, when, and what is too old', () => {
  const old = signalOf({ days: 3 }, { observedAt: instant(noon - 120 * minute) })
  const posture = { cluster: { defender: signalOf({ high: 2 }) }, node: { patches: old } }
  const required = { '/high': { max: 0 }, '/name': { equals: 'a' } }
  const signals = [
    { of: 'cluster', signal: 'defender', require: required, maxAge: 'PT1H' },
    { of: 'node', signal: 'patches', require: { '/days': { max: 30 } }, maxAge: 'PT90M' },
  ]
  const [first, second] = testsOf({ posture: signals }, factsOf({ posture }))
  expect(first).toEqual({
    test: 'posture cluster/defender',
    met: false,
    expected: { require: required, maxAge: 'PT3600S' },
    found: { observedAt: '2026-06-01T11:59:00.000Z', '/high': 2, '/name': null },
  })
  expect(second).toMatchObject({
    test: 'posture node/patches',
    found: { observedAt: '2026-06-01T10:00:00.000Z' },
    unevaluable: 'the signal is older than maxAge',
  })
})

const right = { of: 'cluster', signal: 'defender', require: { '/high': { max: 0 } }, maxAge: 'PT1H' }
test.each<[string, Conditions, string]>([
  ['an unknown kind', { of: 'cloud' }, 'posture[0].of: Invalid option'],
  ['a signal in capitals', { signal: 'Defender' }, 'posture[0].signal: expected lower-case letters'],
  ['nothing that is required', { require: {} }, 'posture[0].require: expected 1 to 16 pointers'],
  ['no comparison', { require: { '/a': {} } }, 'expected some of equals, oneOf, min, max'],
  ['an unknown comparison', { require: { '/a': { max: 0, above: 1 } } }, 'Unrecognized key: "above"'],
  ['a member by its bare name', { require: { a: { max: 0 } } }, 'expected a JSON pointer (RFC 6901)'],
  ['text as a bound', { require: { '/a': { min: '1' } } }, 'posture[0].require["/a"].min: Invalid input'],
  ['no maxAge', { maxAge: undefined }, 'posture[0].maxAge: Invalid input: expected string'],
  ['a maxAge of seconds', { maxAge: 'PT30S' }, 'posture[0].maxAge: expected an ISO 8601 duration from PT1M to P30D'],
])('a rule is refused for %s, by path and expectation', (_, mistake, problem) => {
  expect(problemsOf({ posture: [{ ...right, ...mistake }] })).toEqual([expect.stringContaining(problem)])
})
