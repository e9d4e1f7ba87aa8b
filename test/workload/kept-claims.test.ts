import { describe, expect, test } from 'vitest'
import { keptClaims } from '../../shared/workload/kept-claims.ts'

const bytesOf = (claims: object) => Buffer.byteLength(JSON.stringify(claims))
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `claim-${index}`)
const allOf = (names: readonly string[], value: unknown) => Object.fromEntries(names.map(name => [name, value]))

describe('the claims that are kept', () => {
  test('are those that are named and within bounds; those beyond are told by name', () => {
    const payload = {
      team: 'payments',
      level: 3,
      oncall: true,
      groups: ['a', 'b'],
      nested: { a: 1 },
      many: Array.from({ length: 33 }, () => 'x'),
      long: 'x'.repeat(257),
      nothing: null,
      other: { not: 'named' },
    }
    const names = ['team', 'level', 'oncall', 'groups', 'nested', 'many', 'long', 'nothing', 'absent']
    const { claims, beyondBounds } = keptClaims(payload, names)
    expect({ ...claims }).toEqual({ team: 'payments', level: 3, oncall: true, groups: ['a', 'b'] })
    expect(beyondBounds).toEqual(['nested', 'many', 'long', 'nothing'])
  })

  test.each([undefined, null, 'text', []])('of %j are none, of what every object has neither', payload => {
    const { claims, beyondBounds } = keptClaims(payload, ['constructor', '__proto__'])
    expect([Object.keys(claims), beyondBounds]).toEqual([[], []])
  })

  test('are 4 KiB at most, whatever an issuer signs', () => {
    const names = numbered(16)
    const longest = Array.from({ length: 32 }, () => '\u{1F600}'.repeat(16))
    const { claims, beyondBounds } = keptClaims(allOf(names, longest), names)
    expect(Object.keys(claims)).toEqual(names.slice(0, 1))
    expect(beyondBounds).toEqual(names.slice(1))
    expect(bytesOf(claims)).toBeLessThanOrEqual(4_096)
  })

  test('fill the 4 KiB where they are short, the first named first', () => {
    const names = numbered(32)
    const { claims, beyondBounds } = keptClaims(allOf(names, 'x'.repeat(200)), names)
    const kept = Object.keys(claims)
    expect(kept.length).toBeGreaterThan(15)
    expect([...kept, ...beyondBounds]).toEqual(names)
    expect(bytesOf(claims)).toBeLessThanOrEqual(4_096)
  })

  test('are not pushed out by one that is padded, wherever it is named', () => {
    const payload = { ...allOf(numbered(4), 'x'), padded: Array.from({ length: 32 }, () => 'x'.repeat(256)) }
    const { claims, beyondBounds } = keptClaims(payload, ['claim-0', 'padded', 'claim-1', 'claim-2', 'claim-3'])
    expect(Object.keys(claims)).toEqual(numbered(4))
    expect(beyondBounds).toEqual(['padded'])
  })
})

test('a claim of -0 is the 0 that its record will hold', () => {
  const { level } = keptClaims({ level: -0 }, ['level']).claims
  expect(Object.is(level, 0)).toBe(true)
})
