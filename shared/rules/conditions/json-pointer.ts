import { z } from 'zod'

/** The members that a JSON pointer (RFC 6901) passes through. */
export interface JsonPointer {
  readonly text: string
  readonly segments: readonly string[]
}

const forbidden = ['__proto__', 'constructor', 'prototype']

/** A pointer into claims or a signal: never empty, at most eight members deep. */
export const jsonPointer = z
  .string()
  .max(256)
  .regex(/^(\/([^/~]|~[01])+){1,8}$/, 'expected a JSON pointer (RFC 6901), such as "/environment"')
  .refine(text => !segmentsOf(text).some(segment => forbidden.includes(segment)), 'expected the name of a member')

export function compilePointer(text: string): JsonPointer {
  return { text, segments: segmentsOf(text) }
}

function segmentsOf(text: string): readonly string[] {
  return text
    .split('/')
    .slice(1)
    .map(segment => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** What the pointer leads to; undefined where there is nothing. Only a value's own members count. */
export function valueAt(value: unknown, { segments }: JsonPointer): unknown {
  let at = value
  for (const segment of segments) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, segment)) return undefined
    if (Array.isArray(at) && !/^(0|[1-9]\d{0,3})$/.test(segment)) return undefined
    at = Object.getOwnPropertyDescriptor(at, segment)?.value
  }
  return at
}
