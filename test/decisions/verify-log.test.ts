import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { recordHash } from '../../shared/decisions/record-hash.ts'
import { describeFinding } from '../../shared/decisions/verify-finding.ts'
import { type LogToVerify, verifyLog } from '../../shared/decisions/verify-log.ts'
import { streamCheck } from '../../shared/decisions/verify-stream.ts'
import type { LogVerdict } from '../../shared/decisions/verify-verdict.ts'
import {
  type Document,
  first,
  fourth,
  keyId,
  type SampleLog,
  sampleLog,
  second,
  third,
  twoHours,
} from './sample-log.ts'

async function* each(documents: readonly Document[]) {
  yield* documents
}

type Options = Partial<Omit<LogToVerify, 'index' | 'records' | 'copies'>> & {
  /** What else is read before the records. */
  readonly more?: readonly Document[]
  readonly copies?: readonly Document[]
}

function verify(log: SampleLog, { more = [], copies, ...options }: Options = {}): Promise<LogVerdict> {
  const { registrations, streams, checkpoints, publicKey } = log
  const records = [...streams.values()].flat()
  const openings = records.filter(({ kind }) => kind === 'stream')
  return verifyLog({
    index: each([...checkpoints, ...registrations, ...more, ...openings]),
    ...(copies && { copies: each(copies) }),
    records: each(records),
    findKey: async kid => (kid === keyId ? publicKey : undefined),
    ...options,
  })
}

/** What is found, in short. */
async function found(log: SampleLog, options: Options = {}): Promise<readonly string[]> {
  const { findings, proven } = await verify(log, options)
  expect(proven).toBe(findings.length === 0)
  return findings.map(({ kind, subject, stream, id }) =>
    [kind, subject, stream, id && Number(id)].filter(Boolean).join(' '),
  )
}

const recordsOf = (log: SampleLog, stream: string) => log.streams.get(stream) ?? []
const recordOf = (log: SampleLog, stream: string, number: number) => recordsOf(log, stream)[number - 1] ?? {}

/** Makes the chain of a stream anew from a record on, as somebody would who can write what he likes but not sign. */
function rechain(log: SampleLog, stream: string): void {
  let previous: Document | undefined
  for (const [place, record] of recordsOf(log, stream).entries()) {
    record['id'] = String(place + 1).padStart(12, '0')
    record['previous'] = previous ? recordHash(previous) : null
    previous = record
  }
}

