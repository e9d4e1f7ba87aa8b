import { expect, test } from 'vitest'
import { accountForm } from '../../shared/account-form.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { type DerivationInput, deriveSecret } from '../../shared/leases/derive-secret.ts'

const { password } = accountForm.parse({})
const input: DerivationInput = {
  key: new Secret('derivation key'),
  target: 'orders-db',
  lease: 'slot.0',
  salt: 'salt',
  password,
}

function passwordOf(changed: Partial<DerivationInput> = {}): string {
  return deriveSecret({ ...input, ...changed }).reveal()
}

test('a lease tells the same password for ever: this one, whatever the version of this code', () => {
  expect(passwordOf()).toBe(passwordOf())
  expect(passwordOf()).toMatchInlineSnapshot(`"Q58LU4aJ4rg5nFtU7sknxRW9UZ7Lyw2E"`)
})

test('a password is 32 letters and digits, which no engine has to quote', () => {
  for (let index = 0; index < 500; index++) expect(passwordOf({ lease: `slot.${index}` })).toMatch(/^[A-Za-z0-9]{32}$/)
})

test.each<[string, Partial<DerivationInput>]>([
  ['lease', { lease: 'slot.1' }],
  ['salt', { salt: 'other' }],
  ['target', { target: 'other' }],
  ['key', { key: new Secret('another key') }],
])('another %s tells another password', (_, changed) => {
  expect(passwordOf(changed)).not.toBe(passwordOf())
})

test('a lease and a salt are not taken for each other by joining them', () => {
  expect(passwordOf({ lease: 'ab', salt: 'c' })).not.toBe(passwordOf({ lease: 'a', salt: 'bc' }))
})

test('every character is about as likely at every place', () => {
  const passwords = Array.from({ length: 4_000 }, (_, index) => passwordOf({ salt: String(index) }))
  const counts = new Map<string, number>()
  for (const character of passwords.join('')) counts.set(character, (counts.get(character) ?? 0) + 1)
  const expected = (4_000 * 32) / 62
  // 61 degrees of freedom: chance alone goes beyond 120 once in a hundred thousand, and these inputs are fixed.
  const deviation = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  expect(counts.size).toBe(62)
  expect(deviation).toBeLessThan(120)
  for (const place of [0, 15, 31]) expect(new Set(passwords.map(password => password[place])).size).toBe(62)
})
