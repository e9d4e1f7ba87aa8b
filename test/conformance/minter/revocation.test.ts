import { describe, expect, it } from 'vitest'
import { permitted } from '../../credentials/permission.ts'
import { onEachEngine } from './on-each-engine.ts'

onEachEngine(trial => {
  const nothing = { sessionsEnded: 0, absent: true }

  describe('a revocation', () => {
    it('ends the account: nobody logs in with its credential any more', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      const before = Date.now()
      const evidence = await trial.revoke(account)
      expect(evidence).toMatchObject(nothing)
      expect(Date.parse(evidence.at)).toBeGreaterThanOrEqual(before)
      expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
      expect(await trial.server.accounts(account.name)).toBe(0)
    })

    it('succeeds again for an account that is gone, and for one that never was', async () => {
      const account = trial.account()
      await trial.mint(account)
      await trial.revoke(account)
      expect(await trial.revoke(account)).toMatchObject(nothing)
      expect(await trial.revoke(trial.account())).toMatchObject(nothing)
    })

    it('succeeds for everyone who revokes the same account at once', async () => {
      const account = trial.account()
      await trial.mint(account)
      const all = await Promise.all([1, 2, 3].map(() => trial.revoke(account)))
      expect(all.map(evidence => evidence.absent)).toEqual([true, true, true])
      expect(await trial.server.accounts(account.name)).toBe(0)
    })

    it('ends an account that changed its own password', async () => {
      const account = trial.account()
      const session = await trial.server.login(await trial.mint(account))
      await session.ask(trial.server.statements.changePassword('mine alone'))
      expect(await trial.revoke(account)).toMatchObject({ sessionsEnded: 1 })
      expect(await trial.server.accounts(account.name)).toBe(0)
      await expect(session.ask('SELECT 1')).rejects.toThrow()
    })

    it('takes no absence on another server for its end, where servers have names', async () => {
      const account = trial.account()
      const { server } = await trial.minter.mint(account, trial.secret(), permitted())
      expect(await trial.failureOf(trial.revoke({ ...trial.account(), server: 'another' }))).toMatchObject({
        code: 'temporarily_unavailable',
        reason: 'server_changed',
      })
      expect(server === undefined).toBe(!trial.engine.named)
      expect(await trial.revoke({ ...account, server })).toMatchObject(nothing)
      expect(await trial.revoke({ ...account, server })).toMatchObject(nothing)
    })

    it('touches no other account', async () => {
      const [account, another] = [trial.account(), trial.account()]
      await trial.mint(account)
      const session = await trial.server.login(await trial.mint(another))
      await trial.revoke(account)
      expect(await session.ask('SELECT 1')).toHaveLength(1)
      await session.end()
    })

    it('works without a revoker of its own, by the admin that has its rights', async () => {
      const { admin, revoker } = trial.server.settings
      const alone = trial.open({ admin: revoker, revoker: undefined })
      expect(admin).not.toEqual(revoker)
      const account = trial.account()
      const session = await trial.server.login(await trial.mint(account))
      expect(await trial.revoke(account, 'now', alone)).toMatchObject({ sessionsEnded: 1, absent: true })
      await expect(session.ask('SELECT 1')).rejects.toThrow()
    })
  })

  it('lists the accounts of one deployment, and of no other that resembles it', async () => {
    const names = ['cw_list_a', 'cw_list_b', 'cw_listxc', 'cw_lis%d']
    for (const name of names) await trial.mint(trial.account({ name }))
    const listed: string[] = []
    for await (const { name } of trial.minter.accounts('cw_list_', new AbortController().signal)) listed.push(name)
    expect(listed).toEqual(['cw_list_a', 'cw_list_b'])
  })
})