describe('a log that nobody touched', () => {
  test('is proven up to the heads of its last checkpoint, and what came later is said not to be', async () => {
    const verdict = await verify(twoHours())
    expect(verdict).toMatchObject({ proven: true, findings: [], streams: 4, records: 12 + 4 + 9 + 7 })
    expect(verdict.checkpoints).toMatchObject({
      count: 5,
      last: { id: '000000000005', at: '2026-06-01T13:30:30.000Z' },
    })
    expect(verdict.unproven).toEqual([{ stream: fourth, after: '000000000005', records: 2, closed: false }])
  })

  test('may be exported with what Cosmos DB adds to documents', async () => {
    const log = twoHours()
    for (const document of [...log.checkpoints, ...[...log.streams.values()].flat()]) {
      Object.assign(document, { _rid: 'r', _self: 's', _etag: '"e"', _attachments: 'a', _ts: 1 })
    }
    expect(await found(log)).toEqual([])
  })

  test('may have a range that could not be settled, which is told and is no gap', async () => {
    const log = twoHours()
    const next = `2026-06-01T14/${first.split('/')[1]}/0`
    const unresolved = { stream: third, from: '000000000010', to: '000000000012' }
    log.open(next, third, { unresolved })
    log.sign('2026-06-01T14:30:30.000Z')
    const verdict = await verify(log)
    expect(verdict).toMatchObject({ proven: true, unproven: [] })
    expect(verdict.unresolved).toEqual([`stream ${third}, records 000000000010 to 000000000012`])
  })

  test('may have records that a stalled process wrote after the last look: not proven, and not taken for inserted', async () => {
    const log = twoHours()
    log.write(second, 2)
    log.sign('2026-06-01T14:30:30.000Z', [], '2026-06-01T14')
    const verdict = await verify(log)
    expect(verdict.proven).toBe(true)
    expect(verdict.unproven).toContainEqual({ stream: second, after: '000000000004', records: 2, closed: true })
  })

  test('may have an opening that came when its hour was over, which names a range and releases nothing: a doubt', async () => {
    const opened = (more: Document) => {
      const log = twoHours()
      log.open(`2026-06-01T12/${first.split('/')[1]}/7`, first, more)
      log.sign('2026-06-01T14:30:30.000Z', [], '2026-06-01T14')
      return verify(log)
    }
    const unresolved = { stream: first, from: '000000000013', to: '000000000014' }
    const { findings, doubts } = await opened({ unresolved })
    expect({ findings, doubts }).toEqual({ findings: [], doubts: [expect.stringContaining('records of 2 streams')] })
    expect((await opened({})).findings).toMatchObject([{ kind: 'unsigned' }])
  })

  test('proves such late records by the stream that took over, once that is signed', async () => {
    const log = twoHours()
    log.write(second, 2)
    log.open(`2026-06-01T14/${second.split('/')[1]}/0`, second)
    log.sign('2026-06-01T14:30:30.000Z', [`2026-06-01T14/${second.split('/')[1]}/0`], '2026-06-01T14')
    const { unproven, takenOver, doubts } = await verify(log)
    expect(unproven.map(({ stream }) => stream)).toEqual([fourth])
    const by = `2026-06-01T14/${second.split('/')[1]}/0`
    expect(takenOver).toEqual([{ stream: second, after: '000000000004', records: 2, by }])
    expect(doubts).toEqual([expect.stringContaining('of 1 stream')])
    recordsOf(log, second).splice(4)
    expect(await found(log)).toEqual([`cut record ${second} 5`])
  })

  test('and names one that was altered since, or made up anew with all before it, where no checkpoint came to', async () => {
    const log = twoHours()
    log.write(second, 2)
    log.open(`2026-06-01T14/${second.split('/')[1]}/0`, second)
    log.sign('2026-06-01T14:30:30.000Z', [`2026-06-01T14/${second.split('/')[1]}/0`], '2026-06-01T14')
    recordOf(log, second, 6)['decision'] = 'another'
    expect(await found(log)).toEqual([`altered record ${second} 6`])
    recordsOf(log, second).splice(4)
    log.write(second, 2)
    expect(await found(log)).toEqual([`altered record ${second} 6`])
  })

  test('looks up what streams say that take over from a record by its number, however many there are', () => {
    const log = twoHours()
    let looks = 0
    const claims = Array.from({ length: 200 }, () => ({
      hash: recordHash(recordOf(log, first, 3)),
      by: fourth,
      get number() {
        looks += 1
        return 3
      },
    }))
    const check = streamCheck({ stream: first, anchors: [], claims, deployment: 'test' })
    for (const record of recordsOf(log, first)) check.take(record)
    expect(check.end()).toMatchObject({ records: 12, unmet: [] })
    expect(looks).toBeLessThanOrEqual(2 * claims.length)
  })
})

