import type { Container } from '@azure/cosmos'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DecisionEntry, ExchangeEntry } from '../../shared/decisions/record.ts'
import { decide } from '../../shared/rules/decide.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { allow, deny, factsOf, rulesetOf } from '../rules/facts.ts'
import { entryOf, traceOf } from './entry.ts'
import { anyWorkload, largestPosture, largestWorkload } from './largest-workload.ts'
import { type LogUnderTest, logContainers, openLog } from './open-log.ts'

let standIn: StandIn
let container: Container
let now: number
let log: LogUnderTest

beforeAll(async () => {
  standIn = await startStandIn({ containers: logContainers })
  container = standIn.database().container('decisions')
})
afterAll(() => standIn?.stop())

beforeEach(() => {
  now = Date.parse('2026-06-01T12:59:59.999Z')
  log = openLog(standIn, { now: () => now, deployment: 'test' })
})
afterEach(() => log.close())

/** The records of writers that were printed: not those that open a stream, and no alarm. */
const printed = () => log.printed.filter(line => ![undefined, 'stream'].includes(JSON.parse(line).kind))

test('a record is durable when its position is told, and printed as it is stored', async () => {
  const { stream, id } = await log.write(entryOf())
  const { resource } = await container.item(id, stream).read()
  expect(resource).toMatchObject({
    schema: 1,
    stream,
    id,
    at: '2026-06-01T12:59:59.999Z',
    deployment: 'test',
    ...entryOf(),
  })
  const { _rid, _self, _etag, _ts, _attachments, ...content } = resource
  expect(printed().map(line => JSON.parse(line))).toEqual([content])
})

describe('a stream', () => {
  const write = () => log.write(entryOf())

  test('is an hour of one process, and its records are numbered from two without a gap: the first opens it', async () => {
    const positions = await Promise.all([write(), write(), write()])
    expect(new Set(positions.map(({ stream }) => stream)).size).toBe(1)
    expect(positions[0]?.stream).toMatch(/^2026-06-01T12\/[0-9a-f-]{36}\/0$/)
    expect(positions.map(({ id }) => id)).toEqual(['000000000002', '000000000003', '000000000004'])
  })

  test('ends with its hour', async () => {
    const before = await write()
    now += 1
    const after = await write()
    expect(after.stream.slice(0, 13)).toBe('2026-06-01T13')
    expect([before.id, after.id]).toEqual(['000000000002', '000000000002'])
  })

  test('never goes back to an hour that is over, whatever the wall clock does', async () => {
    now += 1
    const before = await write()
    now -= 3_600_000
    expect(await write()).toEqual({ stream: before.stream, id: '000000000003' })
  })

  test('belongs to one process: another has its own', async () => {
    const [mine, other] = [await write(), await openLog(standIn, { now: () => now }).write(entryOf())]
    expect(mine.id).toBe(other.id)
    expect(mine.stream).not.toBe(other.stream)
  })
})

