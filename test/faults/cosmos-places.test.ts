import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { allow, minute } from '../rules/facts.ts'
import { asksAgain, expectNothingForgotten, expectSettled, outcomeOf } from './aftermath.ts'
import { breakStep, type CosmosFault, cosmosFaults, type Step } from './cosmos-faults.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import type { Instance } from './instance.ts'

let deployment: Deployment
let instance: Instance

beforeAll(async () => {
  deployment = await startDeployment()
  instance = deployment.open('gateway', allow('one-at-a-time', { grant: { quota: { max: 1 } } }))
})
afterEach(async () => {
  deployment.cosmos.clear()
  await expectNothingForgotten(deployment, instance)
})
afterAll(() => deployment?.stop())

/** How a step is reached, and which of its requests breaks. */
interface Reaching {
  readonly at: Step
  /** An exchange before this one fails there. */
  readonly before?: Step
  /** This exchange fails there first. */
  readonly after?: Step
}

const steps = {
  // The client asks for the query's plan at the same time, and does without: only what lasts is sure to meet the query.
  'find the places': { at: ['leases', 'query', 0] },
  'take a place': { at: ['leases', 'create', 0] },
  'create the lease in its place': { at: ['leases', 'create', 1] },
  'find the place to free': { after: ['decisions', 'create', 0], at: ['leases', 'read', 1] },
  'free the place': { after: ['decisions', 'create', 0], at: ['leases', 'replace', 0] },
  'give the lease up': { after: ['decisions', 'create', 0], at: ['leases', 'replace', 1] },
  'take a free place again': { before: ['decisions', 'create', 0], at: ['leases', 'replace', 0] },
} as const satisfies Readonly<Record<string, Reaching>>

const leaseUnavailable = 'temporarily_unavailable lease_unavailable 2'
const recordUnavailable = 'temporarily_unavailable record_unavailable 2'
const exhausted = 'slow_down quota_exhausted 60'

/** The step, what happens to its request, and what the caller is told. */
const lines: readonly (readonly [keyof typeof steps, CosmosFault, string])[] = [
  ['find the places', '429 once', 'issued'],
  ['find the places', '503 that lasts', leaseUnavailable],
  ['find the places', 'reset', 'issued'],
  ['find the places', 'time-out that lasts', leaseUnavailable],
  ['take a place', '412', leaseUnavailable],
  ['take a place', '412 after commit', leaseUnavailable],
  ['take a place', '429 once', 'issued'],
  ['take a place', '429 that lasts', leaseUnavailable],
  ['take a place', '503', leaseUnavailable],
  ['take a place', '503 after commit', leaseUnavailable],
  ['take a place', 'reset', leaseUnavailable],
  ['take a place', 'reset after commit', leaseUnavailable],
  ['take a place', 'time-out after commit', leaseUnavailable],
  ['create the lease in its place', '412', leaseUnavailable],
  ['create the lease in its place', '412 after commit', leaseUnavailable],
  ['create the lease in its place', '429 once', 'issued'],
  ['create the lease in its place', '429 that lasts', leaseUnavailable],
  ['create the lease in its place', '503', leaseUnavailable],
  ['create the lease in its place', '503 after commit', leaseUnavailable],
  ['create the lease in its place', 'reset', leaseUnavailable],
  ['create the lease in its place', 'reset after commit', leaseUnavailable],
  ['create the lease in its place', 'time-out after commit', leaseUnavailable],
  ['find the place to free', '429 once', recordUnavailable],
  ['find the place to free', '429 that lasts', recordUnavailable],
  ['find the place to free', '503', recordUnavailable],
  ['find the place to free', 'reset', recordUnavailable],
  ['find the place to free', 'time-out', recordUnavailable],
  ['free the place', '412', recordUnavailable],
  ['free the place', '412 after commit', recordUnavailable],
  ['free the place', '429 once', recordUnavailable],
  ['free the place', '429 that lasts', recordUnavailable],
  ['free the place', '503', recordUnavailable],
  ['free the place', '503 after commit', recordUnavailable],
  ['free the place', 'reset', recordUnavailable],
  ['free the place', 'reset after commit', recordUnavailable],
  ['free the place', 'time-out after commit', recordUnavailable],
  ['give the lease up', '412', recordUnavailable],
  ['give the lease up', '412 after commit', recordUnavailable],
  ['give the lease up', '429 once', recordUnavailable],
  ['give the lease up', '429 that lasts', recordUnavailable],
  ['give the lease up', '503', recordUnavailable],
  ['give the lease up', '503 after commit', recordUnavailable],
  ['give the lease up', 'reset', recordUnavailable],
  ['give the lease up', 'reset after commit', recordUnavailable],
  ['give the lease up', 'time-out after commit', recordUnavailable],
  ['take a free place again', '412', exhausted],
  ['take a free place again', '412 after commit', 'issued'],
  ['take a free place again', '429 once', 'issued'],
  ['take a free place again', '429 that lasts', leaseUnavailable],
  ['take a free place again', '503', leaseUnavailable],
  ['take a free place again', '503 after commit', leaseUnavailable],
  ['take a free place again', 'reset', leaseUnavailable],
  ['take a free place again', 'reset after commit', leaseUnavailable],
  ['take a free place again', 'time-out after commit', leaseUnavailable],
]

test.each(lines)('to %s meets a %s: the only place of a workload is not lost', async (step, fault, told) => {
  const pod = `${step} ${fault}`
  const { at, before, after }: Reaching = steps[step]
  if (before) {
    breakStep(deployment, before, cosmosFaults['403'])
    expect(await outcomeOf(instance.ask(pod))).toBe(recordUnavailable)
  }
  if (after) breakStep(deployment, after, cosmosFaults['403'])
  breakStep(deployment, at, cosmosFaults[fault])
  expect(await outcomeOf(instance.ask(pod))).toBe(told)
  deployment.cosmos.clear()

  const failedAt = deployment.clock.time
  await asksAgain(pod, deployment, instance)
  // A lease that may have come to an account keeps its place until the timer has seen that it has none.
  expect(deployment.clock.time - failedAt).toBeLessThan(2 * minute)
  expect((await deployment.leases()).filter(({ state }) => state === 'active').length).toBe(1)
  await expectSettled(deployment, instance)
})
