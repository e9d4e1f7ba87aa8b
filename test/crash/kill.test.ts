import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { absenceCountsFrom } from '../../shared/leases/lease-states.ts'
import { type CrashStack, type NewPod, settled, startCrashStack } from './crash-stack.ts'
import { findStrays, findWrongs } from './invariants.ts'
import { type ObservedGateway, startObservedGateway } from './observed-gateway.ts'
import { nameOf, type Point, points } from './steps.ts'

/** Where all suites are required, enough that chance has its say; else each point once with either way on. */
const kills = process.env['REQUIRE_ALL_SUITES'] === '1' ? 200 : 2 * points.length
/** In every other round the clients ask again; in the others they are gone as well, and the timer alone is left. */
const askAgain = (kill: number) => Math.floor(kill / points.length) % 2 === 0
/** How long one minter has its reservation, in milliseconds: what the design says. */
const mintingTime = 10_000

let stack: CrashStack

beforeAll(async () => {
  stack = await startCrashStack()
})
afterAll(() => stack?.stop())

/**
 * Two pods ask; the first of them to come to the point takes the process, and the other one's exchange, with it. A
 * process that does not come there, since the machine is too slow for its time-outs, is no kill: another one tries.
 */
async function killAt(point: Point, next: () => Promise<ObservedGateway>): Promise<readonly NewPod[]> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const victim = await next()
    const pods = [await stack.newPod(), await stack.newPod()]
    const killed = victim.killAt(point).then(() => true)
    const asked = Promise.all(pods.map(pod => victim.ask(pod)))
    // The last answer is there a moment before the process is gone.
    const wasKilled = await Promise.race([killed, asked.then(() => pause(1_000, false))])
    await victim.stop()
    if (!wasKilled) continue
    expect(await victim.exited).toBe(null)
    return pods
  }
  throw new Error(`nobody came ${nameOf(point)}`)
}

/** Starts the next ones while one is dying. */
function startAhead(): { next(): Promise<ObservedGateway>; stop(): Promise<void> } {
  const start = () => startObservedGateway(stack)
  const started = [start(), start()]
  return {
    async next() {
      const gateway = started.shift()
      started.push(start())
      if (!gateway) throw new TypeError('there are always two')
      return gateway
    },
    async stop() {
      for (const gateway of started) await (await gateway).stop()
    },
  }
}

async function mintingIsOver(): Promise<void> {
  const ends = (await stack.leasesOf()).map(absenceCountsFrom)
  await pause(Math.max(0, ...ends) - Date.now() + 1)
  await settled(stack)
}

test(`a gateway that is killed ${kills} times, at every step in turn, leaves no account that no lease ends, and the same requests succeed elsewhere within mintUntil`, {
  timeout: 600_000,
}, async () => {
  const victims = startAhead()
  const recoveries: Promise<string | undefined>[] = []
  for (let kill = 0; kill < kills; kill++) {
    const point = points[kill % points.length]
    if (!point) throw new TypeError('there are points')
    const pods = await killAt(point, victims.next)
    expect(await findStrays(stack)).toEqual([])
    if (!askAgain(kill)) continue
    const latest = Date.now() + mintingTime
    recoveries.push(...pods.map(async pod => (await stack.askUntilIssued(pod, latest))?.text))
  }
  await victims.stop()
  for (const text of await Promise.all(recoveries)) expect(text).toContain('"access_token"')

  await mintingIsOver()
  await stack.endDue()
  expect(await findWrongs(stack)).toEqual([])
  await stack.gateway.runTimer('reconcile')
  expect((await stack.records()).filter(({ kind }) => kind === 'reconciliation')).toEqual([])

  const past = new Date(Date.now() - 1_000).toISOString()
  const left = (await stack.leasesOf()).filter(({ state }) => state !== 'revoked')
  for (const { id } of left) await stack.changeLease(id, { dueAt: past })
  await stack.endDue()
  expect(await stack.accounts()).toEqual([])
  expect((await stack.leasesOf()).filter(({ state, evidence }) => state !== 'revoked' || !evidence?.absent)).toEqual([])
  expect(await findWrongs(stack)).toEqual([])
  expect(await stack.leaks()).toEqual([])
})
