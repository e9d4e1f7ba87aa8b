import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { NotMinted } from '../../../shared/errors.ts'
import { permitted } from '../../credentials/permission.ts'
import { onEachEngine } from './on-each-engine.ts'
import { revealed, type Trial } from './trial.ts'

const countOrders = 'SELECT CAST(COUNT(*) AS CHAR(9)) AS orders FROM orders'

const beyondEveryScope: readonly (readonly [string, string])[] = [
  ['write what it may only read', "INSERT INTO orders (customer, amount) VALUES ('x', 1)"],
  ['read another table', 'SELECT * FROM secrets'],
  ['create a table', 'CREATE TABLE kept (id INT)'],
]

onEachEngine(trial => {
  describe('a login', () => {
    it('works with the fields of the credential, by the account and nobody else', async () => {
      const account = trial.account()
      const credential = await trial.mint(account)
      expect(await trial.ask(credential, trial.server.statements.login)).toEqual([{ login: account.name }])
      expect(await trial.ask(credential, countOrders)).toEqual([{ orders: expect.stringMatching(/^3 *$/) }])
      expect(credential.secret).toBe(credential.fields['password'])
      expect(credential.reference).toEqual({ account: account.name })
    })

    it('works with the URI alone, which says that the server is to be verified', async () => {
      const account = trial.account()
      const { fields } = await trial.mint(account)
      const uri = revealed(fields['uri'])
      expect(new URL(uri).search).toMatch(/^\?ssl-?mode=verify[_-](full|identity)$/i)
      setDefaultCACertificates(getCACertificates('bundled'))
      await expect(trial.server.loginByUri(uri)).rejects.toThrow(/certificate/)
      setDefaultCACertificates([...getCACertificates('bundled'), String(fields['caCertificate'])])
      const session = await trial.server.loginByUri(uri)
      expect(await session.ask(trial.server.statements.login)).toEqual([{ login: account.name }])
      await session.end()
    })

    it('without TLS is refused, with the right password too', async () => {
      const credential = await trial.mint(trial.account())
      expect(trial.server.isLockedOut(await trial.refusalOf(trial.server.loginInClear(credential)))).toBe(true)
    })

    it('is possible as often at once as the target says', async () => {
      const credential = await trial.mint(trial.account(), trial.open({ accountConnectionLimit: 1 }))
      const session = await trial.server.login(credential)
      await expect(trial.server.login(credential)).rejects.toThrow(/too many connections|max_user_connections/)
      await session.end()
    })

    it('is described again without asking the server', async () => {
      const account = trial.account()
      const secret = trial.secret()
      const described = trial.open({ host: 'database.invalid' }).describe(account, secret)
      expect(described.fields).toMatchObject({ username: account.name, host: 'database.invalid', database: 'orders' })
      const { server: _, ...minted } = await trial.minter.mint(account, secret, permitted())
      const again = trial.minter.describe(account, secret)
      expect(again).toEqual(minted)
      expect(revealed(again.fields['uri'])).toBe(revealed(minted.fields['uri']))
    })
  })

  describe('a scope', () => {
    it('lets nothing happen that was not granted', async () => {
      const credential = await trial.mint(trial.account())
      const tried = [...beyondEveryScope, ...trial.server.statements.beyondScope]
      const allowed: string[] = []
      for (const [what, sql] of tried) {
        const isDenied = await trial.ask(credential, sql).then(
          () => false,
          error => trial.server.isDenied(error),
        )
        if (!isDenied) allowed.push(what)
      }
      expect(allowed).toEqual([])
    })

    it('lets everything happen that was', async () => {
      const credential = await trial.mint(trial.account({ scopes: [trial.server.scopes.write] }))
      await trial.ask(credential, "INSERT INTO orders (customer, amount) VALUES ('scope', 1)")
      await trial.ask(credential, "DELETE FROM orders WHERE customer = 'scope'")
    })

    it('of several is that of all of them', async () => {
      const { read, write } = trial.server.scopes
      const credential = await trial.mint(trial.account({ scopes: [read, write] }))
      expect(await trial.ask(credential, 'DELETE FROM orders WHERE id < 0')).toBeDefined()
      expect(await trial.ask(credential, 'SELECT * FROM orders')).toHaveLength(3)
    })

    it('of roles that no session can have together is refused, and nothing is made', async () => {
      await trial.server.make('cw_audits')
      const account = trial.account({ scopes: ['orders_read', 'cw_audits'].map(trial.server.roleScope) })
      const error = await trial.failureOf(trial.mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(error).toMatchObject({ code: 'invalid_scope', reason: 'scopes_not_combinable' })
      expect(await trial.server.accounts(account.name)).toBe(0)
    })

    it.each([
      ['a role that does not exist', (server: Trial['server']) => server.roleScope('no_such_role')],
      ['a role that the minter may not give', (server: Trial['server']) => server.roleScope('cw_ungiven')],
    ])('that is %s is refused, and nothing is made', async (_, scopeOf) => {
      await trial.superuser(session => session.ask('CREATE ROLE cw_ungiven')).catch(() => {})
      const account = trial.account({ scopes: [scopeOf(trial.server)] })
      const error = await trial.failureOf(trial.mint(account))
      expect(error).toBeInstanceOf(NotMinted)
      expect(await trial.server.accounts(account.name)).toBe(0)
    })
  })
})
