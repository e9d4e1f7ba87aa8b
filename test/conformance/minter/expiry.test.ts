import { beforeEach, describe, expect, it } from 'vitest'
import { absenceCountsFrom } from '../../../shared/leases/lease-states.ts'
import { minute } from '../../rules/facts.ts'
import type { Session } from './engine.ts'
import { ExpiringLeases } from './expiring-leases.ts'
import { onEachEngine } from './on-each-engine.ts'
import { until } from './trial.ts'

const hour = 60 * minute
const nothing = { revoked: 0, failed: 0, unreadable: [] }
const one = { revoked: 1, failed: 0, unreadable: [] }
const isEnded = (session: Session) => expect(session.ask('SELECT 1')).rejects.toThrow()

onEachEngine(trial => {
  let leases: ExpiringLeases
  beforeEach(() => {
    leases = new ExpiringLeases(trial)
  })

  const order = (session: Session, customer: string) =>
    session.ask(`INSERT INTO orders (customer, amount) VALUES ('${customer}', 1)`)
  /** In a transaction that has done something. */
  async function begin(session: Session): Promise<void> {
    await session.ask('BEGIN')
    await order(session, 'begun')
  }
  async function ordersOf(customer: string): Promise<number> {
    const query = `SELECT 1 FROM orders WHERE customer = '${customer}'`
    return (await trial.superuser(root => root.ask(query))).length
  }

  describe('where a target lets transactions finish', () => {
    it('one that is open commits after the lease expired, and only then is its session ended', async () => {
      const { held, sessions } = await leases.live()
      const [busy, idle] = sessions
      await busy.ask('BEGIN')
      await order(busy, 'before')
      leases.clock.time = held.expiresAt
      expect(await leases.run()).toMatchObject(nothing)
      await isEnded(idle)
      expect(leases.entries).toEqual([])
      expect(leases.store.only()).toMatchObject({ state: 'revoking', cause: 'expired', lastError: 'sessions_busy' })

      await order(busy, 'after')
      await busy.ask('COMMIT')
      expect([await ordersOf('before'), await ordersOf('after')]).toEqual([1, 1])
      leases.clock.time = Date.parse(leases.store.only().dueAt)
      expect(await leases.run()).toMatchObject(one)
      await isEnded(busy)
      expect(await trial.server.accounts(held.account.name)).toBe(0)
      expect(leases.store.only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence: { sessionsEnded: 1 } })
      const revoked = { outcome: 'revoked', lease: { cause: 'expired', evidence: { absent: true } } }
      expect(leases.entries).toMatchObject([revoked])
    })

    it('no session begins any more while one finishes', async () => {
      const { held, sessions, credential } = await leases.live()
      await begin(sessions[0])
      leases.clock.time = held.expiresAt
      await leases.run()
      expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
    })

    it('a session without one ends at once, and the account with it', async () => {
      const { held, sessions } = await leases.live()
      leases.clock.time = held.expiresAt
      expect(await leases.run()).toMatchObject(one)
      for (const session of sessions) await isEnded(session)
      expect(await trial.server.accounts(held.account.name)).toBe(0)
      expect(leases.store.only()).toMatchObject({ state: 'revoked', evidence: { sessionsEnded: 2 } })
    })

    it('a single statement that is at work finishes too', async () => {
      const { held, sessions } = await leases.live()
      const { startStatement } = trial.server
      const statement = await startStatement(sessions[0])
      leases.clock.time = held.expiresAt
      expect(await leases.run()).toMatchObject(nothing)
      await statement.finish()
      leases.clock.time = Date.parse(leases.store.only().dueAt)
      expect(await leases.run()).toMatchObject(one)
    })

    it('one that never ends is waited for at every run, and ended after an hour', async () => {
      const { held, sessions } = await leases.live()
      await begin(sessions[0])
      const waits: number[] = []
      for (
        leases.clock.time = held.expiresAt;
        leases.clock.time <= held.expiresAt + hour;
        leases.clock.time += hour / 4
      ) {
        expect(await leases.run()).toMatchObject(nothing)
        expect(leases.store.only()).toMatchObject({ state: 'revoking', attempts: 0 })
        waits.push(Date.parse(leases.store.only().dueAt) - leases.clock.time)
      }
      expect(waits.length).toBe(5)
      expect(Math.max(...waits)).toBeLessThan(minute)
      await sessions[0].ask('SELECT 1')
      leases.clock.time = held.expiresAt + hour + minute
      expect(await leases.run()).toMatchObject(one)
      await isEnded(sessions[0])
      expect(await trial.server.accounts(held.account.name)).toBe(0)
      expect(leases.store.only()).toMatchObject({ state: 'revoked', cause: 'expired', evidence: { sessionsEnded: 1 } })
    })

    it('a lease that is given back ends at once, whatever its sessions are doing', async () => {
      const live = await leases.live()
      await begin(live.sessions[0])
      await leases.giveBack(live)
      leases.clock.time = absenceCountsFrom(live.held.stored.lease)
      expect(await leases.run()).toMatchObject(one)
      await isEnded(live.sessions[0])
      expect(leases.store.only()).toMatchObject({ state: 'revoked', cause: 'released', evidence: { sessionsEnded: 2 } })
    })

    it('a lockdown ends one that was left to finish, at once', async () => {
      const { held, sessions } = await leases.live()
      await begin(sessions[0])
      leases.clock.time = held.expiresAt
      expect(await leases.run()).toMatchObject(nothing)
      expect(await leases.run({ lockedDown: true })).toMatchObject(one)
      await isEnded(sessions[0])
      expect(leases.store.only()).toMatchObject({ state: 'revoked', cause: 'lockdown', lockdown: 'incident-7' })
    })
  })

  it('where a target says nothing, an expired lease ends its sessions in the middle of a transaction', async () => {
    const { held, sessions } = await leases.live('end-sessions')
    await begin(sessions[0])
    leases.clock.time = held.expiresAt
    expect(await leases.run()).toMatchObject(one)
    await isEnded(sessions[0])
    expect(await ordersOf('begun')).toBe(0)
  })

  it('a server that is down when a lease expires has it ended once it is back, an hour later', async () => {
    const { held, credential } = await leases.live()
    leases.clock.time = held.expiresAt
    await trial.server.halt()
    for (; leases.clock.time < held.expiresAt + hour; leases.clock.time = Date.parse(leases.store.only().dueAt)) {
      expect(await leases.run()).toMatchObject({ ...nothing, failed: 1 })
      expect(leases.store.only()).toMatchObject({ state: 'revoking', lastError: 'target_unavailable' })
    }
    expect(leases.store.only().attempts).toBeGreaterThan(5)
    await trial.server.resume()
    expect(await leases.run()).toMatchObject(one)
    expect(await trial.server.accounts(held.account.name)).toBe(0)
    expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
  })

  const byItself = trial.engine.expires ? '' : ' (skipped: this engine has no account that ends at a given time)'
  it.skipIf(byItself)(`an account ends by the engine alone, whatever becomes of us${byItself}`, async () => {
    const credential = await trial.mint(trial.account({ expiresAt: Date.now() + 1_500 }))
    await trial.ask(credential, 'SELECT 1')
    const refused = () =>
      trial.ask(credential, 'SELECT 1').then(
        () => undefined,
        (error: unknown) => error,
      )
    await until(async () => (await refused()) !== undefined)
    expect(trial.server.isLockedOut(await refused())).toBe(true)
  })
})
