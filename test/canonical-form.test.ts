import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalDigest, canonicalForm } from '../shared/canonical-form.ts'

const names = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'toJSON',
    '10',
    '9',
    '01',
    '-1',
    '1e3',
    '',
    'é',
    '\u{1f600}',
    '｡',
  ),
)
const leaf = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
)
const { json } = fc.letrec<{ json: unknown }>(tie => ({
  json: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaf,
    fc.array(tie('json')),
    fc.dictionary(names, fc.option(tie('json'), { nil: undefined, freq: 8 })),
  ),
}))

describe('the canonical form', () => {
  test('of any JSON is what the library makes of it', () => {
    fc.assert(
      fc.property(json, value => {
        fc.pre(value !== undefined)
        expect(canonicalForm(value)).toBe(canonicalize(value))
      }),
      { numRuns: 2_000, seed: 8785 },
    )
  })

  test.each<[string, unknown, string]>([
    ['names that are numbers, by their text', { b: 1, 10: 1, 9: 1 }, '{"10":1,"9":1,"b":1}'],
    ['the name of the prototype', JSON.parse('{"z":1,"__proto__":{"a":1}}'), '{"__proto__":{"a":1},"z":1}'],
    ['names by their UTF-16 units', { '｡': 1, '\u{1f600}': 2 }, '{"\u{1f600}":2,"｡":1}'],
    ['what says how it is written', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ['members without a value', { a: undefined, b: [undefined] }, '{"b":[null]}'],
    ['minus zero', [-0], '[0]'],
  ])('has %s', (_, value, form) => {
    expect(canonicalForm(value)).toBe(form)
  })

  test.each<[string, unknown]>([
    ['text that is no Unicode', { a: '\ud800' }],
    ['a name that is no Unicode', { '\udc00': 1 }],
    ['a number that is none', [Number.NaN]],
    ['a number without end', { a: Number.POSITIVE_INFINITY }],
    [
      'a value that holds itself',
      (() => {
        const a: Record<string, unknown> = {}
        a['a'] = a
        return a
      })(),
    ],
    ['no value', undefined],
    ['a function', () => 1],
    ['a number of another kind', 1n],
  ])('there is none of %s', (_, value) => {
    expect(() => canonicalForm(value)).toThrow()
  })

  test('of what is nested ten thousand deep is made without a stack', () => {
    const deep = `${'[{"a":'.repeat(10_000)}1${'}]'.repeat(10_000)}`
    expect(canonicalForm(JSON.parse(deep))).toBe(deep)
  })
})

test('the digest is SHA-256 over the form', () => {
  expect(canonicalDigest({ b: 2, a: 1 })).toBe('43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777')
})
