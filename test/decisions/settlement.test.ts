import type { ItemDefinition, RequestOptions } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../infra/local/cosmos/server.ts'
import type { RecordPosition } from '../../shared/decisions/record.ts'
import type { ClosedStream } from '../../shared/decisions/stream-writer.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { entryOf } from './entry.ts'
import { type LogUnderTest, logContainers, openLog } from './open-log.ts'
import { expectChained, expectTrueAnswers, readLog } from './stored-log.ts'

let standIn: StandIn
let log: LogUnderTest
let closed: ClosedStream[]
let answers: Map<string, RecordPosition | undefined>

beforeAll(async () => {
  standIn = await startStandIn({ containers: logContainers })
})
afterAll(() => standIn?.stop())

beforeEach(() => {
  closed = []
  answers = new Map()
  // Short, so that what cannot be settled is given up soon.
  log = openLog(standIn, { patience: 600, onClosed: each => closed.push(each) })
})
afterEach(async () => {
  standIn.cosmos.faults.clear()
  await log.close()
})

/** Where the entry was put, or the reason why it was not. */
async function write(overrides: Parameters<typeof entryOf>[0] = {}): Promise<RecordPosition | string> {
  const decision = `decision-${answers.size}`
  answers.set(decision, undefined)
  try {
    const position = await log.write(entryOf({ decision, ...overrides }))
    answers.set(decision, position)
    return position
  } catch (error) {
    return Object(error).reason
  }
}

const fail = (fault: Fault) => standIn.cosmos.faults.add({ container: 'decisions', action: 'create', ...fault })

/** When all is well again and the log has ended, what it told its writers is so, and every stream is whole. */
async function expectTold(): Promise<void> {
  standIn.cosmos.faults.clear()
  await log.close()
  const stored = await readLog(standIn, log.deployment)
  expectChained(stored)
  expectTrueAnswers(stored, answers)
}

describe('what does not tell whether the batch was written', () => {
  const before = { times: 1, when: 'before' } as const
  const after = { times: 1, when: 'after-commit' } as const

  test.each([
    ['a connection that ends before', { ...before, reset: true }],
    ['a connection that ends after', { ...after, reset: true }],
    ['a 503 before', { ...before, status: 503 }],
    ['a 503 after', { ...after, status: 503 }],
    ['a 408 after', { ...after, status: 408 }],
    ['a 449 before', { ...before, status: 449 }],
    ['a 500 after', { ...after, status: 500 }],
    ['a 410 before', { ...before, status: 410 }],
    ['an answer that comes late, also before', { ...before, delayMs: 400 }],
    ['an answer that comes late, after', { ...after, delayMs: 400 }],
  ])('%s the commit: sent again, and there once', async (_, fault) => {
    await write()
    fail(fault)
    expect(await write()).toMatchObject({ id: '000000000003' })
    expect(await Promise.all([write(), write()])).toMatchObject([{ id: '000000000004' }, { id: '000000000005' }])
    expect(closed).toEqual([])
    await expectTold()
  })

  test('for as long as may be: 503, the stream is closed, and the next one names what was left open', async () => {
    const first = await write()
    const remove = fail({ when: 'after-commit', status: 503 })
    standIn.cosmos.faults.add({ container: 'decisions', action: 'read', status: 503 })
    expect(await write()).toBe('record_unavailable')
    remove()
    standIn.cosmos.faults.clear()
    const next = await write()
    await expectTold()
    const { stream, id } = Object(first)
    const range = { stream, from: '000000000003', to: '000000000003' }
    expect(closed).toMatchObject([{ ...range, because: 'unsettled', detail: { code: '503' } }])
    expect(Object(next).stream).not.toBe(stream)
    const openings = (await readLog(standIn, log.deployment)).records.filter(({ unresolved }) => unresolved)
    expect(openings).toMatchObject([{ predecessor: { stream, id }, unresolved: range }])
    const alarms = log.printed.map(line => JSON.parse(line)).filter(({ level }) => level === 'error')
    expect(alarms).toMatchObject([{ during: 'record', because: 'unsettled', ...range }])
  })

  test('is not made certain by a refusal of the same bytes afterwards', async () => {
    await write()
    fail({ times: 1, when: 'before', delayMs: 700 })
    fail({ status: 403 })
    expect(await write()).toBe('record_unavailable')
    expect(closed).toMatchObject([{ from: '000000000003', to: '000000000003', because: 'unsettled' }])
    await expectTold()
  })

  test('of a registration leaves no record in doubt: the stream is opened with the next batch', async () => {
    const remove = standIn.cosmos.faults.add({
      container: 'streams',
      action: 'create',
      when: 'after-commit',
      reset: true,
    })
    expect(await write()).toMatchObject({ id: '000000000002' })
    remove()
    expect(closed).toEqual([])
    await expectTold()
    expect((await readLog(standIn, log.deployment)).registrations.length).toBe(1)
  })
})

