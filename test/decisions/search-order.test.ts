import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cosmosDecisionSearch } from '../../shared/decisions/cosmos-decision-search.ts'
import { continuationAt, placeOf } from '../../shared/decisions/search-order.ts'
import { startStandIn } from '../conformance/cosmos/stand-in.ts'
import { logContainers } from './open-log.ts'

test('any place within the bounds of Cosmos DB is one again in its continuation, which the route takes', () => {
  const text = (maxLength: number) =>
    fc.oneof(fc.constant('\u0001'.repeat(maxLength)), fc.string({ maxLength }), fc.constant('"1:2'))
  fc.assert(
    fc.property(text(64), text(2_048), text(1_023), (time, partition, id) => {
      const continuation = continuationAt([time, partition, id])
      expect(continuation.length).toBeLessThanOrEqual(16_384)
      expect(placeOf(continuation)).toEqual([time, partition, id])
    }),
    { seed: 606 },
  )
})

test('a decision is looked for around the time of its id, and not in all the years that records are kept', async () => {
  const standIn = await startStandIn({ containers: logContainers })
  try {
    const decisions = standIn.database().container('decisions')
    const decision = '01980000-0000-7000-8000-000000000000'
    const decided = 0x019800000000
    const at = (later: number) => new Date(decided + later).toISOString()
    const [minute, month] = [60_000, 30 * 86_400_000]
    for (const [index, later] of [-month, -minute, 0, minute, month].entries()) {
      await decisions.items.create({ id: String(index), stream: '2025-07-13T00/b/0', at: at(later), decision })
    }
    const search = cosmosDecisionSearch({ decisions, streams: decisions, checkpoints: decisions })
    expect((await search.of(decision, 'all')).map(({ id }) => id)).toEqual(['1', '2', '3'])
    expect(await search.of('01980000-0000-4000-8000-000000000000', 'all')).toEqual([])
    expect(await search.of('00000000-0000-7000-8000-000000000000', 'all')).toEqual([])
  } finally {
    await standIn.stop()
  }
})

test('so many records of one time that a page could not put them in order are refused, and are there by stream', async () => {
  const standIn = await startStandIn({ containers: logContainers })
  try {
    const decisions = standIn.database().container('decisions')
    const at = '2026-06-01T12:20:00.000Z'
    for (let number = 1; number <= 20; number++) {
      await decisions.items.create({ id: String(number).padStart(12, '0'), stream: '2026-06-01T12/b/0', at })
    }
    const search = cosmosDecisionSearch({ decisions, streams: decisions, checkpoints: decisions }, 10)
    const asked = { of: 'decisions', from: at, to: '2026-06-01T13:00:00.000Z', limit: 2, filter: {} } as const
    const more = { ...asked, namespaces: 'all', continuation: undefined } as const
    await expect(search.page({ ...more, order: 'newest' })).rejects.toMatchObject({ reason: 'documents_unavailable' })
    const page = await search.page({ ...more, order: 'stream' })
    expect(page?.documents).toMatchObject([{ id: '000000000001' }, { id: '000000000002' }])
  } finally {
    await standIn.stop()
  }
})
