import { expect, test } from 'vitest'
import { recordTrace } from '../../shared/decisions/record-trace.ts'
import { entryOf, traceOf } from './entry.ts'

const misses = (count: number) => Array.from({ length: count }, (_, index) => traceOf(`miss-${index}`, false))

test('a short trace is recorded whole', () => {
  const entry = entryOf({ trace: misses(16) })
  expect(recordTrace(entry)).toEqual(entry)
})

test('of a long one, every rule that was about the workload is kept, the first sixteen others, in their order', () => {
  const trace = [...misses(10), traceOf('about-it', true), ...misses(20), traceOf('about-it-too', true)]
  const cut = recordTrace(entryOf({ trace }))
  if (cut.kind !== 'exchange') throw new TypeError('expected the record of an exchange')
  expect(cut.trace).toEqual([...trace.slice(0, 17), trace.at(-1)])
  expect(cut.traceOmitted).toBe(14)
})

test('forty rules that are all about the workload are all kept, and none counted as left out', () => {
  const trace = Array.from({ length: 40 }, (_, index) => traceOf(`about-${index}`, true))
  expect(recordTrace(entryOf({ trace }))).toMatchObject({ trace, traceOmitted: 0 })
})

test('other records have no trace, and stay as they are', () => {
  const entry = { kind: 'revocation', decision: 'd', outcome: 'revoked', lease: { id: 'slot.0' } } as const
  expect(recordTrace(entry)).toBe(entry)
})