describe('in a stream, below what was signed', () => {
  test.each([1, 2, 6, 7, 8, 11, 12])('record %i that was altered is named', async number => {
    const log = twoHours()
    recordOf(log, first, number)['decision'] = 'another'
    expect(await found(log)).toEqual([`altered record ${first} ${number}`])
  })

  test.each(['at', 'ttl', 'outcome', 'deployment', 'schema', 'previous'])('so is one whose %s was', async member => {
    const log = twoHours()
    recordOf(log, first, 5)[member] = 'x'
    expect(await found(log)).toEqual([`altered record ${first} 5`])
  })

  test.each([1, 2, 7, 11])('record %i that was removed is missing', async number => {
    const log = twoHours()
    recordsOf(log, first).splice(number - 1, 1)
    expect((await found(log))[0]).toBe(`missing record ${first} ${number}`)
  })

  test.each([
    [1, 2],
    [3, 4],
    [3, 9],
    [6, 7],
    [11, 12],
    [1, 12],
  ])('records %i and %i that change places are named as swapped', async (a, b) => {
    const log = twoHours()
    const records = recordsOf(log, first)
    const [one, other] = [recordOf(log, first, a), recordOf(log, first, b)]
    ;[records[a - 1], records[b - 1]] = [other, one]
    expect(await found(log)).toEqual([`swapped record ${first} ${a}`])
  })

  test.each([
    [3, 4],
    [3, 9],
    [2, 7],
  ])('records %i and %i that exchange their ids are too', async (a, b) => {
    const log = twoHours()
    const records = recordsOf(log, first)
    const [one, other] = [recordOf(log, first, a), recordOf(log, first, b)]
    ;[records[a - 1], records[b - 1]] = [
      { ...other, id: one['id'] },
      { ...one, id: other['id'] },
    ]
    expect(await found(log)).toEqual([`swapped record ${first} ${a}`])
  })

  test.each([2, 6, 7, 12])(
    'a record that was put before record %i, with the ids of the others moved on, is named',
    async number => {
      const log = twoHours()
      const records = recordsOf(log, first)
      const { previous } = recordOf(log, first, number)
      records.splice(number - 1, 0, { ...recordOf(log, first, 4), previous, decision: 'another' })
      for (const [place, record] of records.entries()) record['id'] = String(place + 1).padStart(12, '0')
      expect(await found(log)).toEqual([`inserted record ${first} ${number}`])
    },
  )

  test('a second record of an id is named as inserted, and one whose id is no number', async () => {
    const twice = twoHours()
    recordsOf(twice, first).splice(4, 0, { ...recordOf(twice, first, 5), decision: 'another' })
    expect(await found(twice)).toEqual([`inserted record ${first} 5`])
    const odd = twoHours()
    recordsOf(odd, first).splice(4, 0, { ...recordOf(odd, first, 5), id: '000000000004x' })
    expect((await verify(odd)).findings).toMatchObject([{ kind: 'inserted', stream: first, id: '000000000004x' }])
  })

  test.each([1, 5, 11])('a tail that was cut after record %i is told by the first record that is gone', async left => {
    const log = twoHours()
    recordsOf(log, first).splice(left)
    expect(await found(log)).toEqual([`cut record ${first} ${left + 1}`])
  })

  test('one that holds text without a hash is named, whatever the next one says of it', async () => {
    for (const previous of [undefined, 5, { toString: 1 }]) {
      const log = twoHours()
      log.write(third, 2)
      Object.assign(recordOf(log, third, 10), { note: '\ud800' })
      if (previous === undefined) delete recordOf(log, third, 11)['previous']
      else recordOf(log, third, 11)['previous'] = previous
      log.sign('2026-06-01T13:40:30.000Z', [third])
      expect(await found(log)).toEqual([`altered record ${third} 10`])
    }
  })

  test('the last one that names no hash as previous is named', async () => {
    const log = twoHours()
    log.write(fourth, 1)
    for (const previous of [undefined, 5, []]) {
      recordOf(log, fourth, 8)['previous'] = previous
      expect(await found(log)).toEqual([`altered record ${fourth} 8`])
    }
  })

  test('a stream that was removed is named, with and without its registration', async () => {
    const log = twoHours()
    log.streams.delete(second)
    expect(await found(log)).toEqual([`removed stream ${second}`])
    log.registrations.splice(1, 1)
    expect(await found(log)).toEqual([`removed stream ${second}`])
  })

  test('a registration that is gone, or is of another stream, is named', async () => {
    const log = twoHours()
    Object.assign(log.registrations[1] ?? {}, { boot: 'another' })
    expect(await found(log)).toEqual(['inserted registration', `unregistered stream ${second}`])
    log.registrations.splice(1, 1)
    expect(await found(log)).toEqual([`unregistered stream ${second}`])
  })

  test('an altered record whose chain was made anew, up to the end and beyond, is found by what was signed before', async () => {
    const log = twoHours()
    recordOf(log, first, 4)['decision'] = 'another'
    rechain(log, first)
    expect(await found(log)).toEqual([`altered record ${first} 7`])
    // Even one that the next checkpoint signs, since the one before it did too.
    log.write(first, 1)
    log.sign('2026-06-01T13:40:30.000Z', [first])
    expect(await found(log)).toEqual([`misdated stream ${first}`, `altered record ${first} 7`])
  })

  test('one wrong stream does not hide another', async () => {
    const log = twoHours()
    recordOf(log, first, 4)['decision'] = 'another'
    recordsOf(log, third).splice(2, 1)
    expect(await found(log)).toEqual([`altered record ${first} 4`, `missing record ${third} 3`])
  })
})