describe('what tells that nothing was written', () => {
  test.each([400, 401, 403, 404])('a %i: 503 to its writers, and the stream goes on without a gap', async status => {
    await write()
    fail({ status })
    expect(await Promise.all([write(), write()])).toEqual(['record_unavailable', 'record_unavailable'])
    standIn.cosmos.faults.clear()
    expect(await write()).toMatchObject({ id: '000000000003' })
    expect(closed).toEqual([])
    await expectTold()
  })

  test('a 429: tried again when Cosmos DB says so', async () => {
    fail({ times: 2, status: 429, retryAfterMs: 20 })
    expect(await write()).toMatchObject({ id: '000000000002' })
    await expectTold()
  })

  test('a 429 that asks for more patience than there is: 503, and the stream goes on', async () => {
    await write()
    fail({ times: 1, status: 429, retryAfterMs: 60_000 })
    expect(await write()).toBe('record_unavailable')
    expect(await write()).toMatchObject({ id: '000000000003' })
    expect(closed).toEqual([])
    await expectTold()
  })

  test('a registration that is refused: 503, and the same stream is opened later', async () => {
    standIn.cosmos.faults.add({ container: 'streams', times: 1, status: 403 })
    expect(await write()).toBe('record_unavailable')
    expect(await write()).toMatchObject({ id: '000000000002' })
    await expectTold()
    expect((await readLog(standIn, log.deployment)).registrations.length).toBe(1)
  })
})

describe("somebody else's registration of the stream's name", () => {
  test('closes the stream with an alarm before it has a record, and the next batch has a stream of its own', async () => {
    const { items } = standIn.database().container('streams')
    const send = log.streams.items.create.bind(log.streams.items)
    let taken = ''
    log.streams.items.create = async <T extends ItemDefinition>(body: T, options?: RequestOptions) => {
      if (taken === '') await items.create({ ...body, openedAt: '2020-01-01T00:00:00.000Z' })
      taken ||= String(Object(body).stream)
      return send<T>(body, options)
    }
    expect(await write()).toBe('record_unavailable')
    expect(closed).toMatchObject([{ stream: taken, because: 'conflict' }])
    const next = await write()
    expect(next).toMatchObject({ id: '000000000002' })
    expect(Object(next).stream).not.toBe(taken)
  })
})

describe("somebody else's record under the next id", () => {
  test('closes the stream with an alarm, and is not taken for ours', async () => {
    const first = await write()
    const { stream } = Object(first)
    const foreign = { id: '000000000003', stream, kind: 'exchange', outcome: 'allowed', previous: null, at: '' }
    await standIn.database().container('decisions').items.create(foreign)
    expect(await write()).toBe('record_unavailable')
    expect(closed).toMatchObject([{ stream, from: '000000000003', to: '000000000003', because: 'conflict' }])
    const next = await write()
    expect(next).toMatchObject({ id: '000000000002' })
    expect(Object(next).stream).not.toBe(stream)
  })
})

describe('one record that Cosmos DB does not take', () => {
  test.each([
    [413, 'record_too_large'],
    [400, 'record_unavailable'],
  ])('by %i, fails alone: the others of its batch are written', async (status, reason) => {
    await write()
    const { items } = log.decisions
    const send = items.batch.bind(items)
    items.batch = async (operations, ...others) => {
      if (JSON.stringify(operations).includes('unacceptable')) {
        throw new Error('Batch request error', { cause: Object.assign(new Error('refused'), { code: status }) })
      }
      return send(operations, ...others)
    }
    const held = write()
    const told = await Promise.all([
      ...Array.from({ length: 20 }, () => write()),
      write({ asked: { target: 'unacceptable', scopes: [] } }),
      ...Array.from({ length: 20 }, () => write()),
    ])
    await held
    expect(told.filter(each => typeof each === 'string')).toEqual([reason])
    expect(told[20]).toBe(reason)
    await expectTold()
  })
})
