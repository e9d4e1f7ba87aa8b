import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCosmosLog } from '../../infra/cli/cosmos-log.ts'
import { containers } from '../../infra/local/containers.ts'
import { recordHash } from '../../shared/decisions/record-hash.ts'
import { verifyLog } from '../../shared/decisions/verify-log.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { type Document, fourth, type SampleLog, third, twoHours } from '../decisions/sample-log.ts'

let standIn: StandIn
let log: SampleLog

beforeEach(async () => {
  const ofLog = containers.filter(({ id }) => ['decisions', 'streams', 'checkpoints'].includes(id))
  standIn = await startStandIn({ containers: ofLog })
  log = twoHours()
  for (const [container, documents] of [
    ['streams', log.registrations],
    ['checkpoints', log.checkpoints],
    ['decisions', [...log.streams.values()].flat()],
  ] as const) {
    for (const document of documents) await put(container, document)
  }
})
afterEach(() => standIn?.stop())

async function put(container: string, document: Document): Promise<void> {
  await standIn.database().container(container).items.create(document)
}

/** What is found between these times, in short. */
async function found(): Promise<readonly string[]> {
  const [from, to] = ['2026-06-01T11:00:00.000Z', '2026-06-01T14:00:00.000Z'].map(Date.parse)
  if (from === undefined || to === undefined) throw new Error('two times are two')
  const credential = {
    getToken: async () => ({ token: 'token-of-auditor', expiresOnTimestamp: Date.now() + 3_600_000 }),
  }
  const opened = openCosmosLog({ endpoint: standIn.cosmos.url, database: 'causeway', credential, from, to })
  try {
    const { findings } = await verifyLog({ ...opened, findKey: async () => log.publicKey, from, to })
    return findings.map(({ kind, stream, id }) => [kind, stream, id].filter(Boolean).join(' '))
  } finally {
    opened.close()
  }
}

test('a log that nobody touched has nothing to be found', async () => {
  expect(await found()).toEqual([])
})

test.each(['\uffff', 'zzz', '999999999999', '00000000000x', '000000000002!', '!', ':'])(
  'a record with the id %j is told, and the reading comes to its end',
  async id => {
    const [, record = {}] = log.streams.get(third) ?? []
    await put('decisions', { ...record, id })
    expect(await found()).toEqual([`inserted ${third} ${id}`])
  },
)

test('a stream that nothing names is read, and told for not being registered', async () => {
  const forged = '2026-06-01T13/90000000-0000-4000-8000-000000000000/0'
  for (const record of log.streams.get(fourth) ?? []) await put('decisions', { ...record, stream: forged })
  expect((await found()).toString()).toContain(forged)
})

test('so is one whose records say to be of a time that its name does not', async () => {
  const forged = '2020-06-01T13/90000000-0000-4000-8000-000000000000/0'
  for (const record of log.streams.get(fourth) ?? []) await put('decisions', { ...record, stream: forged })
  expect((await found()).toString()).toContain(`misdated ${forged}`)
})

describe('what stands in another container than its own is told, and not believed', () => {
  const forged = '2026-06-01T12/90000000-0000-4000-8000-000000000000/0'

  test('the opening of a signed stream among registrations, by which a stream that was made up would be proven', async () => {
    log.open(forged)
    log.write(forged, 3)
    await put('streams', log.registrations.at(-1) ?? {})
    for (const record of log.streams.get(forged) ?? []) await put('decisions', record)
    const last = log.streams.get(forged)?.at(-1) ?? {}
    const predecessor = { stream: forged, id: last['id'], hash: recordHash(last) }
    const place = { hour: '2026-06-01T13', stream: third, kind: 'stream', previous: null }
    await put('streams', { ...place, id: '000000000001', predecessor })
    expect(await found()).toEqual(['inserted 000000000001', `unsigned ${forged}`])
  })

  test('a checkpoint among registrations or as the first record of a stream, and a record among checkpoints', async () => {
    const [checkpoint = {}] = log.checkpoints
    await put('streams', { ...checkpoint, id: 'a', hour: '2026-06-01T13', stream: third })
    await put('checkpoints', { id: '000000000006', day: '2026-06-01', stream: third, previous: null })
    await put('decisions', { ...checkpoint, stream: forged })
    const told = await found()
    expect(told).toContain('inserted a')
    expect(told).toContain('inserted 000000000006')
    expect(told.toString()).toContain(forged)
    expect(told.some(each => each.startsWith('altered 0000'))).toBe(false)
  })
})

test.each<[unknown]>([[{ toString: 1 }], [{ valueOf: 1 }], [null], [5]])(
  'a record of the time %j is told like any other',
  async at => {
    await put('decisions', { schema: 1, stream: third, id: '000000000010', at, previous: 'x', kind: 'exchange' })
    expect(await found()).toEqual([`altered ${third} 000000000010`])
  },
)
