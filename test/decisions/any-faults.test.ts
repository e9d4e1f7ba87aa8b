import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fault } from '../../infra/local/cosmos/server.ts'
import type { RecordPosition } from '../../shared/decisions/record.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { entryOf } from './entry.ts'
import { type LogUnderTest, logContainers, openLog } from './open-log.ts'
import { expectChained, expectTrueAnswers, readLog } from './stored-log.ts'

let standIn: StandIn
beforeAll(async () => {
  standIn = await startStandIn({ containers: logContainers })
})
afterAll(() => standIn?.stop())

const when = fc.constantFrom('before' as const, 'after-commit' as const)
const kind = fc.oneof(
  fc.record({ when, reset: fc.constant(true) }),
  fc.record({ when, status: fc.constantFrom(408, 410, 449, 500, 503) }),
  fc.record({ when, delayMs: fc.constantFrom(10, 60, 150, 300) }),
  fc.record({ when, delayMs: fc.constantFrom(60, 150), status: fc.constantFrom(403, 429, 503) }),
  fc.record({ status: fc.constantFrom(400, 403, 404, 413) }),
  fc.record({ status: fc.constant(429), retryAfterMs: fc.constantFrom(1, 30, 10_000) }),
)
const place = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ container: 'decisions', action: 'create' } as const) },
  { weight: 2, arbitrary: fc.constant({ container: 'decisions', action: 'read' } as const) },
  { weight: 1, arbitrary: fc.constant({ container: 'streams', action: 'create' } as const) },
)
const fault: fc.Arbitrary<Fault> = fc
  .tuple(place, kind, fc.integer({ min: 1, max: 6 }))
  .map(([place, kind, times]) => ({ ...place, ...kind, times }))

/** What happens to a log: writers come, Cosmos DB fails, the clock moves, time passes. */
const happening = fc.oneof(
  { weight: 5, arbitrary: fc.record({ writers: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 5, arbitrary: fc.record({ fault }) },
  { weight: 1, arbitrary: fc.record({ hours: fc.constantFrom(1, -1) }) },
  { weight: 3, arbitrary: fc.record({ settled: fc.constant(true) }) },
)
type Happening = {
  readonly writers?: number
  readonly fault?: Fault
  readonly hours?: number
  readonly settled?: boolean
}

/** What its writers were told, when all is over. */
async function live(log: LogUnderTest, happenings: readonly Happening[], clock: { now: number }) {
  const answers = new Map<string, RecordPosition | undefined>()
  const writing: Promise<unknown>[] = []
  const write = async () => {
    const decision = `decision-${answers.size}`
    answers.set(decision, undefined)
    const position = await log.write(entryOf({ decision })).catch(() => undefined)
    answers.set(decision, position)
  }
  for (const { writers = 0, fault, hours = 0, settled } of happenings) {
    if (fault) standIn.cosmos.faults.add(fault)
    clock.now += hours * 3_600_000
    writing.push(...Array.from({ length: writers }, write))
    if (settled) await Promise.all(writing)
  }
  await Promise.all(writing)
  standIn.cosmos.faults.clear()
  await log.close()
  return answers
}

test('whatever goes wrong, no stream has a gap or a fork, and every writer was told the truth', async () => {
  let [resolved, refused, unresolved] = [0, 0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { minLength: 2, maxLength: 12 }), async happenings => {
      const clock = { now: Date.parse('2026-06-01T12:00:00Z') }
      const log = openLog(standIn, { now: () => clock.now, patience: 200 })
      const answers = await live(log, happenings, clock)
      const stored = await readLog(standIn, log.deployment)
      expectChained(stored)
      expectTrueAnswers(stored, answers)
      expect(log.atOnce.ofOneStream).toBeLessThanOrEqual(1)
      for (const answer of answers.values()) answer ? resolved++ : refused++
      unresolved += stored.records.filter(record => record.unresolved).length
    }),
    { numRuns: 60, seed: 606 },
  )
  // Otherwise nothing was shown.
  expect(Math.min(resolved, refused, unresolved)).toBeGreaterThan(10)
})
