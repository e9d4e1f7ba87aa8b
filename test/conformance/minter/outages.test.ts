import { describe, expect, it } from 'vitest'
import { NotMinted } from '../../../shared/errors.ts'
import { onEachEngine } from './on-each-engine.ts'

const unavailable = { code: 'temporarily_unavailable', reason: 'target_unavailable', retryAfter: 2 }

onEachEngine(trial => {
  async function list(): Promise<void> {
    for await (const _ of trial.minter.accounts('cw_', new AbortController().signal)) return
  }

  it('a server that is full makes nothing and says slow down; what is minted stays, and it mints again', async () => {
    const account = trial.account()
    const late = trial.open()
    const empty = await trial.server.fill()
    const error = await trial.failureOf(trial.mint(account, late)).finally(empty)
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'slow_down', reason: 'target_full', retryAfter: expect.any(Number) })
    expect(await trial.server.accounts(account.name)).toBe(0)
    await trial.ask(await trial.mint(account, late), 'SELECT 1')
  })

  it('a server that is full, or takes our password for wrong, shows in a failed revocation that it has answered', async () => {
    const account = trial.account()
    await trial.mint(account)
    const empty = await trial.server.fill()
    const full = await trial.failureOf(trial.revoke(account, 'now', trial.open())).finally(empty)
    const { secrets } = trial.server
    const [kept, wrong] = [new Map(secrets), { text: 'wrong', version: 'wrong' }]
    for (const name of kept.keys()) secrets.set(name, wrong)
    const shut = await trial.failureOf(trial.revoke(account, 'now', trial.open()))
    for (const [name, secret] of kept) secrets.set(name, secret)
    for (const error of [full, shut]) {
      expect(error).toMatchObject({ reason: 'target_unavailable', detail: { answer: expect.anything() } })
    }
    expect(await trial.revoke(account)).toMatchObject({ absent: true })
  })

  it('a server that we do not trust shows in a failed revocation that it takes connections', async () => {
    const account = trial.account()
    await trial.mint(account)
    const error = await trial.failureOf(trial.revoke(account, 'now', trial.open({ tls: {} })))
    expect(error).toMatchObject({ reason: 'target_unavailable', detail: { answer: 'connects' } })
    expect(await trial.revoke(account)).toMatchObject({ absent: true })
  })

  describe('a server that is slow', () => {
    it('fails a revocation as unavailable once its limit is over, and the next one ends the account', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      const obstacle = await trial.server.obstruct(account)
      const error = await trial.failureOf(trial.revoke(account)).finally(() => obstacle.release())
      expect(error).toMatchObject({ code: 'temporarily_unavailable', retryAfter: 2 })
      expect(await trial.revoke(account)).toMatchObject({ absent: true })
      expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
    })
  })

  describe('a server that is down', () => {
    it('fails mints and revocations, and both work once it is back', async () => {
      const [early, late] = [trial.account(), trial.account()]
      const credential = await trial.mint(early)
      await trial.server.halt()
      const minting = await trial.failureOf(trial.mint(late))
      const revoking = await trial.failureOf(trial.revoke(early))
      const listing = await trial.failureOf(list())
      await trial.server.resume()
      expect(minting).toBeInstanceOf(NotMinted)
      for (const error of [minting, revoking, listing]) expect(error).toMatchObject(unavailable)
      expect(revoking.detail['answer']).toBe(undefined)
      expect(trial.minter.describe(early, credential.secret).fields['username']).toBe(early.name)
      expect(await trial.ask(credential, 'SELECT * FROM orders')).toHaveLength(3)
      expect(await trial.revoke(early)).toMatchObject({ absent: true })
      expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.login(credential)))).toBe(true)
      expect(await trial.ask(await trial.mint(late), 'SELECT * FROM orders')).toHaveLength(3)
    })
  })
})
