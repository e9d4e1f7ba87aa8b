import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Issued, logIn } from '../running-stack.ts'
import { type CrashStack, type NewPod, startCrashStack } from './crash-stack.ts'
import { findWrongs } from './invariants.ts'
import { type ObservedGateway, startObservedGateway } from './observed-gateway.ts'
import { nameOf, type Point, revocationPoints } from './steps.ts'

let stack: CrashStack

beforeAll(async () => {
  stack = await startCrashStack()
})
afterAll(() => stack?.stop())

const past = new Date(Date.now() - 60_000).toISOString()

interface DueLease {
  readonly id: string
  /** Whether its session still answers. */
  isAtWork(): Promise<boolean>
}

/** A lease that has expired, with a session that does not know it and a place under a quota. */
async function dueLease(pod: NewPod): Promise<DueLease> {
  const issued = (await stack.ask(pod))?.body as unknown as Issued
  const session = await logIn(issued)
  const id = issued.lease_id ?? ''
  const quotaPlace = { slot: `places of ${id}`, id: 'place-0' }
  const place = {
    schema: 1,
    ...quotaPlace,
    lease: id,
    until: new Date(Date.now() + 3_600_000).toISOString(),
    ttl: 3_600,
  }
  await stack.documents.container('leases').items.create(place)
  await stack.changeLease(id, { mintUntil: past, expiresAt: past, dueAt: past, quotaPlace })
  const isAtWork = () =>
    session.query('SELECT').then(
      () => true,
      () => false,
    )
  return { id, isAtWork }
}

/** Sets the time at which all that has not ended is due. */
async function makeDue(at: Date): Promise<void> {
  const left = (await stack.leasesOf()).filter(({ state }) => state !== 'revoked')
  for (const { id } of left) await stack.changeLease(id, { dueAt: at.toISOString() })
}

/**
 * A timer's process that comes to the point dies there with the lease in hand. One that does not come there is no kill:
 * another timer took the lease, or the machine was too slow.
 */
async function killAt(point: Point, next: () => Promise<ObservedGateway>): Promise<DueLease> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const victim = await next()
    const lease = await dueLease(await stack.newPod())
    const killed = victim.killAt(point).then(() => true)
    const ran = victim.runTimer('revoke-expired').catch(() => undefined)
    const wasKilled = await Promise.race([killed, ran.then(() => pause(1_000, false))])
    await victim.stop()
    if (!wasKilled) continue
    // The next victim shall have one of its own in hand.
    await makeDue(new Date(Date.now() + 3_600_000))
    return lease
  }
  throw new Error(`nobody came ${nameOf(point)}`)
}

test('a timer that is killed at every step of a revocation leaves every lease to the next run, which ends it and says that it was not the first', {
  timeout: 300_000,
}, async () => {
  let ahead = startObservedGateway(stack, 'timers')
  const next = () => {
    const started = ahead
    ahead = startObservedGateway(stack, 'timers')
    return started
  }
  const killed = new Map<string, Point>()
  const sessions: DueLease[] = []
  for (const point of revocationPoints) {
    const lease = await killAt(point, next)
    killed.set(lease.id, point)
    sessions.push(lease)
  }
  await (await ahead).stop()

  // What the dead have in hand is passed over for a minute, and nobody waits for that here.
  await makeDue(new Date(past))
  await stack.endDue()

  const leases = (await stack.leasesOf()).filter(({ id }) => killed.has(id))
  expect(leases).toHaveLength(revocationPoints.length)
  expect(leases.filter(({ state }) => state !== 'revoked')).toEqual([])
  for (const { id, evidence } of leases) {
    const { step, side } = killed.get(id) ?? {}
    const isUntouched = step === 'lease claim' && side === 'before'
    const isOver = step === 'lease end' && side === 'after'
    const attempt = isUntouched || isOver ? 1 : 2
    expect(evidence, `${side} the ${step}`).toMatchObject({ absent: true, attempt })
  }
  const recorded = (await stack.records()).flatMap(({ kind, lease }) => (kind === 'revocation' ? [lease] : []))
  const ids = recorded.map(lease => String((lease as Readonly<Record<string, unknown>>)['id']))
  expect([...killed.keys()].filter(id => !ids.includes(id))).toEqual([])
  expect(await Promise.all(sessions.map(({ isAtWork }) => isAtWork()))).not.toContain(true)
  expect(await stack.accounts()).toEqual([])
  expect(await findWrongs(stack)).toEqual([])
  expect(await stack.leaks()).toEqual([])
})
