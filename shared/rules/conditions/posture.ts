import { z } from 'zod'
import { documentId } from '../../document.ts'
import { duration } from '../../duration.ts'
import { postureKinds, type Signal } from '../facts.ts'
import { type Condition, type Finding, finding } from './condition.ts'
import { compilePointer, jsonPointer, valueAt } from './json-pointer.ts'
import { isOneOf, scalar } from './scalar.ts'
import { every, type Ternary } from './three-valued.ts'

const comparison = z
  .strictObject({
    equals: scalar.optional(),
    oneOf: z.array(scalar).min(1).max(64).optional(),
    min: z.number().optional(),
    max: z.number().optional(),
  })
  .refine(members => Object.keys(members).length > 0, 'expected some of equals, oneOf, min, max')
  .refine(({ min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }) => min <= max, {
    path: ['max'],
    error: 'expected no less than "min"',
  })
type Comparison = z.output<typeof comparison>

const required = z
  .record(jsonPointer, comparison)
  .refine(record => Object.keys(record).length >= 1 && Object.keys(record).length <= 16, 'expected 1 to 16 pointers')

const signalCondition = z.strictObject({
  of: z.enum(postureKinds),
  signal: documentId,
  require: required,
  maxAge: duration({ min: 'PT1M', max: 'P30D' }),
})

/** Signals about the workload's cluster, namespace, node, service account or pod: all of them, and none too old. */
export const postureCondition = z
  .array(signalCondition)
  .min(1)
  .max(16)
  .transform(signals => ({
    conditions: signals.map(compileSignal),
    asked: signals.map(({ of, signal }) => ({ of, signal })),
  }))

/** How far ahead of the gateway's clock that of an observer may be, in milliseconds. */
const tolerance = 60_000

function compileSignal({ of, signal, require, maxAge }: z.output<typeof signalCondition>): Condition {
  const comparisons = Object.entries(require).map(([text, expected]) => ({ pointer: compilePointer(text), expected }))
  return {
    test: `posture ${of}/${signal}`,
    expected: { require, maxAge: `PT${maxAge / 1_000}S` },
    judge({ posture, time }) {
      const signals = posture?.[of]
      const observed = signals && Object.hasOwn(signals, signal) ? signals[signal] : undefined
      if (!observed) return { unevaluable: 'there is no such signal, or no room for it in the record' }
      return unusable(observed, maxAge, time) ?? judgeValue(observed)
    },
  }

  function judgeValue({ observedAt, value }: Signal): Finding {
    const values = comparisons.map(({ pointer, expected }) => ({ pointer, expected, value: valueAt(value, pointer) }))
    const found = Object.fromEntries(values.map(({ pointer, value }) => [pointer.text, value ?? null]))
    const met = every(values.map(({ expected, value }) => compare(value, expected)))
    return finding(met, { observedAt, ...found }, 'a value is not there, or of another type')
  }
}

function unusable({ observedAt, expiresAt }: Signal, maxAge: number, time: number): Finding | undefined {
  const age = time - Date.parse(observedAt)
  const found = { observedAt, expiresAt }
  if (age > maxAge) return { unevaluable: 'the signal is older than maxAge', found }
  if (age < -tolerance) return { unevaluable: 'the signal was observed in the future', found }
  return Date.parse(expiresAt) <= time ? { unevaluable: 'the signal has expired', found } : undefined
}

function compare(found: unknown, { equals, oneOf, min, max }: Comparison): Ternary {
  return every([
    equals === undefined || isOneOf(found, [equals]),
    oneOf === undefined || isOneOf(found, oneOf),
    min === undefined || (typeof found === 'number' ? found >= min : undefined),
    max === undefined || (typeof found === 'number' ? found <= max : undefined),
  ])
}
