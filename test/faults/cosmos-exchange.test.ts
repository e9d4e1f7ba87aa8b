import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { asksAgain, expectNothingForgotten, expectSettled, outcomeOf } from './aftermath.ts'
import { breakStep, type CosmosFault, cosmosFaults, type Step } from './cosmos-faults.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import type { Instance } from './instance.ts'

let deployment: Deployment
let instance: Instance
let another: Instance

beforeAll(async () => {
  deployment = await startDeployment()
  instance = deployment.open()
  another = deployment.open()
})
afterEach(async () => {
  deployment.cosmos.clear()
  await expectNothingForgotten(deployment, instance)
})
afterAll(() => deployment?.stop())

/** How a step is reached, and which of its requests breaks. */
interface Reaching {
  readonly at: Step
  /** Another instance has made the lease. */
  readonly held?: true
  /** An exchange before this one fails there. */
  readonly before?: Step
  /** This exchange fails there first. */
  readonly after?: Step
}

const steps = {
  'read the lease that another instance made': { held: true, at: ['leases', 'read', 0] },
  'create the lease': { at: ['leases', 'create', 0] },
  'write the record': { at: ['decisions', 'create', 0] },
  'make it active': { at: ['leases', 'replace', 0] },
  'give it up, nothing made': { after: ['decisions', 'create', 0], at: ['leases', 'replace', 0] },
  'give it up, unclear': { after: ['leases', 'replace', 0], at: ['leases', 'replace', 0] },
  'take up what was given up': { before: ['decisions', 'create', 0], at: ['leases', 'replace', 0] },
} as const satisfies Readonly<Record<string, Reaching>>

const leaseUnavailable = 'temporarily_unavailable lease_unavailable 2'
const recordUnavailable = 'temporarily_unavailable record_unavailable 2'
const leaseLost = 'temporarily_unavailable lease_lost 1'
const pending = 'temporarily_unavailable lease_pending 1'

/** The step, what happens to its request, and what the caller is told. */
const lines: readonly (readonly [keyof typeof steps, CosmosFault, string])[] = [
  ['read the lease that another instance made', '429 once', 'issued'],
  ['read the lease that another instance made', '429 that lasts', leaseUnavailable],
  ['read the lease that another instance made', '503', leaseUnavailable],
  ['read the lease that another instance made', 'reset', 'issued'],
  ['read the lease that another instance made', 'time-out', leaseUnavailable],
  ['create the lease', '412', leaseUnavailable],
  ['create the lease', '412 after commit', leaseUnavailable],
  ['create the lease', '429 once', 'issued'],
  ['create the lease', '429 that lasts', leaseUnavailable],
  ['create the lease', '503', leaseUnavailable],
  ['create the lease', '503 after commit', leaseUnavailable],
  ['create the lease', 'reset', leaseUnavailable],
  ['create the lease', 'reset after commit', leaseUnavailable],
  ['create the lease', 'time-out after commit', leaseUnavailable],
  ['write the record', '412', 'issued'],
  ['write the record', '412 after commit', 'issued'],
  ['write the record', '429 once', 'issued'],
  ['write the record', '429 that lasts', 'issued'],
  ['write the record', '503', 'issued'],
  ['write the record', '503 after commit', 'issued'],
  ['write the record', 'reset', 'issued'],
  ['write the record', 'reset after commit', 'issued'],
  ['write the record', 'time-out after commit', 'issued'],
  ['write the record', 'time-out that lasts', recordUnavailable],
  ['make it active', '412', leaseLost],
  ['make it active', '412 after commit', leaseLost],
  ['make it active', '429 once', 'issued'],
  ['make it active', '429 that lasts', leaseUnavailable],
  ['make it active', '503', leaseUnavailable],
  ['make it active', '503 after commit', leaseUnavailable],
  ['make it active', 'reset', leaseUnavailable],
  ['make it active', 'reset after commit', leaseUnavailable],
  ['make it active', 'time-out after commit', leaseUnavailable],
  ['give it up, nothing made', '412', recordUnavailable],
  ['give it up, nothing made', '412 after commit', recordUnavailable],
  ['give it up, nothing made', '429 once', recordUnavailable],
  ['give it up, nothing made', '429 that lasts', recordUnavailable],
  ['give it up, nothing made', '503', recordUnavailable],
  ['give it up, nothing made', '503 after commit', recordUnavailable],
  ['give it up, nothing made', 'reset', recordUnavailable],
  ['give it up, nothing made', 'reset after commit', recordUnavailable],
  ['give it up, nothing made', 'time-out after commit', recordUnavailable],
  ['give it up, unclear', '412', leaseUnavailable],
  ['give it up, unclear', '412 after commit', leaseUnavailable],
  ['give it up, unclear', '429 once', leaseUnavailable],
  ['give it up, unclear', '429 that lasts', leaseUnavailable],
  ['give it up, unclear', '503', leaseUnavailable],
  ['give it up, unclear', '503 after commit', leaseUnavailable],
  ['give it up, unclear', 'reset', leaseUnavailable],
  ['give it up, unclear', 'reset after commit', leaseUnavailable],
  ['give it up, unclear', 'time-out after commit', leaseUnavailable],
  ['take up what was given up', '412', 'issued'],
  ['take up what was given up', '412 after commit', pending],
  ['take up what was given up', '429 once', 'issued'],
  ['take up what was given up', '429 that lasts', leaseUnavailable],
  ['take up what was given up', '503', leaseUnavailable],
  ['take up what was given up', '503 after commit', leaseUnavailable],
  ['take up what was given up', 'reset', leaseUnavailable],
  ['take up what was given up', 'reset after commit', leaseUnavailable],
  ['take up what was given up', 'time-out after commit', leaseUnavailable],
]

/** How long one instance has to make an account, and what those wait who find it at that. Milliseconds. */
const untilLapsed = 10_000 + 3_000

test.each(lines)('to %s meets a %s: the caller is told so, and asking again helps', async (step, fault, told) => {
  const pod = `${step} ${fault}`
  const { at, held, before, after }: Reaching = steps[step]
  if (held) await another.ask(pod)
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
  expect(deployment.clock.time - failedAt).toBeLessThan(untilLapsed)
  await expectSettled(deployment, instance)
})
