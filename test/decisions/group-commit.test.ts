import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DecisionLogOptions } from '../../shared/decisions/decision-log.ts'
import type { RecordPosition } from '../../shared/decisions/record.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { entryOf } from './entry.ts'
import { type LogUnderTest, logContainers, openLog } from './open-log.ts'
import { expectChained, readLog } from './stored-log.ts'

let standIn: StandIn
let log: LogUnderTest
let now: number
const logs: LogUnderTest[] = []

beforeAll(async () => {
  standIn = await startStandIn({ containers: logContainers })
})
afterAll(() => standIn?.stop())

beforeEach(() => {
  now = Date.parse('2026-06-01T12:30:00Z')
  log = open()
})
afterEach(async () => {
  standIn.cosmos.faults.clear()
  for (const each of logs.splice(0)) await each.close()
})

function open(options: Partial<DecisionLogOptions> = {}): LogUnderTest {
  const opened = openLog(standIn, { now: () => now, ...options })
  logs.push(opened)
  return opened
}

const write = () => log.write(entryOf())
const writeMany = (count: number) => Promise.all(Array.from({ length: count }, write))
const lanesOf = (positions: readonly RecordPosition[]) => new Set(positions.map(({ stream }) => stream.split('/')[2]))
const slow = (delayMs = 20) => standIn.cosmos.faults.add({ container: 'decisions', action: 'create', delayMs })

describe('a batch', () => {
  test('holds what came while the one before it was under way: 64 writers make few batches, one at a time', async () => {
    await write()
    log.batches.length = 0
    slow()
    const writer = async () => {
      for (let turn = 0; turn < 5; turn++) await write()
    }
    await Promise.all(Array.from({ length: 64 }, writer))
    expect(log.batches.length).toBeLessThanOrEqual(15)
    expect(log.atOnce.ofOneStream).toBe(1)
    expect(log.batches.reduce((sum, { records }) => sum + records, 0)).toBe(320)
    const stored = await readLog(standIn, log.deployment)
    expectChained(stored)
    expect(stored.streams.size).toBe(1)
  })

  test('holds a hundred records at the most, with the one that opens its stream', async () => {
    slow()
    await writeMany(1_000)
    expect(Math.max(...log.batches.map(({ records }) => records))).toBeLessThanOrEqual(100)
    expectChained(await readLog(standIn, log.deployment))
  })

  test('holds a megabyte and a half at the most', async () => {
    await write()
    log.batches.length = 0
    slow()
    const large = entryOf({ asked: { target: 'x'.repeat(31_000), scopes: [] } })
    await Promise.all(Array.from({ length: 90 }, () => log.write(large)))
    expect(Math.max(...log.batches.map(({ records }) => records))).toBeLessThanOrEqual(1_500_000 / 31_000)
    expectChained(await readLog(standIn, log.deployment))
  })
})

describe('lanes', () => {
  test('are one under a light load, though Cosmos DB is slow', async () => {
    await write()
    slow()
    const positions = await writeMany(90)
    expect(lanesOf(positions)).toEqual(new Set(['0']))
    expect(log.atOnce.ofAll).toBe(1)
  })

  test('are more, and eight at the most, where more than a batch waits; each stream is still one batch at a time', async () => {
    await write()
    slow(100)
    const positions = await writeMany(1_500)
    expect(lanesOf(positions)).toEqual(new Set(['0', '1', '2', '3', '4', '5', '6', '7']))
    expect(log.atOnce).toEqual({ ofOneStream: 1, ofAll: 8 })
    const stored = await readLog(standIn, log.deployment)
    expectChained(stored)
    const first = stored.records.find(({ kind }) => kind === 'stream')?.stream
    const openings = stored.records.filter(({ kind, stream }) => kind === 'stream' && stream !== first)
    expect(openings.map(({ predecessor }) => predecessor?.stream)).toEqual(Array.from({ length: 7 }, () => first))
  })

  test('keep their streams until the hour ends', async () => {
    await write()
    slow(50)
    await writeMany(500)
    const before = (await readLog(standIn, log.deployment)).streams.size
    await writeMany(500)
    expect((await readLog(standIn, log.deployment)).streams.size).toBe(before)
  })

  test('are not held up by one whose batch does not say what became of it', async () => {
    await write()
    standIn.cosmos.faults.add({ container: 'decisions', action: 'create', times: 1, reset: true })
    standIn.cosmos.faults.add({ container: 'decisions', action: 'create', times: 1, delayMs: 1_000 })
    const told: string[] = []
    const stuck = write().then(() => told.push('stuck'))
    await expect.poll(() => log.batches.length, { interval: 5 }).toBe(3)
    const other = await write()
    told.push('other')
    await stuck
    expect(lanesOf([other])).toEqual(new Set(['1']))
    expect(told).toEqual(['other', 'stuck'])
    expectChained(await readLog(standIn, log.deployment))
  })
})