describe('a record that was made up later', () => {
  test.each([
    ['days before', '2026-05-30T12:20:00.000Z'],
    ['long after', '2026-06-01T13:05:00.000Z'],
    ['no time at all', 'soon'],
  ])('and is of a time %s the hour of its stream is told, though it is signed', async (_, at) => {
    const log = twoHours()
    log.write(third, 1, at.replace('T13', 'T14'))
    log.sign('2026-06-01T14:30:30.000Z')
    expect(await found(log)).toEqual([`misdated record ${third} 10`])
  })

  test('and is of a time after it was signed is told', async () => {
    const log = twoHours()
    log.write(third, 1, '2026-06-01T13:50:00.000Z')
    log.sign('2026-06-01T13:44:30.000Z')
    expect(await found(log)).toEqual([`misdated record ${third} 10`])
  })

  test('is no record whose writer came before the hour began, or whose clock is minutes ahead', async () => {
    const log = twoHours()
    log.write(third, 1, '2026-06-01T12:59:56.000Z')
    log.write(third, 1, '2026-06-01T14:04:00.000Z')
    log.sign('2026-06-01T14:00:30.000Z')
    expect(await found(log)).toEqual([])
  })

  test('in a stream of an earlier hour is told, where its time is looked at', async () => {
    const log = twoHours()
    log.write(first, 1, '2026-06-01T13:20:00.000Z')
    expect(await found(log, { from: Date.parse('2026-06-01T13:00:00.000Z') })).toEqual([`misdated record ${first} 13`])
  })

  test('with a stream of its own is told, once checkpoints have done with its hour', async () => {
    const log = twoHours()
    const forged = '2026-06-01T12/90000000-0000-4000-8000-000000000000/0'
    log.open(forged)
    log.write(forged, 2)
    expect(await found(log)).toEqual([`unsigned stream ${forged}`])
    expect(await found(log, { from: Date.parse('2026-06-01T12:00:00.000Z') })).toEqual([])
    expect(await found(log, { from: Date.parse('2026-06-01T11:00:00.000Z') })).toEqual([`unsigned stream ${forged}`])
  })
})

describe('a stream that was made up', () => {
  const forged = '2026-06-01T12/90000000-0000-4000-8000-000000000000/0'

  function withForged(): SampleLog {
    const log = twoHours()
    log.open(forged)
    log.write(forged, 3)
    return log
  }

  test('for an hour that checkpoints had done with is told, though one of them signs it', async () => {
    const log = withForged()
    log.sign('2026-06-01T13:40:30.000Z', [forged])
    expect(await found(log)).toEqual([`misdated stream ${forged}`])
  })

  test('and so is what was put at the end of one', async () => {
    const log = twoHours()
    log.write(second, 2, '2026-06-01T12:55:00.000Z')
    log.sign('2026-06-01T13:40:30.000Z', [second])
    const { findings, unproven } = await verify(log)
    expect(findings).toMatchObject([{ kind: 'misdated', subject: 'stream', stream: second }])
    expect(findings[0]?.because).toContain('checkpoint 000000000005 had done with its hour')
    expect(unproven).toContainEqual({ stream: second, after: '000000000004', records: 2, closed: true })
  })

  test('is not proven by a document that only looks like the opening of a signed one', async () => {
    const log = twoHours()
    // Of the same process, and of the hour before.
    const forged = `2026-06-01T12/${third.split('/')[1]}/9`
    log.open(forged)
    log.write(forged, 3)
    const last = recordsOf(log, forged).at(-1) ?? {}
    const predecessor = { stream: forged, id: last['id'], hash: recordHash(last) }
    const place = { stream: third, previous: null, deployment: 'test', kind: 'stream', outcome: 'opened' }
    for (const fake of [
      { ...place, id: 'x', predecessor },
      { ...place, id: '000000000001', predecessor },
      { ...place, id: '000000000002', predecessor },
      { ...place, id: '000000000001', kind: 'exchange', predecessor },
    ]) {
      expect(await found(log, { more: [fake] })).toContain(`unsigned stream ${forged}`)
    }
  })

  test.each([
    ['another process', forged, '2026-06-01T13/a0000000-0000-4000-8000-000000000000/0'],
    ['the same process, many hours later', forged, `2026-07-20T10/${forged.split('/')[1]}/0`],
  ])('is not proven by a signed stream of %s', async (_, stream, later) => {
    const log = withForged()
    log.open(later, stream)
    log.sign(`${later.slice(0, 13)}:30:30.000Z`, [later])
    expect(await found(log)).toEqual([`unsigned stream ${stream}`])
  })

  test('is not proven by way of others that were made up, each of which takes over soon', async () => {
    const log = withForged()
    const boot = forged.split('/')[1]
    const hours = ['2026-06-01T16', '2026-06-01T20', '2026-06-02T00', '2026-06-02T04']
    let before = forged
    for (const hour of hours) {
      log.open(`${hour}/${boot}/0`, before)
      before = `${hour}/${boot}/0`
    }
    log.sign('2026-06-02T04:30:30.000Z', [before])
    expect(await found(log)).toEqual([
      `unsigned stream ${forged}`,
      `unsigned stream 2026-06-01T16/${boot}/0`,
      `unsigned stream 2026-06-01T20/${boot}/0`,
    ])
  })

  test('and registered by a document that registers something else is told', async () => {
    const log = withForged()
    const registration = log.registrations.pop() ?? {}
    for (const changes of [{ id: 'x' }, { hour: '2026-06-01T13' }, { lane: '0' }, { note: 'x' }, { boot: 'x' }]) {
      const findings = await found(log, { more: [{ ...registration, ...changes }] })
      expect(findings).toContain('inserted registration')
      expect(findings).toContain(`unregistered stream ${forged}`)
    }
  })
})

