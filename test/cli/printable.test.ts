import { expect, test } from 'vitest'
import { printable } from '../../infra/cli/printable.ts'

test.each([
  ['\u001b[2J', '\\u001b[2J'],
  ['a\nb\r\tc', 'a\\u000ab\\u000d\\u0009c'],
  ['\u009b8m\u007f', '\\u009b8m\\u007f'],
  ['a\u202eb\u2066c\u200d', 'a\\u202eb\\u2066c\\u200d'],
  ['\u2028\u2029', '\\u2028\\u2029'],
  ['\ud800', '\\ud800'],
])('%j is shown as its code', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

test('text of any language is shown as it is', () => {
  expect(printable('Zürich, 東京, עברית, 🗝 "\\"')).toBe('Zürich, 東京, עברית, 🗝 "\\"')
})

test('long text is cut', () => {
  expect(printable('x'.repeat(100_000))).toBe(`${'x'.repeat(2_000)}…`)
})
