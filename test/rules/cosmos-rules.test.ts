import type { Container } from '@azure/cosmos'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Follower, followContainer, hardLimit } from '../../shared/cosmos-follower.ts'
import type { Calendars } from '../../shared/rules/calendar.ts'
import { cosmosRules, type Rules } from '../../shared/rules/cosmos-rules.ts'
import type { Ruleset } from '../../shared/rules/ruleset.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { failureOf } from '../workload/tokens.ts'
import { allow, deny } from './facts.ts'

let standIn: StandIn
/** As an operator sees it, and as the gateway does. */
let documents: Container
let container: Container
let clock: number
let follower: Follower
let calendars: Calendars
let rules: Rules

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'rules', partitionKey: '/target', defaultTtl: -1 }] })
  documents = standIn.database('token-of-operator').container('rules')
  container = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 }).container('rules')
})
afterAll(() => standIn?.stop())

beforeEach(async () => {
  const { resources } = await documents.items.readAll<{ id: string; target: string }>().fetchAll()
  for (const { id, target } of resources) await documents.item(id, target).delete()
  clock = 1_000_000
  calendars = new Map()
})
afterEach(() => {
  standIn.cosmos.faults.clear()
  follower.stop()
})

/** The gateway's rules, of documents that were there before it started. */
async function open(...saved: readonly object[]): Promise<void> {
  await save(...saved)
  const follow = (onChange: Parameters<typeof followContainer>[0]['onChange']) => {
    follower = followContainer({
      container,
      from: 'now',
      onChange,
      interval: 3_600_000,
      monotonic: () => clock,
      onError: () => {},
    })
    return follower
  }
  rules = cosmosRules({ container, follow, calendars: async () => calendars })
}

const idsOf = ({ own, guardrails }: Ruleset) => [...own.rules, ...guardrails.rules].map(({ rule }) => rule.id)

/** The same readings of both partitions. */
function expectSame(found: Ruleset, expected: Ruleset): void {
  expect(found.own).toBe(expected.own)
  expect(found.guardrails).toBe(expected.guardrails)
}

async function idsFor(target = 'orders-db'): Promise<readonly string[]> {
  return idsOf(await rules.of(target))
}

async function save(...saved: readonly object[]): Promise<void> {
  for (const one of saved) await documents.items.upsert(one)
}

describe('the rules of a target', () => {
  test('are its own and the guardrails, with the versions of their documents, and nobody else has them', async () => {
    await open(allow('a'), deny('g', { target: '*' }), allow('other', { target: 'mainframe' }))
    const found = await rules.of('orders-db')
    expect(idsOf(found).toSorted()).toEqual(['a', 'g'])
    const { resource } = await documents.item('a', 'orders-db').read()
    expect(found.own.rules[0]?.version).toBe(resource?._etag)
    expect(await idsFor('nowhere')).toEqual(['g'])
  })

  test('are read and compiled once, and then no more until they change', async () => {
    await open(allow('a'), deny('g', { target: '*' }))
    const first = await rules.of('orders-db')
    standIn.cosmos.faults.add({ container: 'rules', action: 'query', status: 503 })
    expectSame(await rules.of('orders-db'), first)
    clock += hardLimit + 1
    expectSame(await rules.of('orders-db'), first)
  })

  test('are one reading for everybody who waits', async () => {
    await open(allow('a'))
    standIn.cosmos.faults.add({ container: 'rules', action: 'query', times: 2, delayMs: 50 })
    const found = await Promise.all(Array.from({ length: 10 }, () => rules.of('orders-db')))
    expect(new Set(found.map(({ own }) => own)).size).toBe(1)
    expect(new Set(found.map(({ guardrails }) => guardrails)).size).toBe(1)
  })

  test.each<[string, object, readonly string[]]>([
    ['one more', allow('b'), ['a', 'b', 'g']],
    ['another version of one', allow('a', { priority: 1 }), ['a', 'g']],
    ['one that is disabled now', allow('a', { state: 'disabled' }), ['g']],
    ['a guardrail more', deny('h', { target: '*' }), ['a', 'g', 'h']],
    ['a tombstone in place of one', { id: 'a', target: 'orders-db', deleted: true }, ['g']],
    ['a tombstone in place of a guardrail', { id: 'g', target: '*', deleted: true }, ['a']],
  ])('are read again when the feed shows %s, within the hard limit', async (_, change, expected) => {
    await open(allow('a'), deny('g', { target: '*' }))
    const before = await rules.of('orders-db')
    await save(change)
    clock += hardLimit + 1
    const after = await rules.of('orders-db')
    expect(idsOf(before)).toEqual(['a', 'g'])
    expect(idsOf(after).toSorted()).toEqual(expected)
    expect([...after.own.unreadable, ...after.guardrails.unreadable]).toEqual([])
  })

  test('stay as they are when those of another target change', async () => {
    await open(allow('a'))
    const before = await rules.of('orders-db')
    await save(allow('other', { target: 'mainframe' }))
    clock += hardLimit + 1
    expectSame(await rules.of('orders-db'), before)
  })

  test('are told to be unreadable where one is, and not passed over', async () => {
    await open(allow('a'), allow('b', { effect: 'permit' }), deny('torn', { target: '*', effect: 'allow' }))
    const { own, guardrails } = await rules.of('orders-db')
    expect([own, guardrails].map(({ unreadable }) => unreadable.map(({ id }) => id))).toEqual([['b'], ['torn']])
  })

  test('come with the calendars as they are now, though the rules themselves have not changed', async () => {
    await open(allow('a'))
    const first = await rules.of('orders-db')
    calendars = new Map([['freeze', { version: '2', days: new Set<number>(), periods: [], knownUntil: 30_000 }]])
    const second = await rules.of('orders-db')
    expectSame(second, first)
    expect([first.calendars.size, second.calendars]).toEqual([0, calendars])
  })
})

describe('rules that cannot be read', () => {
  test('are 503, without the text of the client, and are read as soon as it answers again', async () => {
    await open(allow('a'))
    await rules.of('mainframe')
    standIn.cosmos.faults.add({ container: 'rules', action: 'query', status: 503 })
    const error = await failureOf(rules.of('orders-db'))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'documents_unavailable' })
    expect(JSON.stringify(error.detail)).not.toContain('localhost')
    standIn.cosmos.faults.clear()
    expect(await idsFor()).toEqual(['a'])
  })

  test('for want of a fresh snapshot are 503, whether they are in memory or not', async () => {
    await open(allow('a'))
    await rules.of('orders-db')
    standIn.cosmos.faults.add({ container: 'rules', action: 'changeFeed', status: 503 })
    clock += hardLimit + 1
    for (const target of ['orders-db', 'mainframe']) {
      expect(await failureOf(rules.of(target))).toMatchObject({
        code: 'temporarily_unavailable',
        reason: 'snapshot_stale',
      })
    }
  })
})
