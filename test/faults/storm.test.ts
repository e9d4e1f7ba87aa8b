import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import type { Issued } from '../../shared/exchange-credential.ts'
import { allow } from '../rules/facts.ts'
import { expectNothingForgotten, expectSettled, logsIn } from './aftermath.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import type { Instance } from './instance.ts'

const replicas = 200
const times = 50
/** Connections of one instance to one target for one login: what a target says unless told otherwise. */
const connections = 4

let deployment: Deployment

beforeAll(async () => {
  // The machine is busy with both sides of everything: what is slow here is no fault.
  deployment = await startDeployment(10_000)
})
afterEach(async () => expectNothingForgotten(deployment, deployment.open('timer')))
afterAll(() => deployment?.stop())

const pods = Array.from({ length: replicas }, (_, index) => `replica ${index}`)

/** A pod that asks again when it is told that its account is being made, as clients do. */
async function ask(instance: Instance, pod: string): Promise<Issued> {
  for (;;) {
    try {
      return await instance.ask(pod)
    } catch (error) {
      if (!(error instanceof ExchangeError) || error.reason !== 'lease_pending') throw error
      await sleep((error.retryAfter ?? 1) * 1000)
    }
  }
}

/** Asks in flight at once: one process serves both instances and Cosmos DB here. */
const inFlight = 32

/** Each replica asks so many times, of both instances at once and each time beside all others. By replica. */
async function storm(first: Instance, second: Instance): Promise<readonly Issued[][]> {
  const issued = pods.map((): Issued[] => [])
  const asks = Array.from({ length: (replicas * times) / 2 }, (_, index) => index % replicas).values()
  const askOn = async () => {
    for (const pod of asks) {
      const name = pods[pod] ?? ''
      issued[pod]?.push(...(await Promise.all([ask(first, name), ask(second, name)])))
    }
  }
  await Promise.all(Array.from({ length: inFlight / 2 }, askOn))
  return issued
}

/** How often these instances wrote to a lease that was there already. Each lease was created once besides. */
function replacesBy(...names: readonly string[]): number {
  const replaces = names.map(name => `${name} leases replace`)
  return deployment.asked.filter(one => replaces.includes(one)).length
}

/** In batches: the server takes a hundred connections. */
async function allLogIn(issued: readonly Issued[]): Promise<void> {
  for (let from = 0; from < issued.length; from += 20) await Promise.all(issued.slice(from, from + 20).map(logsIn))
}

describe('200 replicas that ask 50 times each, of two instances at once,', () => {
  test('get one account each, for two lease writes and a few connections', { timeout: 300_000 }, async () => {
    const [first, second] = [deployment.open('pods-1', undefined, sleep), deployment.open('pods-2', undefined, sleep)]
    const issued = await storm(first, second)
    expect(deployment.issued.length).toBe(replicas * times)
    for (const ofPod of issued) {
      expect(new Set(ofPod.map(({ lease }) => lease)).size).toBe(1)
      expect(new Set(ofPod.map(({ credential }) => credential.secret.reveal())).size).toBe(1)
    }
    expect((await deployment.accounts()).length).toBe(replicas)
    expect((await deployment.leases()).map(({ state, generation }) => `${state} ${generation}`)).toEqual(
      Array.from({ length: replicas }, () => 'active 0'),
    )
    expect(deployment.door.peak()).toBeLessThanOrEqual(2 * connections)
    expect(replacesBy('pods-1', 'pods-2')).toBe(replicas)
    await allLogIn(issued.flatMap(([one]) => one ?? []))
    await expectSettled(deployment, first)
  })

  test('get one account together where the workload shares it', { timeout: 300_000 }, async () => {
    const shared = allow('shared-reads', { grant: { share: 'workload' } })
    const [first, second] = [deployment.open('shared-1', shared, sleep), deployment.open('shared-2', shared, sleep)]
    const issued = (await storm(first, second)).flat()
    expect(new Set(issued.map(({ lease }) => lease)).size).toBe(1)
    expect(new Set(issued.map(({ credential }) => credential.secret.reveal())).size).toBe(1)
    expect((await deployment.accounts()).length).toBe(1)
    expect(replacesBy('shared-1', 'shared-2')).toBe(1)
    await allLogIn(issued.slice(0, 1))
    await expectSettled(deployment, first)
  })
})
