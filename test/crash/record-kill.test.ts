import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Host } from '../../infra/local/host/spawn.ts'
import { startGateway } from '../../infra/local/stack.ts'
import { type RunningStack, runStack } from '../running-stack.ts'
import { faultsInTurn } from './record-faults.ts'
import { checkRecords } from './record-invariants.ts'
import { type Callers, type LoadEnd, openCallers } from './record-load.ts'
import { verifyLogOf } from './record-verdict.ts'

const isFull = process.env['REQUIRE_ALL_SUITES'] === '1'
const kills = isFull ? 100 : 15
const killsAmidFaults = isFull ? 16 : 8
const concurrent = 32

/** Beyond what the callers ask for. */
const rates = { CAUSEWAY_WORKLOAD_RATE: '100000', CAUSEWAY_ISSUER_RATE: '100000' }

let stack: RunningStack
let callers: Callers
let startedAt: number

beforeAll(async () => {
  startedAt = Date.now()
  stack = await runStack({ settings: rates })
  callers = await openCallers(stack)
})
afterAll(() => stack?.stop())

/** Starts gateways ahead, so that one is there when another has died. */
function victims(): { next(): Promise<Host>; stop(): Promise<void> } {
  function start(): Promise<Host> {
    const starting = startGateway(stack, { settings: { ...rates, CAUSEWAY_ROLE: 'exchange' } })
    // Whoever awaits it hears of a failure; until then it is no error of the test.
    starting.catch(() => {})
    return starting
  }
  let ahead = start()
  return {
    async next() {
      const gateway = await ahead
      ahead = start()
      return gateway
    },
    stop: async () => (await ahead).stop(),
  }
}

/** From before the first answer to well into a steady load, spread evenly over all kills, and a moment by chance. */
async function killUnderLoad(gateway: Host, number: number): Promise<LoadEnd> {
  const load = callers.start(gateway.url, concurrent)
  await load.answered(Math.floor(80 * ((number * 0.618) % 1)))
  await pause(20 * Math.random())
  gateway.kill('SIGKILL')
  return load.ended
}

async function killAll(count: number, kill: (gateway: Host, number: number) => Promise<LoadEnd>): Promise<LoadEnd[]> {
  const gateways = victims()
  const ends: LoadEnd[] = []
  for (let number = 1; number <= count; number++) {
    ends.push(await kill(await gateways.next(), number))
    if (number % 10 === 0) await stack.gateway.runTimer('checkpoint')
  }
  await gateways.stop()
  return ends
}

/** Every stream is a chain without a gap or a fork, and all that clients received is on record. */
async function expectWholeRecord(): Promise<void> {
  await stack.gateway.runTimer('checkpoint')
  const { wrongs, records, unheard } = await checkRecords(stack, callers.received)
  expect(wrongs).toEqual([])
  const verdict = await verifyLogOf(stack, startedAt - 3_600_000)
  expect(verdict).toMatchObject({ code: 0, proven: true, findings: [] })
  expect(verdict.records).toBeGreaterThanOrEqual(records)
  // Otherwise nothing was shown: some were killed between a record and its answer.
  expect(Math.min(unheard, callers.received.length)).toBeGreaterThan(kills)
}

test(`a gateway that is killed ${kills} times under load leaves whole chains, a record of every credential that a client received, and a lease of every one that was minted`, {
  timeout: 300_000,
}, async () => {
  const ends = await killAll(kills, killUnderLoad)
  for (const { cut } of ends) expect(cut).toBeGreaterThan(0)
  await expectWholeRecord()
})

test('while Cosmos DB throttles, fails, resets after commits and times out, and gateways are killed amid that, no chain has a gap or a fork and no credential is without its record', {
  timeout: 300_000,
}, async () => {
  const addFault = faultsInTurn(stack.cosmos.faults)
  const ends = await killAll(killsAmidFaults, async (gateway, number) => {
    const load = callers.start(gateway.url, concurrent)
    for (let fault = 0; fault <= number % 8; fault++) {
      await load.answered(15 * fault)
      addFault()
    }
    await pause(20 * Math.random())
    gateway.kill('SIGKILL')
    stack.cosmos.faults.clear()
    return load.ended
  })
  expect(ends.reduce((sum, { unavailable }) => sum + unavailable, 0)).toBeGreaterThan(0)
  await expectWholeRecord()
})
