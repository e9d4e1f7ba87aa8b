import { expect, test } from 'vitest'
import { type DecisionLogOptions, type OpenDecisionLog, openDecisionLog } from '../../shared/decisions/decision-log.ts'
import type { StreamRecord } from '../../shared/decisions/stream.ts'
import type { Outcome, StreamStore } from '../../shared/decisions/stream-store.ts'
import { entryOf } from './entry.ts'

const committed: Outcome = { kind: 'committed' }

/** A store that keeps nothing, and tells what each batch would have been. */
function store(commit: (records: readonly StreamRecord[]) => Outcome, read: readonly object[] = []): StreamStore {
  return {
    register: async () => committed,
    readRegistration: async () => undefined,
    commit: async records => commit(records),
    read: async () => read,
  }
}

function open(of: StreamStore, options: Partial<DecisionLogOptions> = {}): OpenDecisionLog {
  return openDecisionLog(of, {
    deployment: 'test',
    retention: 86_400_000,
    now: () => Date.parse('2026-06-01T12:30:00.000Z'),
    monotonic: () => performance.now(),
    print: () => undefined,
    patience: 200,
    ...options,
  })
}

const failed = { code: 'temporarily_unavailable', reason: 'record_unavailable' }

test('a record in the place of ours that has no hash is not ours: its writer is refused, and the stream closes', async () => {
  const closed: string[] = []
  const commits: number[] = []
  const log = open(
    store(() => (commits.push(1) === 1 ? { kind: 'conflict' } : committed), [{ a: '\ud800' }, {}]),
    { patience: 60_000, onClosed: ({ because }) => closed.push(because) },
  )
  await expect(log.write(entryOf())).rejects.toMatchObject(failed)
  expect(closed).toEqual(['conflict'])
  await log.close()
})

test('a lane that fails, as it never should, refuses its writers, and takes the next batch', async () => {
  const commits: number[] = []
  const onClosed = () => {
    throw new Error('an alarm that is out of order')
  }
  const log = open(
    store(() => (commits.push(1) === 1 ? { kind: 'conflict' } : committed), [{}, {}]),
    { onClosed },
  )
  await expect(log.write(entryOf())).rejects.toMatchObject({ ...failed, detail: { error: 'lane failed' } })
  expect(await log.write(entryOf())).toMatchObject({ id: '000000000002' })
  await log.close()
})

test('a log that closes while its lanes owe a range takes no batch beside it, and names the range in the next hour', async () => {
  let now = Date.parse('2026-06-01T12:30:00.000Z')
  let down: Outcome | undefined
  const sent: StreamRecord[] = []
  const kept: StreamRecord[] = []
  const log = open(
    store(records => {
      sent.push(...records)
      if (down) return down
      kept.push(...records)
      return committed
    }),
    { now: () => now },
  )
  await log.write(entryOf({ decision: 'first' }))
  down = { kind: 'unclear', detail: {} }
  for (let lane = 0; lane < 8; lane++) await expect(log.write(entryOf())).rejects.toMatchObject(failed)
  now += 3_600_000
  down = { kind: 'throttled', afterMs: 60_000, detail: {} }
  const last = log.write(entryOf({ decision: 'last' })).catch((error: unknown) => {
    down = undefined
    return error
  })
  await log.close()
  expect(await last).toMatchObject({ ...failed, detail: { error: 'closed' } })
  expect(sent.filter(({ decision }) => decision === 'last')).toEqual([])
  expect(kept.filter(({ stream }) => stream.startsWith('2026-06-01T13'))).toMatchObject([
    { kind: 'stream', unresolved: { stream: expect.stringMatching(/^2026-06-01T12/) } },
  ])
})
