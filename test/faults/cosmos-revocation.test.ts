import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import type { Issued } from '../../shared/exchange-credential.ts'
import { allow, minute } from '../rules/facts.ts'
import { expectNothingForgotten, expectSettled, logsIn, outcomeOf, pass } from './aftermath.ts'
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

const steps = {
  'find what is due': ['leases', 'query', 0],
  'claim it': ['leases', 'replace', 0],
  'find the place to free': ['leases', 'read', 0],
  'free the place': ['leases', 'replace', 1],
  'record it': ['decisions', 'create', 0],
  'make it revoked': ['leases', 'replace', 2],
} as const satisfies Readonly<Record<string, Step>>

const done = 'revoked 1, failed 0'
const failed = 'revoked 0, failed 1'
/** Another run has it, or seems to. */
const skipped = 'revoked 0, failed 0'

/** The step, what happens to its request, and what the run of the timer comes to. */
const lines: readonly (readonly [keyof typeof steps, CosmosFault, string])[] = [
  ['find what is due', '429 once', done],
  ['find what is due', '503 that lasts', 'throws lease_unavailable'],
  ['find what is due', 'reset', done],
  ['find what is due', 'time-out that lasts', 'throws lease_unavailable'],
  ['claim it', '412', skipped],
  ['claim it', '412 after commit', skipped],
  ['claim it', '429 once', done],
  ['claim it', '429 that lasts', failed],
  ['claim it', '503', failed],
  ['claim it', '503 after commit', failed],
  ['claim it', 'reset', failed],
  ['claim it', 'reset after commit', failed],
  ['claim it', 'time-out after commit', failed],
  ['record it', '412', done],
  ['record it', '412 after commit', done],
  ['record it', '429 once', done],
  ['record it', '429 that lasts', done],
  ['record it', '503', done],
  ['record it', '503 after commit', done],
  ['record it', 'reset', done],
  ['record it', 'reset after commit', done],
  ['record it', 'time-out after commit', done],
  ['record it', 'time-out that lasts', failed],
  ['make it revoked', '412', skipped],
  ['make it revoked', '412 after commit', skipped],
  ['make it revoked', '429 once', done],
  ['make it revoked', '429 that lasts', failed],
  ['make it revoked', '503', failed],
  ['make it revoked', '503 after commit', failed],
  ['make it revoked', 'reset', failed],
  ['make it revoked', 'reset after commit', failed],
  ['make it revoked', 'time-out after commit', failed],
  ['find the place to free', '429 once', done],
  ['find the place to free', '429 that lasts', failed],
  ['find the place to free', '503', failed],
  ['find the place to free', 'reset', done],
  ['find the place to free', 'time-out', failed],
  ['free the place', '412', done],
  ['free the place', '412 after commit', done],
  ['free the place', '429 once', done],
  ['free the place', '429 that lasts', failed],
  ['free the place', '503', failed],
  ['free the place', '503 after commit', failed],
  ['free the place', 'reset', failed],
  ['free the place', 'reset after commit', failed],
  ['free the place', 'time-out after commit', failed],
]

async function runOf(instance: Instance): Promise<string> {
  try {
    const { revoked, failed } = await instance.revokeDue()
    return `revoked ${revoked}, failed ${failed}`
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
    return `throws ${error.reason}`
  }
}

/** A lease that was given back, at a time when nobody may make its account any more. */
async function givenBack(pod: string): Promise<Issued> {
  const issued = await instance.ask(pod)
  await logsIn(issued)
  await instance.release(pod, issued.lease ?? '')
  deployment.clock.time += minute / 2
  return issued
}

/** What happens to a lease that was given back, where its revocation fails at a step, until some minutes later. */
async function revokedDespite(step: keyof typeof steps, fault: CosmosFault): Promise<string> {
  const { lease } = await givenBack(`${step} ${fault}`)
  breakStep(deployment, steps[step], cosmosFaults[fault])
  const run = await runOf(instance)
  deployment.cosmos.clear()
  const due = async () => (await deployment.leases()).find(({ id }) => id === lease)
  if (run === failed && step === 'record it') {
    expect(await due()).toMatchObject({ state: 'revoking', attempts: 1, lastError: 'record_unavailable' })
  }
  await pass(2, deployment, instance)
  expect(await due()).toMatchObject({ state: 'revoked', cause: 'released' })
  await expectSettled(deployment, instance)
  return run
}

test.each(lines)('to %s meets a %s: a later run sees to it', async (step, fault, run) => {
  expect(await revokedDespite(step, fault)).toBe(run)
})

async function anotherPodAfter(step: keyof typeof steps, fault: CosmosFault): Promise<string> {
  await revokedDespite(step, fault)
  const told = await outcomeOf(instance.ask(`${step} ${fault} another`))
  return told
}

test.each(lines)('to %s meets a %s: the place is then free for another pod', async (step, fault) => {
  expect(await anotherPodAfter(step, fault)).toBe('issued')
})
