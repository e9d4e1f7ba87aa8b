import { describe, expect, it } from 'vitest'
import { NotMinted } from '../../../shared/errors.ts'
import { onEachEngine } from './on-each-engine.ts'

const logins = [
  { login: 'admin', secret: 'minter' },
  { login: 'revoker', secret: 'revoker' },
] as const

onEachEngine(trial => {
  /** What needs that login's password, on a connection that is opened for it. */
  async function uses(login: (typeof logins)[number]['login']): Promise<unknown> {
    const account = trial.account()
    return login === 'admin' ? trial.mint(account) : trial.revoke(account)
  }

  /** The server takes another password from now on, and connections that knew the old one are over. */
  async function changed({ login, secret }: (typeof logins)[number]): Promise<string> {
    const text = trial.secret().reveal()
    await trial.server.setPassword(login, text)
    const settings = trial.server.settings[login]
    const isLogin = typeof settings === 'object' && settings !== null && 'user' in settings
    await trial.server.endSessions(isLogin ? String(settings.user) : secret)
    return text
  }

  describe.each(logins)('the password of the $login', known => {
    it('that was rotated under a new version works at once, with the connections that are open', async () => {
      await uses(known.login)
      const text = trial.secret().reveal()
      await trial.server.setPassword(known.login, text)
      trial.server.secrets.set(known.secret, { text, version: '2' })
      await uses(known.login)
    })

    it('that was rotated under its version works after one refusal', async () => {
      await uses(known.login)
      const version = trial.server.secrets.get(known.secret)?.version ?? ''
      trial.server.secrets.set(known.secret, { text: await changed(known), version })
      expect(await trial.failureOf(uses(known.login))).toMatchObject({ reason: 'target_unavailable' })
      await uses(known.login)
    })

    it('that is not the one of the vault fails everything, until the vault has it', async () => {
      const text = await changed(known)
      for (const attempt of [1, 2, 3]) {
        const error = await trial.failureOf(uses(known.login))
        expect(error, `attempt ${attempt}`).toMatchObject({
          code: 'temporarily_unavailable',
          reason: 'target_unavailable',
          retryAfter: 2,
        })
        expect(error instanceof NotMinted).toBe(known.login === 'admin')
      }
      trial.server.secrets.set(known.secret, { text, version: '3' })
      await uses(known.login)
    })
  })
})
