import { describe, expect, test } from 'vitest'
import { compilePointer, jsonPointer, valueAt } from '../../../shared/rules/conditions/json-pointer.ts'

const at = (value: unknown, pointer: string) => valueAt(value, compilePointer(pointer))

/** RFC 6901 section 5, but for the pointers that lead to the whole document or to a member without a name. */
const document = {
  foo: ['bar', 'baz'],
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'g|h': 4,
  'i\\j': 5,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
  '~1': 9,
}

describe('a JSON pointer', () => {
  test.each([
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/foo/1', 'baz'],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
    ['/~01', 9],
  ])('%s leads where RFC 6901 says', (pointer, value) => {
    expect(jsonPointer.safeParse(pointer).success).toBe(true)
    expect(at(document, pointer)).toEqual(value)
  })

  test.each([
    ['a member that is not there', '/bar'],
    ['an element beyond the end', '/foo/2'],
    ['an element that is counted from the end', '/foo/-'],
    ['an element with a leading zero', '/foo/00'],
    ['the length of a list', '/foo/length'],
    ['a member of a number', '/a~1b/toFixed'],
    ['a letter of text', '/foo/0/0'],
    ['what every object has', '/toString'],
    ['what every list has', '/foo/map'],
  ])('leads nowhere by %s', (_, pointer) => {
    expect(at(document, pointer)).toBe(undefined)
  })

  test('leads to null where that is what is there, and no further', () => {
    expect(at({ a: null }, '/a')).toBe(null)
    expect(at({ a: null }, '/a/b')).toBe(undefined)
    expect(at(null, '/a')).toBe(undefined)
  })

  test('leads past what a member inherits, and calls no getter', () => {
    const value = Object.create({ inherited: 1 }, { computed: { get: () => 2, enumerable: true } })
    expect([at(value, '/inherited'), at(value, '/computed')]).toEqual([undefined, undefined])
  })

  test.each([
    '',
    '/',
    'environment',
    '/a//b',
    '/a/',
    '/a~2b',
    '/a~',
    '#/a',
    '/__proto__',
    '/a/constructor',
    '/prototype/a',
    '/a/b/c/d/e/f/g/h/i',
    `/${'a'.repeat(256)}`,
  ])('is refused where it is %j', pointer => {
    expect(jsonPointer.safeParse(pointer).success).toBe(false)
  })

  test('may be eight members deep', () => {
    expect(jsonPointer.safeParse('/a/b/c/d/e/f/g/h').success).toBe(true)
    expect(at({ a: { b: { c: { d: { e: { f: { g: { h: 1 } } } } } } } }, '/a/b/c/d/e/f/g/h')).toBe(1)
  })
})
