import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AskManage, askingOf } from '../e2e/operator-requests.ts'
import type { Answer } from '../running-stack.ts'
import { type CrashStack, type NewPod, settled, startCrashStack } from './crash-stack.ts'
import { findWrongs } from './invariants.ts'
import { type ObservedGateway, startObservedGateway } from './observed-gateway.ts'
import { nameOf, type Point, points } from './steps.ts'

let stack: CrashStack
let manage: AskManage

beforeAll(async () => {
  stack = await startCrashStack()
  manage = await askingOf(stack)
})
afterAll(() => stack?.stop())

interface Frozen {
  readonly pod: NewPod
  /** Lets it go on, and resolves with the status that its client sees, undefined where it sees none. */
  thaw(): Promise<number | undefined>
}

/** As many processes begin at once as there are processors: a cold one has time-outs to keep. */
const inTurn = takeTurns(2)

/** A gateway process that stands still in the midst of an exchange. One that is too slow to get there is another's turn. */
function freezeAt(point: Point): Promise<Frozen> {
  return inTurn(async () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      const [gateway, pod] = [await startObservedGateway(stack), await stack.newPod()]
      const frozen = gateway.freezeAt(point).then(() => true)
      const answer = gateway.ask(pod)
      if (await Promise.race([frozen, answer.then(() => pause(1_000, false))]))
        return { pod, thaw: thaw(gateway, answer) }
      await gateway.stop()
    }
    throw new Error(`nobody came ${nameOf(point)}`)
  })
}

function thaw(gateway: ObservedGateway, answer: Promise<Answer | undefined>): Frozen['thaw'] {
  return async () => {
    gateway.wake()
    const status = (await answer)?.status
    await gateway.stop()
    await settled(stack)
    return status
  }
}

function takeTurns(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  const ends: Promise<unknown>[] = Array.from({ length: places }, () => Promise.resolve())
  let turn = 0
  return work => {
    const place = turn++ % places
    const result = Promise.resolve(ends[place]).then(work)
    ends[place] = result.catch(() => {})
    return result
  }
}

/** Another process answers the same request, once the frozen one's time is up where it has to be. */
async function takeOver(pod: NewPod): Promise<void> {
  const answer = await stack.askUntilIssued(pod, Date.now() + mintingTime)
  expect(answer?.text).toContain('"access_token"')
}

/** How long one minter has its reservation, in milliseconds: what the design says. */
const mintingTime = 10_000

const states = async (pod: NewPod) => (await stack.leasesOf([pod])).map(({ state }) => state)

/** Runs the timer until the pod's leases all are in one of the states. */
async function runTimerUntil(pod: NewPod, ...awaited: readonly string[]): Promise<void> {
  for (let run = 0; run < 100; run++) {
    await stack.endDue()
    if ((await states(pod)).every(state => awaited.includes(state))) return
    await pause(500)
  }
  throw new Error(`still ${await states(pod)}`)
}

/** An operator ends all that the pod has, and whatever it will get. */
async function lockDown(pod: NewPod): Promise<void> {
  const lockdown = {
    schema: 1,
    id: `pod-${pod.uid}`,
    blocks: { podUid: pod.uid },
    reason: 'incident',
    revokeLeases: true,
  }
  await stack.documents.container('lockdowns').items.create(lockdown)
}

/** An operator ends the leases that the pod has, by `/manage/leases`. */
async function revokeLeases(pod: NewPod): Promise<void> {
  for (const { id } of await stack.leasesOf([pod])) {
    const { status, body } = await manage(`leases/${id}/revoke`, { method: 'POST' })
    expect({ status, body }).toMatchObject({ status: 202, body: { marked: true } })
  }
}

async function expectNothingWorks(pod: NewPod): Promise<void> {
  await runTimerUntil(pod, 'revoked')
  expect(await findWrongs(stack, [pod])).toEqual([])
}

const named = points.map(point => [nameOf(point), point] as const)
/** Where the account is being made, or released: an operator's revocation goes the way of a lockdown's elsewhere. */
const around = named.filter(([, { step }]) => step === 'account statement' || step === 'lease activation')

describe('a minter that is frozen', { timeout: 180_000 }, () => {
  test.concurrent.each(named)(
    '%s while another takes over wakes to release nothing but what a lease answers for',
    async (_, point) => {
      const { pod, thaw } = await freezeAt(point)
      await takeOver(pod)
      await runTimerUntil(pod, 'active', 'revoked')
      const status = await thaw()
      expect(await findWrongs(stack, [pod])).toEqual([])
      expect(await states(pod)).toContain('active')
      expect([200, 503]).toContain(status)
    },
  )

  test.concurrent.each(named)(
    '%s while another takes over and an operator revokes wakes to release nothing that works',
    async (_, point) => {
      const { pod, thaw } = await freezeAt(point)
      await takeOver(pod)
      await lockDown(pod)
      await runTimerUntil(pod, 'revoking', 'revoked')
      await thaw()
      await expectNothingWorks(pod)
    },
  )

  test.concurrent.each(named)(
    '%s while an operator revokes, and wakes before its time is up, releases nothing that goes on working',
    async (_, point) => {
      const { pod, thaw } = await freezeAt(point)
      await lockDown(pod)
      await runTimerUntil(pod, 'revoking', 'revoked')
      await thaw()
      await expectNothingWorks(pod)
    },
  )

  test.concurrent.each(around)(
    '%s while an operator revokes its lease by /manage, and wakes before its time is up, releases nothing that goes on working',
    async (_, point) => {
      const { pod, thaw } = await freezeAt(point)
      await revokeLeases(pod)
      await stack.endDue()
      await thaw()
      await expectNothingWorks(pod)
    },
  )
})