describe('what is refused', () => {
  test.each([
    ['ASCII', 'x'.repeat(33_000)],
    ['characters of three bytes', '€'.repeat(11_000)],
  ])('a record over 32 KiB of %s: neither stored nor printed', async (_, text) => {
    const entry = entryOf({ asked: { target: text, scopes: [] } })
    await expect(log.write(entry)).rejects.toMatchObject({ code: 'server_error', reason: 'record_too_large' })
    expect(printed()).toEqual([])
    const { id } = await log.write(entryOf())
    expect(id).toBe('000000000002')
  })

  test('not a record of a thousand rules that were about others: its trace is cut first', async () => {
    const trace = Array.from({ length: 1_000 }, (_, index) => traceOf(`rule-${index}`, false))
    await expect(log.write(entryOf({ trace }))).resolves.toMatchObject({ id: '000000000002' })
  })

  test.each([
    ['allow, the last selector of each fits', 'allow'],
    ['deny', 'deny'],
  ] as const)('not a record of 200 rules of 64 selectors that all %s', async (_, effect) => {
    const miss = { issuer: { labels: { environment: 'p'.repeat(100) } }, subject: 's'.repeat(253) }
    const workloads = [...Array.from({ length: 63 }, () => miss), { issuer: '*' }]
    const named = (index: number) => `${'r'.repeat(59)}-${index}`
    const make = effect === 'allow' ? allow : deny
    const rules = rulesetOf(...Array.from({ length: 200 }, (_, index) => make(named(index), { workloads })))
    const facts = factsOf()
    const decision = decide(rules, facts)
    expect(decision.trace.filter(({ selected }) => selected).length).toBe(200)
    const { workload, ...others } = facts
    const entry = entryOf({ workload, facts: others, rules: decision.rules, trace: decision.trace })
    await expect(log.write(entry)).resolves.toMatchObject({ id: '000000000002' })
    const [line = ''] = printed()
    expect(Buffer.byteLength(line)).toBeLessThan(32 * 1024)
    const { trace, traceOmitted } = JSON.parse(line)
    expect(trace[0]).toMatchObject({ rule: decision.rules[0]?.id, selected: true, matched: true })
    expect(trace.length + traceOmitted).toBe(200)
  })

  describe('of what others sign is so much that no trace would fit', () => {
    const scopes = Array.from({ length: 32 }, (_, index) => `${'s'.repeat(62)}${10 + index}`)
    const { workload, ...facts } = factsOf({ workload: largestWorkload, scopes, posture: largestPosture })
    const asked = { target: '\u0001'.repeat(512), scopes: scopes.slice(0, 15) }
    const trace = Array.from({ length: 40 }, (_, index) => traceOf(`rule-${index}`, true))
    const rules = trace.map(({ rule, target, version }) => ({ id: rule, target, version }))
    const large = { workload, actor: workload, asked, facts, rules, trace }
    const outcomes = fc.constantFrom<Partial<ExchangeEntry>>(
      { outcome: 'denied', reason: 'denied_by_rule' },
      { outcome: 'failed', code: 'server_error', reason: 'record_too_large', follows: { stream: 's', id: '1' } },
    )

    test('an allowed exchange: nothing would leave without all that it rests on', async () => {
      const entry = entryOf({ ...large, outcome: 'allowed' })
      await expect(log.write(entry)).rejects.toMatchObject({ code: 'server_error', reason: 'record_too_large' })
      expect(printed()).toEqual([])
    })

    test('not a denial: it is recorded without facts and claims, and counts what else it leaves out', async () => {
      const { stream, id } = await log.write(entryOf(large))
      const { resource } = await container.item(id, stream).read()
      const { subject, token } = largestWorkload
      const who = { issuer: { id: largestWorkload.issuer.id, kind: 'oidc' }, subject, token, claims: {} }
      expect(resource).toMatchObject({ outcome: 'denied', workload: who, actor: who, asked, factsOmitted: true })
      expect(resource).toMatchObject({ rules: rules.slice(0, 8), rulesOmitted: 32, trace: [], traceOmitted: 40 })
      expect(resource.facts).toBe(undefined)
    })

    test('no denial and no failure, whatever the workload, the actor and the posture', async () => {
      const posture = fc.constantFrom({}, largestPosture)
      const one = {
        workload: anyWorkload,
        actor: fc.option(anyWorkload, { nil: undefined }),
        posture,
        outcome: outcomes,
      }
      await fc.assert(
        fc.asyncProperty(fc.record(one), async ({ workload, actor, posture, outcome }) => {
          log.printed.length = 0
          const known = { ...large, workload, facts: { ...facts, posture }, ...(actor && { actor }) }
          await log.write(entryOf({ ...known, ...outcome }))
          const record = JSON.parse(printed().at(-1) ?? '')
          expect(record).toMatchObject({ ...outcome, workload: { subject: workload.subject, token: workload.token } })
        }),
        { numRuns: 100, seed: 505 },
      )
    })
  })

  test.each<DecisionEntry>([
    { kind: 'revocation', decision: 'd', outcome: 'requested', lease: { id: 'l' }, workload: largestWorkload },
    {
      kind: 'revocation',
      decision: 'd',
      outcome: 'kept',
      lease: { id: 'l' },
      workload: largestWorkload,
      actor: largestWorkload,
    },
    {
      kind: 'admin',
      decision: 'd',
      outcome: 'intended',
      action: 'revoke',
      leases: Array.from({ length: 100 }, () => 'l'.repeat(64)),
      operator: largestWorkload,
    },
  ])('no $kind of the largest workload, $outcome: it says who, and leaves out their claims', async entry => {
    await log.write(entry)
    const record = JSON.parse(printed()[0] ?? '')
    const { subject, token } = largestWorkload
    expect(record.operator ?? record.workload).toMatchObject({ subject, token, claims: {} })
    expect(record.claimsOmitted).toBe(true)
  })

  test.each([
    ['is throttled', { status: 429, retryAfterMs: 1 }],
    ['is down', { status: 503 }],
    ['forbids it', { status: 403 }],
  ])('a record while Cosmos DB %s, with its status and not its text', async (_, fault) => {
    standIn.cosmos.faults.add({ container: 'decisions', times: 100, ...fault })
    const error = await log.write(entryOf()).catch(thrown => thrown)
    standIn.cosmos.faults.clear()
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'record_unavailable' })
    expect(Number(error.detail.code ?? error.detail.status)).toBe(fault.status)
    expect(JSON.stringify(error.detail)).not.toContain('localhost')
    expect(printed()).toEqual([])
  })
})
