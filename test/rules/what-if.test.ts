import type { Container } from '@azure/cosmos'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { storedRules } from '../../shared/rules/cosmos-rules.ts'
import { openWhatIf, type WhatIf } from '../../shared/rules/what-if.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { allow, deny } from './facts.ts'

let standIn: StandIn
let rules: Container

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'rules', partitionKey: '/target', defaultTtl: -1 }] })
  rules = standIn.database('token-of-operator').container('rules')
})
afterAll(() => standIn?.stop())

/** What-if over the stored rules, where nothing was recorded. */
function overStoredRules(): WhatIf {
  return openWhatIf({
    rules: target => storedRules(rules, target),
    calendars: async () => new Map(),
    stored: async () => undefined,
    actedForBy: async () => [],
    sight: { issuer: () => undefined, target: () => undefined },
    namesOf: async id => [id],
    sample: async ({ from }) => ({ exchanges: [], unreadable: 0, complete: true, from }),
    now: () => Date.parse('2026-06-01T00:00:00Z'),
  })
}

const workloads = [{ issuer: 'aks-local', namespace: 'payments', serviceAccount: 'api' }]

async function save(from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 100) {
    const some = Array.from({ length: Math.min(100, to - at) }, (_, each) => `rule-${at + each}`)
    await Promise.all(some.map(id => rules.items.create(allow(id, { target: id, workloads }))))
  }
}

test('a lint of a guardrail reads 2,000 rules, and says that it is not complete where there are more', async () => {
  const guardrail = {
    container: 'rules' as const,
    name: { id: 'g', partition: '*' },
    document: deny('g', { target: '*', state: 'draft' }),
  }
  await save(0, 2_000)
  expect((await overStoredRules().lint(guardrail)).complete).toBe(true)
  await save(2_000, 2_001)
  expect((await overStoredRules().lint(guardrail)).complete).toBe(false)
  const ofOneTarget = { container: 'rules' as const, name: { id: 'rule-1', partition: 'rule-1' } }
  expect((await overStoredRules().lint(ofOneTarget)).complete).toBe(true)
}, 60_000)
