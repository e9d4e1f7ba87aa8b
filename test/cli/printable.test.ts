import { expect, test } from 'vitest'
import { printable } from '../../infra/cli/printable.ts'

test.each<[string, string, string]>([
  ['an escape sequence', '\u001b[1A\u001b[2K', String.raw`\u001b[1A\u001b[2K`],
  ['the end of a line', 'a\r\nb\tc', String.raw`a\u000d\u000ab\u0009c`],
  ['an eight-bit control sequence', '\u009b2K', String.raw`\u009b2K`],
  ['a deletion', '\u007f', String.raw`\u007f`],
  ['text that runs the other way', 'abc\u202eoko\u2066', String.raw`abc\u202eoko\u2066`],
  ['separators that some take for the end of a line', '\u0085\u2028\u2029', String.raw`\u0085\u2028\u2029`],
  ['what is not seen', 'a\u200bb\ufeff', String.raw`a\u200bb\ufeff`],
  ['what is not seen, beyond the first plane', '\u{e0041}', String.raw`\udb40\udc41`],
  ['half a character', '\ud83d', String.raw`\ud83d`],
])('%s is shown instead of done', (_, text, shown) => {
  expect(printable(text)).toBe(shown)
})

test('what people write stays as it is', () => {
  const text = 'Zürich, 東京, "naïve" \\ 🚲, مرحبا'
  expect(printable(text)).toBe(text)
})

test('text without an end is cut, and says so', () => {
  const shown = printable('x'.repeat(1_000_000))
  expect(shown).toBe(`${'x'.repeat(2_000)}… (998000 characters more)`)
})