describe('one deployment', () => {
  test('is told in the verdict, and a signed record, stream or checkpoint of another is found', async () => {
    expect((await verify(twoHours())).deployment).toBe('test')
    const log = twoHours()
    log.write(third, 1)
    Object.assign(recordOf(log, third, 10), { deployment: 'staging' })
    log.sign('2026-06-01T13:40:30.000Z', [third])
    expect(await found(log)).toEqual([`foreign record ${third} 10`])
    const registered = twoHours()
    Object.assign(registered.registrations[1] ?? {}, { deployment: 'staging' })
    expect(await found(registered)).toEqual([`foreign stream ${second}`])
  })

  test('is the one that was asked for', async () => {
    expect(await found(twoHours(), { deployment: 'test' })).toEqual([])
    expect(await found(twoHours(), { deployment: 'staging' })).toContain('foreign checkpoint 1')
  })
})

describe('copies of checkpoints that were kept elsewhere', () => {
  test('that are those of the log have nothing to be found', async () => {
    const log = twoHours()
    const verdict = await verify(log, { copies: log.checkpoints.toReversed() })
    expect(verdict).toMatchObject({ proven: true, doubts: [], copies: { compared: 5, beyond: 0 } })
  })

  test('tell that the newest ones were cut off and signed anew, after records were altered', async () => {
    const log = twoHours()
    const copies = log.checkpoints.splice(4)
    recordOf(log, fourth, 3)['decision'] = 'another'
    rechain(log, fourth)
    log.sign('2026-06-01T13:40:30.000Z', [fourth])
    expect(await found(log)).toEqual([])
    expect(await found(log, { copies })).toEqual(['contradicted checkpoint 5'])
  })

  test('that go on where the log ends prove as much as they would in it', async () => {
    const log = twoHours()
    const copies = log.checkpoints.slice(2)
    log.checkpoints.splice(3)
    expect(await verify(log, { copies })).toMatchObject({
      proven: true,
      copies: { compared: 1, beyond: 2 },
      checkpoints: { count: 5 },
      unproven: [{ stream: fourth, after: '000000000005' }],
    })
    recordOf(log, fourth, 3)['decision'] = 'another'
    rechain(log, fourth)
    expect(await found(log, { copies })).toEqual([`altered record ${fourth} 5`])
  })

  test('that are later than an export are a doubt: what they signed need not be in it', async () => {
    const log = twoHours()
    const copies = log.checkpoints.splice(3)
    recordsOf(log, fourth).splice(3)
    expect(await found(log, { copies })).toEqual([`cut record ${fourth} 4`])
    const verdict = await verify(log, { copies, isExport: true })
    expect(verdict).toMatchObject({ proven: true, copies: { compared: 0, beyond: 2 } })
    expect(verdict.doubts).toContainEqual(expect.stringContaining('2 later checkpoints'))
  })

  test('that do not follow each other, or contradict each other, are told', async () => {
    const log = twoHours()
    const copies = log.checkpoints.splice(3)
    expect(await found(log, { copies: copies.slice(1) })).toContain('missing checkpoint 4')
    const contradicting = [...copies, { ...copies[1], open: 99 }]
    expect(await found(log, { copies: contradicting })).toEqual(['contradicted checkpoint 5'])
  })

  test('none of which is of the log leave a doubt', async () => {
    const { proven, doubts } = await verify(twoHours(), { copies: [{ heads: [], signature: '' }] })
    expect({ proven, doubts }).toEqual({ proven: true, doubts: [expect.stringContaining('nothing was compared')] })
  })
})

