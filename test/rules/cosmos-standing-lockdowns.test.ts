import type { Container } from '@azure/cosmos'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lockdownsSince } from '../../shared/rules/cosmos-standing-lockdowns.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { minute, noon } from './facts.ts'

let standIn: StandIn
let lockdowns: Container

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'lockdowns', partitionKey: '/id', defaultTtl: -1 }] })
  lockdowns = standIn.database('token-of-operator').container('lockdowns')
})
afterAll(() => standIn?.stop())

test('1,000 lockdowns that stand are told, and that there are more where there are', async () => {
  const expiresAt = (time: number) => ({ expiresAt: new Date(time).toISOString() })
  await lockdowns.items.create({ id: 'lifted', deleted: true })
  await lockdowns.items.create({ id: 'past', ...expiresAt(noon - 2 * minute) })
  for (let at = 0; at < 1_000; at += 100) {
    const ids = Array.from({ length: 100 }, (_, each) => `lockdown-${at + each}`)
    await Promise.all(ids.map(id => lockdowns.items.create({ id, ...expiresAt(noon + minute) })))
  }
  const all = await lockdownsSince(lockdowns, noon)
  expect([all.documents.length, all.complete]).toEqual([1_000, true])
  await lockdowns.items.create({ id: 'one-more' })
  const some = await lockdownsSince(lockdowns, noon)
  expect([some.documents.length, some.complete]).toEqual([1_000, false])
}, 60_000)
