import type { Container } from '@azure/cosmos'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lockedLeaseCounter } from '../../shared/leases/cosmos-locked-leases.ts'
import { newLease } from '../../shared/leases/lease-states.ts'
import { slotAt } from '../../shared/leases/slot.ts'
import { lockdownDocument } from '../../shared/workload/lockdown.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { noon } from '../rules/facts.ts'
import { requestOf } from './lease-store.ts'

let standIn: StandIn
let leases: Container

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'leases', partitionKey: '/slot', defaultTtl: -1 }] })
  leases = standIn.database('token-of-operator').container('leases')
})
afterAll(() => standIn?.stop())

/** The live lease of a target that no other is for. */
function leaseOf(target: string): object {
  const request = { ...requestOf({ target }), deployment: 'test', decision: 'decision-1' }
  const slot = slotAt(request, noon)
  const lease = newLease({ request, slot, generation: 0, keyVersion: '1', deployment: 'test', now: noon })
  return { ...lease, state: 'active' }
}

test('2,000 live leases are looked at for a lockdown, and it is told where there are more', async () => {
  const count = lockedLeaseCounter(leases)
  const everything = lockdownDocument.parse({ schema: 1, id: 'all', reason: 'a test', blocks: 'everything' })
  const save = async (from: number, to: number) => {
    const targets = Array.from({ length: to - from }, (_, each) => `target-${from + each}`)
    await Promise.all(targets.map(target => leases.items.create(leaseOf(target))))
  }
  await save(0, 150)
  expect(await count(everything)).toEqual({ found: 150, more: false })
  for (let at = 150; at < 2_150; at += 100) await save(at, at + 100)
  expect(await count(everything)).toEqual({ found: 2_000, more: true })
}, 60_000)