describe('a doubt is', () => {
  test('that the last checkpoint is long before the end of what was asked for, or before the last record', async () => {
    const until = (time: string) => ({ until: Date.parse(time) })
    expect((await verify(twoHours(), until('2026-06-01T13:45:00.000Z'))).doubts).toEqual([])
    const { proven, doubts } = await verify(twoHours(), until('2026-06-01T13:46:00.000Z'))
    expect(proven).toBe(true)
    expect(doubts).toEqual([
      'the last checkpoint is of 2026-06-01T13:30:30.000Z, though one is made each minute until 2026-06-01T13:46:00.000Z',
    ])
    const cut = twoHours()
    cut.checkpoints.splice(3)
    expect((await verify(cut)).doubts).toEqual([expect.stringContaining('until 2026-06-01T13:31:00.000Z')])
  })

  test('that records were put at the end of a stream which checkpoints have done with', async () => {
    const log = twoHours()
    expect((await verify(log)).doubts).toEqual([])
    log.write(second, 2)
    expect((await verify(log)).doubts).toEqual([
      'records of 1 stream were written after the last look at their hours, and no signed stream takes over from them',
    ])
  })

  test('no stream of the hour of the horizon, which an older checkpoint may have named', async () => {
    const log = twoHours()
    log.checkpoints.splice(0, 1)
    const { findings, doubts, unproven } = await verify(log, { from: Date.parse('2026-06-01T12:46:00.000Z') })
    expect({ findings, doubts }).toEqual({ findings: [], doubts: [] })
    expect(unproven).toContainEqual({ stream: second, after: null, records: 4, closed: true })
  })
})

describe('above the last checkpoint', () => {
  test('an altered or a removed last record cannot be found, and is not said to be proven', async () => {
    const altered = twoHours()
    recordOf(altered, fourth, 7)['decision'] = 'another'
    expect((await verify(altered)).unproven).toEqual([
      { stream: fourth, after: '000000000005', records: 2, closed: false },
    ])
    const cut = twoHours()
    recordsOf(cut, fourth).splice(5)
    expect(await verify(cut)).toMatchObject({ proven: true, unproven: [] })
  })

  test('a whole stream that no checkpoint names can go, and one that is there is not proven', async () => {
    const log = twoHours()
    const late = '2026-06-01T13/30000000-0000-4000-8000-000000000000/0'
    log.open(late)
    expect((await verify(log)).unproven).toContainEqual({ stream: late, after: null, records: 1, closed: false })
  })

  test('a break of the chain is found all the same', async () => {
    const log = twoHours()
    recordOf(log, fourth, 6)['decision'] = 'another'
    expect(await found(log)).toEqual([`altered record ${fourth} 6`])
  })
})

describe('of the checkpoints', () => {
  const checkpointOf = (log: SampleLog, number: number) => log.checkpoints[number - 1] ?? {}

  test.each(['at', 'openSince', 'deployment', 'open', 'ttl', 'extra'])(
    'one whose %s was altered is named',
    async member => {
      const log = twoHours()
      checkpointOf(log, 3)[member] = member === 'open' || member === 'ttl' ? 99 : '2026-06-01T00:00:00.000Z'
      const findings = await found(log)
      expect(new Set(findings)).toEqual(new Set(['altered checkpoint 3']))
    },
  )

  test('one whose heads were altered is named, and none of its heads counts', async () => {
    const log = twoHours()
    Object.assign(checkpointOf(log, 5), { heads: [] })
    const verdict = await verify(log)
    expect(verdict.findings).toMatchObject([{ kind: 'altered', subject: 'checkpoint', id: '000000000005' }])
    expect(verdict.unproven).toContainEqual({ stream: fourth, after: null, records: 7, closed: false })
  })

  test.each([1, 2, 4])('checkpoint %i that was removed is missing', async number => {
    const log = twoHours()
    log.checkpoints.splice(number - 1, 1)
    expect(await found(log)).toEqual([`missing checkpoint ${number}`])
  })

  test('two that changed places are found', async () => {
    const log = twoHours()
    log.checkpoints.splice(1, 2, checkpointOf(log, 3), checkpointOf(log, 2))
    expect((await found(log))[0]).toBe('missing checkpoint 2')
  })

  test('one that was put in, or signed by another key, is named', async () => {
    const log = twoHours()
    log.checkpoints.splice(3, 0, { ...checkpointOf(log, 3) })
    expect((await found(log))[0]).toBe('inserted checkpoint 3')
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    const unproven = await found(twoHours(), { findKey: async () => other })
    expect(unproven).toContain('altered checkpoint 1')
    expect(unproven).toContain('missing checkpoint')
  })

  test('one that was signed anew, with other heads, is found by the one after it', async () => {
    const log = twoHours()
    const [, ...later] = log.checkpoints.splice(2)
    log.sign('2026-06-01T12:46:30.000Z', [second])
    log.checkpoints.push(...later)
    expect(await found(log)).toEqual(['altered checkpoint 3'])
  })

  test('a key that is not trusted proves nothing, whatever it signed', async () => {
    const { findings, proven } = await verify(twoHours(), { findKey: async () => undefined })
    expect(proven).toBe(false)
    expect(findings[0]?.because).toContain(`signed by ${keyId}`)
  })

  test('the last ones can go unnoticed, and then less is proven: the time is told', async () => {
    const log = twoHours()
    log.checkpoints.splice(3)
    const verdict = await verify(log)
    expect(verdict).toMatchObject({ proven: true, checkpoints: { last: { at: '2026-06-01T12:46:30.000Z' } } })
    expect(verdict.unproven.map(({ stream, after }) => [stream, after])).toEqual([
      [third, null],
      [fourth, null],
    ])
  })

  test('there must be one at all', async () => {
    const log = twoHours()
    log.checkpoints.splice(0)
    expect(await found(log)).toEqual(['missing checkpoint'])
    expect(await found(sampleLog())).toEqual(['missing checkpoint'])
  })
})

