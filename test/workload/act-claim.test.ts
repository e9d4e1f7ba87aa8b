import { expect, test } from 'vitest'
import { actClaim } from '../../shared/workload/act-claim.ts'

test('who acts is read at the top level of act, and no deeper', () => {
  const act = { sub: 'gateway', iss: 'https://a.example', act: { sub: 'the-one-before', admin: true } }
  expect(actClaim({ act })).toEqual({ subject: 'gateway', issuerUrl: 'https://a.example' })
  expect(actClaim({ act: { sub: 'gateway' } })).toEqual({ subject: 'gateway' })
  expect(actClaim({ act: { act: { sub: 'nested' } } })).toBe(undefined)
  expect(actClaim({ claims: { act: { sub: 'elsewhere' } } })).toBe(undefined)
})

test.each([
  ['text', 'gateway'],
  ['a list', [{ sub: 'gateway' }]],
  ['an empty subject', { sub: '' }],
  ['a subject that is a number', { sub: 1 }],
  ['a subject of 513 characters', { sub: 's'.repeat(513) }],
  ['an issuer that is no text', { sub: 'gateway', iss: {} }],
])('act that is %s is no fact', (_, act) => {
  expect(actClaim({ act })).toBe(undefined)
})

test('a payload that is no object has no act, and halves of characters do not reach the record', () => {
  for (const payload of [null, undefined, 'act', []]) expect(actClaim(payload)).toBe(undefined)
  expect(actClaim({ act: { sub: 'a\ud800' } })).toEqual({ subject: 'a\ufffd' })
})
