import { describe, expect, it } from 'vitest'
import { ExchangeError } from '../../../shared/errors.ts'
import { onEachEngine } from './on-each-engine.ts'
import { until } from './trial.ts'

onEachEngine(trial => {
  const order = (customer: string) => `INSERT INTO orders (customer, amount) VALUES ('${customer}', 1)`
  const writer = () => trial.account({ scopes: [trial.server.scopes.write] })

  /** The sessions of an account that this engine shows at work. */
  async function atWork(user: string, count: number): Promise<void> {
    await until(async () => (await trial.server.sessions(user)) === count)
  }

  describe('a revocation ends a session', () => {
    it('that is idle, and one in the middle of a query', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      const [busy, idle] = [await trial.server.login(credential), await trial.server.login(credential)]
      const sleeping = expect(busy.ask(trial.server.statements.sleep)).rejects.toThrow()
      await atWork(account.name, 2)
      expect(await trial.revoke(account)).toMatchObject({ sessionsFound: 2, sessionsEnded: 2, absent: true })
      await sleeping
      await expect(idle.ask('SELECT 1')).rejects.toThrow()
      expect(await trial.server.sessions(account.name)).toBe(0)
    })

    it('in the middle of a transaction, which leaves nothing behind', async () => {
      const account = writer()
      const session = await trial.server.login(await trial.mint(account))
      await session.ask('BEGIN')
      await session.ask(order('never'))
      expect(await trial.revoke(account)).toMatchObject({ sessionsEnded: 1 })
      await expect(session.ask('COMMIT')).rejects.toThrow()
      const rows = await trial.superuser(root => root.ask("SELECT 1 FROM orders WHERE customer = 'never'"))
      expect(rows).toEqual([])
    })

    it('that was just logging in', async () => {
      const account = trial.account()
      const login = await trial.server.beginLogin(await trial.mint(account))
      expect(await trial.revoke(account)).toMatchObject({ absent: true })
      expect(await login.finish()).toBe(false)
      expect(await trial.server.sessions(account.name)).toBe(0)
    })

    it('or would have let that login in', async () => {
      const login = await trial.server.beginLogin(await trial.mint(trial.account()))
      expect(await login.finish()).toBe(true)
    })

    it('that keeps logging in while it runs: when it is over there is none', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      let isOver = false
      const knock = async () => {
        while (!isOver) await trial.server.login(credential).catch(() => undefined)
      }
      const knocking = Promise.all([knock(), knock()])
      expect(await trial.revoke(account)).toMatchObject({ absent: true })
      expect(await trial.server.sessions(account.name)).toBe(0)
      isOver = true
      await knocking
      expect(await trial.server.sessions(account.name)).toBe(0)
    })
  })

  describe('a session that outlives its account, since somebody else dropped that,', () => {
    const revokesTheDropped = async () => {
      const account = trial.account()
      const session = await trial.server.login(await trial.mint(account))
      await trial.superuser(root => root.ask(`DROP USER ${account.name}`))
      await session.ask('SELECT 1')
      await trial.revoke(account)
      const isAlive = await session.ask('SELECT 1').then(
        () => true,
        () => false,
      )
      await session.end().catch(() => undefined)
      expect(isAlive).toBe(false)
    }
    // A revocation that was cut off between its drop and its last look leaves such a session.
    it('ends with its revocation', revokesTheDropped)
  })

  it.each(['now', 'finish-transactions'] as const)(
    'what a session holds on to keeps no revocation from locking it out: %s',
    async ending => {
      for (const [held, hold] of trial.server.statements.holds) {
        const account = writer()
        const credential = await trial.mint(account)
        const session = await trial.server.login(credential)
        for (const statement of hold.split('; ')) await session.ask(statement)
        const revoked = await trial.revoke(account, ending).then(
          () => 'gone',
          (error: unknown) => (error instanceof ExchangeError ? error.reason : error),
        )
        expect([held, revoked]).toEqual([
          held,
          expect.toBeOneOf(ending === 'now' ? ['gone'] : ['gone', 'sessions_busy']),
        ])
        expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
        await session.end().catch(() => undefined)
        await trial.revoke(account)
      }
    },
  )

  describe('where transactions may finish', () => {
    it('a session that is in one does, with the account locked, and everything else ends', async () => {
      const account = writer()
      const credential = await trial.mint(account)
      const [busy, idle] = [await trial.server.login(credential), await trial.server.login(credential)]
      await busy.ask('BEGIN')
      await busy.ask(order('finished'))
      expect(await trial.failureOf(trial.revoke(account, 'finish-transactions'))).toMatchObject({
        code: 'temporarily_unavailable',
        reason: 'sessions_busy',
      })
      await expect(idle.ask('SELECT 1')).rejects.toThrow()
      expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
      await busy.ask('COMMIT')
      expect(await trial.revoke(account, 'finish-transactions')).toMatchObject({ sessionsFound: 1, sessionsEnded: 1 })
      expect(await trial.server.accounts(account.name)).toBe(0)
      const removed = "DELETE FROM orders WHERE customer = 'finished'"
      await trial.superuser(root => root.ask(removed))
    })
  })
})
