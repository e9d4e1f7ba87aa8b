import { beforeEach, describe, expect, test } from 'vitest'
import type { CountEntry, DecisionEntry } from '../../shared/decisions/record.ts'
import { type RefusalCounts, refusalCounts } from '../../shared/decisions/refusal-counts.ts'
import { ExchangeError, type Reason, unavailable } from '../../shared/errors.ts'
import { noon } from '../rules/facts.ts'

let now: number
let written: CountEntry[]
let down: boolean
let counts: RefusalCounts

beforeEach(() => {
  now = noon
  written = []
  down = false
  counts = refusalCounts(
    {
      async write(entry: DecisionEntry) {
        if (entry.kind !== 'count') throw new TypeError('expected a count')
        if (down) throw unavailable('record_unavailable')
        written.push(entry)
        return { stream: 'hour/boot/0', id: String(written.length) }
      },
    },
    () => now,
  )
})

function refused(decision: string, reason: Reason = 'token_expired', issuer?: string): void {
  const detail = { ...(issuer !== undefined && { issuer }), unverifiedSubject: 'system:serviceaccount:a:b' }
  counts.count(decision, new ExchangeError('invalid_request', reason, { description: 'expected another', detail }))
}

const summary = () => written.map(({ issuer, reason, count }) => `${issuer} ${reason} ${count}`)

test('refusals are counted by issuer and reason, and written once an interval', async () => {
  for (const decision of ['d1', 'd2', 'd3']) refused(decision, 'token_expired', 'aks')
  refused('d4', 'token_signature', 'aks')
  refused('d5', 'token_expired', 'arc')
  refused('d6', 'issuer_unknown')
  expect(written).toEqual([])
  await counts.flush()
  expect(summary()).toEqual([
    'aks token_expired 3',
    'aks token_signature 1',
    'arc token_expired 1',
    'unknown issuer_unknown 1',
  ])
  await counts.flush()
  expect(written.length).toBe(4)
})

test('a count tells since when, and by samples whose id it was and what was expected', async () => {
  refused('d1', 'token_expired', 'aks')
  now += 30_000
  refused('d2', 'token_expired', 'aks')
  await counts.flush()
  const sample = {
    code: 'invalid_request',
    expected: 'expected another',
    detail: { unverifiedSubject: 'system:serviceaccount:a:b' },
  }
  expect(written).toEqual([
    {
      kind: 'count',
      decision: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      outcome: 'refused',
      issuer: 'aks',
      reason: 'token_expired',
      since: new Date(noon).toISOString(),
      count: 2,
      samples: [
        { decision: 'd1', ...sample },
        { decision: 'd2', ...sample },
      ],
    },
  ])
})

test('five samples are kept of however many', async () => {
  for (let index = 0; index < 1_000; index++) refused(`d${index}`)
  await counts.flush()
  expect(written).toMatchObject([{ count: 1_000 }])
  expect(written[0]?.samples.map(({ decision }) => decision)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4'])
})

test('a foreign error is told by its code, and never by its text', async () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7'), { code: 'ECONNREFUSED' })
  counts.count('d1', unavailable('issuer_keys_unavailable', { cause }))
  await counts.flush()
  expect(written[0]?.samples[0]?.detail).toEqual({ error: 'Error', code: 'ECONNREFUSED' })
  expect(JSON.stringify(written)).not.toContain('10.0.0.7')
})

describe('while the log is down', () => {
  test('counts are kept, and written together with what came meanwhile', async () => {
    refused('d1')
    down = true
    await counts.flush()
    now += 60_000
    refused('d2')
    refused('d3', 'token_signature')
    await counts.flush()
    down = false
    await counts.flush()
    expect(summary().toSorted()).toEqual(['unknown token_expired 2', 'unknown token_signature 1'])
    const [expired] = written.filter(({ reason }) => reason === 'token_expired')
    expect(expired?.since).toBe(new Date(noon).toISOString())
    await counts.flush()
    expect(written.length).toBe(2)
  })

  test('no id is lost that there is room for', async () => {
    refused('d1')
    down = true
    const flushing = counts.flush()
    refused('d2')
    await flushing
    down = false
    await counts.flush()
    expect(written).toMatchObject([{ count: 2, samples: [{ decision: 'd1' }, { decision: 'd2' }] }])
  })

  test('five samples stay five', async () => {
    for (let index = 0; index < 4; index++) refused(`d${index}`)
    down = true
    const flushing = counts.flush()
    for (let index = 4; index < 8; index++) refused(`d${index}`)
    await flushing
    down = false
    await counts.flush()
    expect(written[0]).toMatchObject({ count: 8 })
    expect(written[0]?.samples.map(({ decision }) => decision)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4'])
  })
})

test('five samples of the longest and worst text still fit a record', async () => {
  const worst = '\u0001'.repeat(256)
  const detail = { issuer: 'aks', unverifiedSubject: worst, unverifiedAudience: worst, unverifiedIssuer: worst }
  for (let index = 0; index < 5; index++) {
    const description = 'd'.repeat(300)
    counts.count(`d${index}`, new ExchangeError('invalid_request', 'token_audience', { description, detail }))
  }
  await counts.flush()
  expect(Buffer.byteLength(JSON.stringify(written[0]))).toBeLessThan(31 * 1024)
})

test('kinds are bounded: a flood of issuers that nobody registered makes neither memory nor writes grow', async () => {
  for (let index = 0; index < 6_000; index++) refused(`d${index}`, 'token_expired', `issuer-${index}`)
  refused('again', 'token_expired', 'issuer-0')
  await counts.flush()
  // The others are one kind together: nothing goes uncounted.
  expect(written.length).toBe(5_001)
  expect(written.at(-1)).toMatchObject({ issuer: 'unknown', count: 1_000 })
  expect(written[0]).toMatchObject({ issuer: 'issuer-0', count: 2 })
})

test('one kind cannot be taken for another by what is in its name', async () => {
  refused('d1', 'token_expired', 'a')
  refused('d2', 'token_expired', 'a ')
  await counts.flush()
  expect(written.length).toBe(2)
})

test('a bug in one of its callers never throws here', () => {
  counts.count('d1', new ExchangeError('server_error', 'internal', { cause: 'no error at all' }))
})

test('the last flush waits for one under way, and writes what that one could not', async () => {
  const kept: string[] = []
  let failures = 1
  const closing = refusalCounts(
    {
      async write(entry) {
        await new Promise(setImmediate)
        if (failures-- > 0) throw unavailable('record_unavailable')
        kept.push(entry.kind)
        return { stream: 'hour/boot/0', id: '1' }
      },
    },
    () => now,
  )
  closing.count('d1', new ExchangeError('invalid_request', 'token_expired'))
  const failing = closing.flush()
  await closing.flush()
  await failing
  expect(kept).toEqual(['count'])
})