describe('an hour that begins', () => {
  test('under load has streams of its own, which name the last records of those before them', async () => {
    await write()
    slow(10)
    const writing = writeMany(600)
    await expect.poll(() => log.batches.length).toBeGreaterThan(2)
    now += 3_600_000
    const before = await writing
    const after = await write()
    expect(after.stream.slice(0, 13)).toBe('2026-06-01T13')
    const stored = await readLog(standIn, log.deployment)
    expectChained(stored)
    const lane0 = [...stored.streams].filter(([stream]) => stream.endsWith('/0'))
    const [earlier, later] = lane0.map(([, records]) => records)
    expect(later?.[0]?.predecessor).toMatchObject({ stream: earlier?.at(-1)?.stream, id: earlier?.at(-1)?.id })
    expect(before.length).toBe(600)
  })

  test('is not followed by an earlier one, though the clock goes back', async () => {
    const { stream } = await write()
    now -= 7_200_000
    expect((await write()).stream).toBe(stream)
    slow(50)
    expect(lanesOf(await writeMany(400)).size).toBeGreaterThan(1)
    const { registrations } = await readLog(standIn, log.deployment)
    expect(new Set(registrations.map(registration => registration['hour']))).toEqual(new Set(['2026-06-01T12']))
  })

  test('registers its stream once, before its first record', async () => {
    await writeMany(3)
    await write()
    const [registration, ...more] = (await readLog(standIn, log.deployment)).registrations
    expect(more).toEqual([])
    expect(registration).toMatchObject({ schema: 1, deployment: log.deployment, ttl: 401 * 86_400 })
    expect(registration?.['id']).toBe(String(registration?.['stream']).replaceAll('/', '_'))
    const seconds = (await readLog(standIn, log.deployment)).records.map(record => record['ttl'])
    expect(new Set(seconds)).toEqual(new Set([400 * 86_400]))
  })
})

describe('who waits', () => {
  test.each([
    ['in number', { records: 50, bytes: 1_000_000 }, 0],
    ['in bytes', { records: 10_000, bytes: 80_000 }, 1_500],
  ])('is bounded %s: whoever comes beyond is refused at once, and the others are written', async (_, bounds, size) => {
    log = open({ bounds })
    await write()
    slow(100)
    const entry = entryOf({ asked: { target: 'x'.repeat(size), scopes: [] } })
    const told = await Promise.allSettled(Array.from({ length: 100 }, () => log.write(entry)))
    const refused = told.flatMap(each => (each.status === 'rejected' ? [each.reason] : []))
    expect(refused.length).toBeGreaterThan(10)
    expect(refused.length).toBeLessThan(100)
    for (const each of refused) {
      expect(each).toMatchObject({ reason: 'record_unavailable', detail: { error: 'too many wait' } })
    }
    expect((await readLog(standIn, log.deployment)).records.length).toBe(1 + 1 + 100 - refused.length)
  })

  test('for longer than there is patience is refused, and the record is not sent', async () => {
    let elapsed = 0
    log = open({ monotonic: () => elapsed })
    await write()
    slow(500)
    const underWay = write()
    await expect.poll(() => log.batches.length, { interval: 5 }).toBe(2)
    const waiting = [write(), write()]
    elapsed += 3_500
    const late = write()
    const told = await Promise.allSettled([...waiting, late, underWay])
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled'])
    expect((await readLog(standIn, log.deployment)).records.length).toBe(4)
  })
})

describe('a log that is closed', () => {
  test('has answered all its writers, and takes no more', async () => {
    await write()
    slow(50)
    const writing = Promise.allSettled(Array.from({ length: 300 }, write))
    await log.close()
    const sent = log.batches.length
    await expect(write()).rejects.toMatchObject({ reason: 'record_unavailable' })
    const told = await writing
    expect(told.filter(({ status }) => status === 'fulfilled').length).toBe(300)
    expect(log.batches.length).toBe(sent)
    const stored = await readLog(standIn, log.deployment)
    expectChained(stored)
    expect(stored.records.filter(({ kind }) => kind === 'exchange').length).toBe(301)
  })

  test('does not wait for ever for Cosmos DB', async () => {
    // What opens its stream has all the time that it takes.
    let since = Number.POSITIVE_INFINITY
    log = open({ patience: 300, monotonic: () => Math.max(0, performance.now() - since) })
    await write()
    since = performance.now()
    standIn.cosmos.faults.add({ container: 'decisions', action: 'create', reset: true })
    const writing = Promise.allSettled(Array.from({ length: 3 }, write))
    await log.close()
    expect((await writing).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  })
})
