import type { Container } from '@azure/cosmos'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { guardedRules } from '../../shared/rules/cosmos-guarded-rules.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { allow } from './facts.ts'

let standIn: StandIn
let containers: { readonly targets: Container; readonly rules: Container }

beforeAll(async () => {
  standIn = await startStandIn({
    containers: [
      { id: 'targets', partitionKey: '/id', defaultTtl: -1 },
      { id: 'rules', partitionKey: '/target', defaultTtl: -1 },
    ],
  })
  const database = standIn.database('token-of-operator')
  containers = { targets: database.container('targets'), rules: database.container('rules') }
})
afterAll(() => standIn?.stop())

async function save(container: Container, from: number, to: number, documentOf: (at: number) => object): Promise<void> {
  for (let at = from; at < to; at += 100) {
    const some = Array.from({ length: Math.min(100, to - at) }, (_, each) => documentOf(at + each))
    await Promise.all(some.map(document => container.items.create(document)))
  }
}

const targetOf = (at: number) => ({ id: `target-${at}`, requireApproval: true })
const ruleOf = (at: number) => allow(`rule-${at}`, { target: 'target-0' })

test('what rests on more than 2,000 guarded rules, or 500 guarded targets, is not told', async () => {
  const read = guardedRules(containers)
  await save(containers.targets, 0, 500, targetOf)
  await save(containers.rules, 0, 2_000, ruleOf)
  expect(await read()).toHaveLength(2_000)
  await save(containers.rules, 2_000, 2_001, ruleOf)
  expect(await read()).toBe(undefined)
  await containers.rules.item('rule-2000', 'target-0').delete()
  expect(await read()).toHaveLength(2_000)
  await save(containers.targets, 500, 501, targetOf)
  expect(await read()).toBe(undefined)
}, 60_000)