describe('from a horizon on', () => {
  const from = Date.parse('2026-06-01T12:30:00.000Z')

  /** Retention takes record by record. */
  function expire(log: SampleLog, before: string): void {
    for (const [stream, records] of log.streams) {
      log.streams.set(
        stream,
        records.filter(({ at }) => String(at) >= before),
      )
    }
  }

  test('a stream whose beginning has expired is proven from the first record that is left, if that is older', async () => {
    const log = twoHours()
    recordsOf(log, first).splice(0, 4)
    recordsOf(log, second).splice(0)
    log.checkpoints.splice(0, 1)
    expect(await found(log, { from: Date.parse('2026-06-01T12:50:00.000Z') })).toEqual([])
    expect(await found(log, { from })).toContain('missing checkpoint 1')
    expect(await found(log)).toContain(`missing record ${first} 1`)
  })

  test('a whole stream of its hour is missed where it grew between two later checkpoints', async () => {
    const log = sampleLog()
    log.open(first)
    log.write(first, 3, '2026-06-01T12:10:00.000Z')
    log.sign('2026-06-01T12:11:00.000Z')
    for (const minute of [20, 40]) {
      log.write(first, 3, `2026-06-01T12:${minute}:00.000Z`)
      log.sign(`2026-06-01T12:${minute + 1}:00.000Z`)
    }
    log.streams.delete(first)
    expect(await found(log, { from: Date.parse('2026-06-01T12:15:00.000Z') })).toEqual([`removed stream ${first}`])
    expect(await found(log, { from: Date.parse('2026-06-01T12:30:00.000Z') })).toEqual([])
  })

  test('a first record that is younger than the horizon is no beginning: somebody removed what was before it', async () => {
    const log = twoHours()
    recordsOf(log, first).splice(0, 8)
    expect(await found(log, { from })).toEqual([`missing record ${first} 1`])
  })

  test.each<[unknown]>([[{ toString: 1 }], [{ valueOf: 1 }], [[]], [5]])(
    'a first record of the time %j is no older one',
    async at => {
      const log = twoHours()
      recordsOf(log, first).splice(0, 4)
      recordOf(log, first, 1)['at'] = at
      expect(await found(log, { from })).toEqual([`missing record ${first} 1`])
    },
  )

  test('what is left is chained and signed as ever', async () => {
    const log = twoHours()
    recordsOf(log, first).splice(0, 4)
    recordOf(log, first, 2)['decision'] = 'another'
    expect(await found(log, { from })).toEqual([`altered record ${first} 6`])
  })

  test('streams of earlier hours are not looked at, nor missed', async () => {
    const log = twoHours()
    expire(log, '2026-06-01T13')
    log.registrations.splice(0, 2)
    log.checkpoints.splice(0, 2)
    expect(await found(log, { from: Date.parse('2026-06-01T13:00:00.000Z') })).toEqual([])
  })

  test('streams of later hours than asked for are not missed either', async () => {
    const log = twoHours()
    log.streams.delete(third)
    log.streams.delete(fourth)
    expect(await found(log, { to: Date.parse('2026-06-01T13:00:00.000Z') })).toEqual([])
    expect(await found(log)).toContain(`removed stream ${third}`)
  })
})

