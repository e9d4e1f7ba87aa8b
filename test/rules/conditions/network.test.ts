import { describe, expect, test } from 'vitest'
import type { Provenance } from '../../../shared/rules/facts.ts'
import { factsOf } from '../facts.ts'
import { type Conditions, problemsOf, type Result, resultOf, testsOf } from './judged.ts'

function from(address: string, network: Conditions, provenance: Provenance = 'direct'): Result {
  return resultOf({ network }, factsOf({ client: { address, provenance } }))
}

describe('a client', () => {
  test.each([
    ['10.1.2.3', '10.0.0.0/8'],
    ['10.255.255.255', '10.0.0.0/8'],
    ['10.0.0.0', '10.0.0.0/8'],
    ['10.1.2.3', '10.200.0.1/8'],
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['255.255.255.255', '0.0.0.0/0'],
    ['2001:db8::7', '2001:db8::/32'],
    ['2001:db8::7', '2001:0DB8:0:0:0:0:0:7'],
    ['2001:db8::7', '2001:db8::7/128'],
    ['2001:db8::7', '::/0'],
    ['::ffff:10.1.2.3', '10.0.0.0/8'],
    ['::ffff:a01:203', '10.0.0.0/8'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
  ])('at %s is in %s', (address, network) => {
    expect(from(address, { in: [network] })).toBe('met')
    expect(from(address, { notIn: [network] })).toBe('not met')
  })

  test.each([
    ['9.255.255.255', '10.0.0.0/8'],
    ['11.0.0.0', '10.0.0.0/8'],
    ['192.0.2.8', '192.0.2.7/32'],
    ['192.0.2.8', '192.0.2.7'],
    ['2001:db9::7', '2001:db8::/32'],
    ['2001:db8::8', '2001:db8::7/128'],
    ['::ffff:11.1.2.3', '10.0.0.0/8'],
    ['::ffff:b01:203', '10.0.0.0/8'],
    ['10.1.2.3', '::/0'],
    ['::ffff:10.1.2.3', '::/0'],
    ['2001:db8::7', '0.0.0.0/0'],
    ['::a01:203', '10.0.0.0/8'],
  ])('at %s is not in %s', (address, network) => {
    expect(from(address, { in: [network] })).toBe('not met')
    expect(from(address, { notIn: [network] })).toBe('met')
  })

  test.each<[string, Result]>([
    ['10.1.2.3', 'met'],
    ['10.9.0.1', 'not met'],
    ['192.0.2.7', 'met'],
    ['192.0.2.8', 'not met'],
  ])('at %s, in any of the networks and in none that is left out: %s', (address, result) => {
    expect(from(address, { in: ['10.0.0.0/8', '192.0.2.7'], notIn: ['10.9.0.0/16', '10.8.0.0/16'] })).toBe(result)
  })
})

describe('an address', () => {
  const everywhere = { in: ['0.0.0.0/0'] }

  test.each<[Provenance, readonly string[] | undefined, Result]>([
    ['direct', undefined, 'met'],
    ['forwarded', undefined, 'met'],
    ['unknown', undefined, 'cannot be evaluated'],
    ['direct', ['direct'], 'met'],
    ['forwarded', ['direct'], 'cannot be evaluated'],
    ['direct', ['forwarded'], 'cannot be evaluated'],
    ['forwarded', ['forwarded'], 'met'],
  ])('of provenance %s, where %s is accepted: %s', (provenance, accepted, result) => {
    expect(from('10.1.2.3', { ...everywhere, ...(accepted && { provenance: accepted }) }, provenance)).toBe(result)
  })

  test('that nobody knows cannot be judged, not even by the networks that it must not be in', () => {
    const facts = factsOf({ client: { provenance: 'direct' } })
    expect(resultOf({ network: everywhere }, facts)).toBe('cannot be evaluated')
    expect(resultOf({ network: { notIn: ['10.0.0.0/8'] } }, facts)).toBe('cannot be evaluated')
  })

  test('is shown with its provenance', () => {
    const facts = factsOf({ client: { provenance: 'forwarded', address: '10.1.2.3' } })
    const [shown] = testsOf({ network: everywhere }, facts)
    expect(shown?.found).toEqual({ provenance: 'forwarded', address: '10.1.2.3' })
  })
})

test.each<[string, Conditions, string]>([
  ['a prefix that is too long', { in: ['10.0.0.0/33'] }, 'network.in[0]: expected a network such as 10.0.0.0/8'],
  ['an address of three numbers', { notIn: ['10.0.0'] }, 'network.notIn[0]: expected a network such as 10.0.0.0/8'],
  ['a mapped network', { in: ['::ffff:10.0.0.0/104'] }, 'network.in[0]: expected an IPv4 network in its own notation'],
  ['one written otherwise', { in: ['0:0:0:0:0:ffff:a00:0/104'] }, 'expected an IPv4 network in its own notation'],
  ['half a bit', { in: ['::1/8.5'] }, 'network.in[0]: expected a whole number of bits after the /, found "::1/8.5"'],
  ['half a bit of IPv4', { notIn: ['10.0.0.0/8.5'] }, 'network.notIn[0]: expected a network such as 10.0.0.0/8'],
  ['no network', {}, 'network: expected "in" or "notIn" to name a network at least'],
  [
    'a provenance that vouches for nothing',
    { in: ['::/0'], provenance: ['unknown'] },
    'network.provenance[0]: Invalid',
  ],
  ['no provenance', { in: ['::/0'], provenance: [] }, 'network.provenance: Too small'],
  ['another member', { in: ['::/0'], not: [] }, 'network: Unrecognized key: "not"'],
])('a rule is refused for %s, by path and expectation', (_, network, problem) => {
  expect(problemsOf({ network })).toEqual([expect.stringContaining(problem)])
})
