import type { Condition } from './condition.ts'

/** The instants, ISO 8601, from and until which a rule is in force. */
export interface Validity {
  readonly notBefore?: string | undefined
  readonly expiresAt?: string | undefined
}

export function validityTests({ notBefore, expiresAt }: Validity): readonly Condition[] {
  return [
    ...(notBefore === undefined ? [] : [instantTest('notBefore', notBefore, (time, bound) => time >= bound)]),
    ...(expiresAt === undefined ? [] : [instantTest('expiresAt', expiresAt, (time, bound) => time < bound)]),
  ]
}

function instantTest(test: string, text: string, holds: (time: number, bound: number) => boolean): Condition {
  const bound = Date.parse(text)
  return {
    test,
    expected: new Date(bound).toISOString(),
    judge: ({ time }) => ({ met: holds(time, bound), found: new Date(time).toISOString() }),
  }
}
