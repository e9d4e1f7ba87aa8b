import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printedLines } from '../shared/printed-lines.ts'

test('printed lines mean what they meant, and hold nothing that reorders or hides text', () => {
  const odd = fc.constantFrom(
    '\u202e',
    '\u2028',
    '\u2066',
    '\u200b',
    '\u007f',
    '\u009b',
    '\ufeff',
    '\u{e0041}',
    'ä',
    '😀',
  )
  const text = fc.array(fc.oneof(odd, fc.string({ unit: 'grapheme' }))).map(parts => parts.join(''))
  fc.assert(
    fc.property(fc.array(fc.dictionary(text, text), { minLength: 1 }), values => {
      const printed = printedLines(values.map(value => JSON.stringify(value)).join('\n'))
      expect(printed.split('\n').map(line => JSON.parse(line))).toEqual(values)
      expect(printed).not.toMatch(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/u)
    }),
    { seed: 40 },
  )
})

test('ordinary text of any language is printed as it is', () => {
  const line = JSON.stringify({ subject: 'Müller, 日本, 😀, "quoted"\\' })
  expect(printedLines(line)).toBe(line)
})
