import { createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Minter } from '../../../shared/credentials/credential-provider.ts'
import { ExchangeError, NotMinted } from '../../../shared/errors.ts'
import { permitted } from '../../credentials/permission.ts'
import { listening, startHoldingProxy } from './holding-proxy.ts'
import { onEachEngine } from './on-each-engine.ts'

const unavailable = { code: 'temporarily_unavailable', reason: 'target_unavailable' }

onEachEngine(trial => {
  describe('a mint that was sent says that its outcome is unclear', () => {
    it('where the server ended the connection', async () => {
      const error = await trial.mintObstructed(trial.account(), obstacle => obstacle.killWaiting())
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject(unavailable)
    })

    it('where the network broke, and the process lives on', async () => {
      const network = await startHoldingProxy(Number(trial.server.settings['port']), Number.POSITIVE_INFINITY)
      const remote = trial.open({ port: network.port })
      const error = await trial.mintObstructed(trial.account(), () => network.cut(), { by: remote })
      await network.stop()
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject(unavailable)
    })

    it('where the request was given up', async () => {
      const request = new AbortController()
      const { signal } = request
      const error = await trial.mintObstructed(trial.account(), () => request.abort(), { signal })
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject(unavailable)
    })
  })

  it('a revocation that was given up is not taken for a server that cannot be reached, and the next one ends it', async () => {
    const account = trial.account()
    await trial.mint(account)
    const run = new AbortController()
    const obstacle = await trial.server.obstruct(account)
    const failed = trial.failureOf(trial.minter.revoke(account, 'now', run.signal))
    try {
      await obstacle.reached()
      run.abort()
      expect((await failed).reason).toBe('deadline')
    } finally {
      await obstacle.release()
    }
    expect(await trial.revoke(account)).toMatchObject({ absent: true })
  })

  describe('a mint that made nothing says so', () => {
    it('where the request was given up before', async () => {
      const error = await trial.failureOf(
        trial.minter.mint(trial.account(), trial.secret(), permitted(AbortSignal.abort())),
      )
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('deadline')
    })

    it('where the decision could not be recorded, for the same reason', async () => {
      const account = trial.account()
      const recording = Promise.withResolvers<void>()
      const permission = { ...permitted(), recorded: recording.promise }
      const failed = trial.failureOf(trial.minter.mint(account, trial.secret(), permission))
      // Sent later, and made: had the other not waited, it would have been made by now.
      await trial.mint(trial.account())
      expect(await trial.server.accounts(account.name)).toBe(0)
      recording.reject(new ExchangeError('temporarily_unavailable', 'record_unavailable'))
      const error = await failed
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'record_unavailable' })
      expect(await trial.server.accounts(account.name)).toBe(0)
    })

    it('at once where the request is given up while the decision is being recorded, and its connection is free', async () => {
      const one = trial.open({ connections: 1 })
      const request = new AbortController()
      const permission = { recorded: new Promise<never>(() => {}), signal: request.signal }
      const failed = trial.failureOf(one.mint(trial.account(), trial.secret(), permission))
      // Its connection was let go for this one: it is ready, and waits.
      await trial.mint(trial.account(), one)
      request.abort()
      const error = await failed
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('deadline')
      await trial.mint(trial.account(), one)
    })

    it('where its server cannot be reached, with the time after which to ask again', async () => {
      const error = await trial.failureOf(trial.mint(trial.account(), trial.open({ port: 1 })))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ ...unavailable, retryAfter: 2 })
    })

    it('but not where the account exists, which is left as it was', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      const error = await trial.failureOf(trial.mint({ ...account, scopes: [trial.server.scopes.write] }))
      expect(error).not.toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ code: 'server_error', reason: 'internal' })
      const writing = trial.refusalOf(trial.ask(credential, 'DELETE FROM orders'))
      expect(trial.server.isDenied(await writing)).toBe(true)
    })
  })

  describe('a mint that comes late is refused by the server', () => {
    it('where its time had passed before it began', async () => {
      const account = trial.account({ mintUntil: Date.now() - 1 })
      const error = await trial.failureOf(trial.mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('mint_too_late')
      expect(await trial.server.accounts(account.name)).toBe(0)
    })

    it('where the minter froze after it had looked at the clock', async () => {
      const frozen = trial.open({}, () => {
        const before = Date.now()
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
        return before
      })
      const account = trial.account({ mintUntil: Date.now() + 500 })
      const error = await trial.failureOf(trial.mint(account, frozen))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('mint_too_late')
      expect(await trial.server.accounts(account.name)).toBe(0)
    })

    it('where something was in its way until then', async () => {
      // Time enough to come to what is in the way on a slow machine; a lock is waited for longer, three seconds.
      const account = trial.account({ mintUntil: Date.now() + 2_000 })
      const error = await trial.mintObstructed(account, async obstacle => {
        await setTimeout(account.mintUntil - Date.now() + 50)
        await obstacle.release()
      })
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('mint_too_late')
      expect(await trial.server.accounts(account.name)).toBe(0)
    })
  })

  describe('a connection', () => {
    it('is not made to a server whose certificate the target does not trust', async () => {
      const untrusting = trial.open({ tls: { ca: trial.server.otherAuthority } })
      const error = await trial.failureOf(trial.mint(trial.account(), untrusting))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error.reason).toBe('target_unavailable')
    })

    it('that the server ends while idle neither ends this process nor fails the next mint', async () => {
      await trial.mint(trial.account())
      await trial.server.endSessions(adminUser())
      await trial.ask(await trial.mint(trial.account()), 'SELECT 1')
    })

    it('is let go where a decision takes long to be recorded, and had again once it is', async () => {
      const one = trial.open({ connections: 1 })
      const account = trial.account()
      const recording = Promise.withResolvers<void>()
      const permission = { ...permitted(), recorded: recording.promise }
      const minting = one.mint(account, trial.secret(), permission)
      await trial.mint(trial.account(), one)
      expect(await trial.server.accounts(account.name)).toBe(0)
      recording.resolve()
      await minting
      expect(await trial.server.accounts(account.name)).toBe(1)
    })

    it('is one of as many as the target allows, however many mints there are at once', async () => {
      await trial.server.endSessions(adminUser())
      const bounded = trial.open({ connections: 2 })
      await Promise.all(Array.from({ length: 8 }, () => trial.mint(trial.account(), bounded)))
      expect(await trial.server.sessions(adminUser())).toBe(2)
      await bounded.close()
    })

    /** A minter that waits for a server which says nothing, and the failure of its mint. */
    async function givenUp(): Promise<{ readonly by: Minter<unknown>; readonly error: ExchangeError }> {
      const silent = createServer(() => {})
      const by = trial.open({ port: await listening(silent) })
      const error = await trial.failureOf(by.mint(trial.account(), trial.secret(), permitted(AbortSignal.timeout(300))))
      silent.close()
      return { by, error }
    }

    it('is given up where the server says nothing at all', async () => {
      const { by, error } = await givenUp()
      await by.close().catch(() => undefined)
      expect(error).toBeInstanceOf(NotMinted)
    })

    // A pool closes itself as well, for a new version of its password: a rejection there would end the process.
    it('that was given up does not fail whoever closes it', async () => {
      const { by } = await givenUp()
      await by.close()
    })
  })

  function adminUser(): string {
    const { admin } = trial.server.settings
    if (typeof admin !== 'object' || admin === null || !('user' in admin)) throw new Error('expected an admin')
    return String(admin.user)
  }
})