describe('any log', () => {
  /** Objects that are no text when they are asked for it, among all that JSON can hold. */
  const hostile = fc.oneof(
    fc.jsonValue(),
    fc
      .constantFrom(
        ...['{"toString":1}', '{"valueOf":1,"toString":null}', '{"__proto__":{"toString":2}}', '{"toJSON":1}'],
        ...['["\\ud800"]', '{"\\ud800":1}', '1e400', '-0', '"\\u0000"'],
      )
      .map(text => JSON.parse(text)),
  )

  /** A place in a document, at most as deep as a head's members. */
  function placesIn(value: unknown): readonly (readonly [Document, string])[] {
    if (typeof value !== 'object' || value === null) return []
    const members = Object.keys(value).map(name => [value as Document, name] as const)
    return [...members, ...Object.values(value).flatMap(placesIn)]
  }

  test('is judged, whatever JSON stands in any place of any document', async () => {
    const where = fc.array(fc.tuple(fc.nat(), hostile), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(where, fc.boolean(), async (changes, isAtHorizon) => {
        const log = twoHours()
        const documents = [...log.registrations, ...log.checkpoints, ...[...log.streams.values()].flat()]
        const places = documents.flatMap(placesIn)
        for (const [place, value] of changes) {
          const [document, name] = places[place % places.length] ?? [{}, '']
          Object.defineProperty(document, name, { value, enumerable: true, configurable: true, writable: true })
        }
        const from = isAtHorizon ? { from: Date.parse('2026-06-01T12:25:00.000Z') } : {}
        const { findings, doubts, unresolved } = await verify(log, { ...from, copies: log.checkpoints })
        for (const each of findings) expect(describeFinding(each).length).toBeLessThan(2_000)
        expect([...doubts, ...unresolved].every(each => typeof each === 'string')).toBe(true)
      }),
      { numRuns: 500, seed: 607 },
    )
  })

  interface Plan {
    readonly sizes: readonly number[]
    readonly rounds: number
  }

  /** Every record is below the last checkpoint. */
  function build({ sizes, rounds }: Plan): SampleLog {
    const log = sampleLog()
    const streams = sizes.map((_, index) => `2026-06-01T12/${index}0000000-0000-4000-8000-000000000000/0`)
    for (const [index, stream] of streams.entries()) log.open(stream, streams[index - 1])
    for (let round = 0; round < rounds; round++) {
      for (const [index, stream] of streams.entries()) log.write(stream, sizes[index] ?? 0)
      log.sign(`2026-06-01T12:${30 + round}:00.000Z`)
    }
    return log
  }

  const plans = fc.record({
    sizes: fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }),
    rounds: fc.integer({ min: 1, max: 4 }),
  })
  const mutations = fc.constantFrom(
    'alter',
    'remove',
    'swap',
    'exchange',
    'insert',
    'remove stream',
    'cut',
    'unsign',
    'drop checkpoint',
  )

  /** False where it changes nothing. */
  function mutate(log: SampleLog, how: string, [a, b, c]: readonly [number, number, number]): boolean {
    const names = [...log.streams.keys()]
    const stream = names[a % names.length] ?? ''
    const records = recordsOf(log, stream)
    const [i, j] = [b % records.length, c % records.length]
    const [one, other] = [records[i] ?? {}, records[j] ?? {}]
    switch (how) {
      case 'alter': {
        const member = Object.keys(one)[c % Object.keys(one).length] ?? 'at'
        // A record that says to be of another stream is there in that one.
        one[member] = member === 'stream' ? `${stream.slice(0, -1)}9` : [one[member]]
        return true
      }
      case 'remove':
        records.splice(i, 1)
        return true
      case 'swap':
        ;[records[i], records[j]] = [other, one]
        return i !== j
      case 'exchange':
        ;[records[i], records[j]] = [
          { ...other, id: one['id'] },
          { ...one, id: other['id'] },
        ]
        return i !== j
      case 'insert': {
        records.splice(i, 0, { ...other, previous: one['previous'], inserted: true })
        for (const [place, record] of records.entries()) record['id'] = String(place + 1).padStart(12, '0')
        return true
      }
      case 'remove stream':
        log.streams.delete(stream)
        return true
      case 'cut':
        records.splice(i)
        return true
      case 'unsign': {
        const checkpoint = log.checkpoints[b % log.checkpoints.length] ?? {}
        const member = Object.keys(checkpoint)[c % Object.keys(checkpoint).length] ?? 'at'
        checkpoint[member] = [checkpoint[member]]
        return true
      }
      default:
        // The last checkpoint may go: then less is proven.
        log.checkpoints.splice(b % log.checkpoints.length, 1)
        return b % (log.checkpoints.length + 1) !== log.checkpoints.length
    }
  }

  test('is proven as it is, and not after any single change below the last checkpoint', async () => {
    const where = fc.tuple(fc.nat(1_000), fc.nat(1_000), fc.nat(1_000))
    await fc.assert(
      fc.asyncProperty(plans, mutations, where, async (plan, how, at) => {
        const log = build(plan)
        expect(await verify(log)).toMatchObject({ findings: [], unproven: [] })
        if (mutate(log, how, at)) expect((await verify(log)).proven).toBe(false)
      }),
      { numRuns: 500, seed: 606 },
    )
  })
})
