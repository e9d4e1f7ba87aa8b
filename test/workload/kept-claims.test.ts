import { describe, expect, test } from 'vitest'
import { keptClaims } from '../../shared/workload/kept-claims.ts'

const bytesOf = (claims: object) => Buffer.byteLength(JSON.stringify(claims))

describe('the claims that are kept', () => {
  test('are those that are named and within bounds', () => {
    const payload = {
      team: 'payments',
      level: 3,
      oncall: true,
      groups: ['a', 'b'],
      nested: { a: 1 },
      many: Array.from({ length: 33 }, () => 'x'),
      other: 'not named',
    }
    expect({ ...keptClaims(payload, ['team', 'level', 'oncall', 'groups', 'nested', 'many', 'absent']) }).toEqual({
      team: 'payments',
      level: 3,
      oncall: true,
      groups: ['a', 'b'],
    })
  })

  test.each([undefined, null, 'text', []])('of %j are none', payload => {
    expect(Object.keys(keptClaims(payload, ['length', 'constructor']))).not.toContain('constructor')
  })

  test('are 4 KiB at most, the first named first, whatever an issuer signs', () => {
    const lists = Array.from({ length: 16 }, (_, index) => [
      `claim-${index}`,
      Array.from({ length: 32 }, () => '\u{1F600}'.repeat(16)),
    ])
    const names = lists.map(([name]) => String(name))
    const kept = keptClaims(Object.fromEntries(lists), names)
    expect(Object.keys(kept)).toEqual(names.slice(0, 1))
    expect(bytesOf(kept)).toBeLessThanOrEqual(4_096)
  })

  test('fill the 4 KiB where they are short', () => {
    const names = Array.from({ length: 32 }, (_, index) => `claim-${index}`)
    const kept = keptClaims(Object.fromEntries(names.map(name => [name, 'x'.repeat(200)])), names)
    expect(Object.keys(kept).length).toBeGreaterThan(15)
    expect(Object.keys(kept)).toEqual(names.slice(0, Object.keys(kept).length))
    expect(bytesOf(kept)).toBeLessThanOrEqual(4_096)
  })
})

test('a claim of -0 is the 0 that its record will hold', () => {
  const { level } = keptClaims({ level: -0 }, ['level'])
  expect(Object.is(level, 0)).toBe(true)
})
