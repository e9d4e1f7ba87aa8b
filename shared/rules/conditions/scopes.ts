import type { Condition } from './condition.ts'

/** A rule is about a request that asks for one of its scopes; a deny or a limit without any is about every request. */
export function scopesTest(expected: readonly string[] | undefined): Condition {
  return {
    test: 'scopes',
    expected: expected ?? '*',
    judge: ({ scopes }) => ({
      met: expected === undefined || scopes.some(scope => expected.includes(scope)),
      found: scopes,
    }),
  }
}
