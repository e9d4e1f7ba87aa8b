import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { ExchangeError } from '../../../shared/errors.ts'
import { permitted } from '../../credentials/permission.ts'
import { onEachEngine } from './on-each-engine.ts'
import { shownOf } from './trial.ts'

onEachEngine(trial => {
  /** Everything that goes wrong, by what went wrong. */
  async function failures(): Promise<Readonly<Record<string, ExchangeError>>> {
    const account = trial.account()
    const again = trial.secret()
    await trial.minter.mint(account, again, permitted())
    const gone = new AbortController().signal
    const good = trial.server.secrets.get('minter')
    const wrong = { text: trial.secret().reveal(), version: '9' }
    trial.server.secrets.set('minter', wrong)
    const locked = await trial.failureOf(trial.mint(trial.account(), trial.open()))
    if (good) trial.server.secrets.set('minter', good)
    return {
      locked,
      taken: await trial.failureOf(trial.minter.mint(account, again, permitted(gone))),
      late: await trial.failureOf(trial.mint(trial.account({ mintUntil: Date.now() - 1 }))),
      unknown: await trial.failureOf(trial.mint(trial.account({ scopes: [trial.server.roleScope('no_such_role')] }))),
      down: await trial.failureOf(trial.mint(trial.account(), trial.open({ port: 1 }))),
      untrusted: await trial.failureOf(
        trial.mint(trial.account(), trial.open({ tls: { ca: trial.server.otherAuthority } })),
      ),
      killed: await trial.mintObstructed(trial.account(), obstacle => obstacle.killWaiting()),
      unrevoked: await trial.failureOf(trial.revoke(account, 'now', trial.open({ port: 1 }))),
    }
  }

  describe('nobody sees a secret', () => {
    it('in an error, nor the host or a login of the server', async () => {
      for (const [what, error] of Object.entries(await failures())) {
        const { message, stack, ...rest } = { ...error, message: error.message, stack: error.stack }
        expect(trial.leaks(shownOf(error)), what).toEqual([])
        expect(inspect({ ...rest, message, cause: error.cause }), what).not.toMatch(/localhost|127\.0\.0\.1|minter/)
        expect(stack, what).toContain(message)
      }
    })

    it('in a credential that is printed, in what it refers to, or in evidence', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      await trial.ask(credential, 'SELECT 1')
      const evidence = await trial.revoke(account)
      for (const shown of [credential, credential.reference, evidence])
        expect(trial.leaks(inspect(shown, { depth: null, showHidden: true }) + JSON.stringify(shown))).toEqual([])
    })

    it("in the server's own log, which holds every statement", async () => {
      const account = trial.account()
      await trial.ask(await trial.mint(account), 'SELECT 1')
      await trial.revoke(account)
      const log = await trial.server.log()
      expect(log).toMatch(new RegExp(`CREATE (ROLE|USER) ["\`]${account.name}`))
      expect(log).toMatch(new RegExp(`DROP (ROLE|USER)( IF EXISTS)? ["\`]${account.name}`))
      expect(trial.leaks(log)).toEqual([])
    })

    it('that the password in the credential is: here it is found', async () => {
      const { secret } = await trial.mint(trial.account())
      expect(trial.leaks(`before ${secret.reveal()} after`)).toHaveLength(1)
    })
  })
})
