import { describe, expect, it } from 'vitest'
import { accountForm } from '../../../shared/account-form.ts'
import { NotMinted } from '../../../shared/errors.ts'
import type { Workload } from '../../../shared/workload/workload.ts'
import { instanceOn, leaseMemory, requestOf } from '../../leases/lease-store.ts'
import { paymentsApi } from '../../rules/facts.ts'
import { onEachEngine } from './on-each-engine.ts'
import { providerOf, revealed } from './trial.ts'

const hostile = [
  `a"b'c\`d`,
  `'; DROP TABLE orders; --`,
  `"; DROP ROLE orders_read; --`,
  String.raw`\'; \\ \" %s $$ ? /* :x`,
  'a.b @c#d/e?f&g=h',
  'größe_名前_عربى',
  'Ünï "İ\u0130ı" \u202etxt',
  '\u{1f4a5} boom',
  ' leading',
  'trailing ',
  'a\0b',
  '',
  'x'.repeat(63),
  'x'.repeat(300),
  'é'.repeat(300),
]

onEachEngine(trial => {
  describe('a database and a role whose name is hostile', () => {
    it.each(hostile)('work where the engine can have them, and else are refused when saved: %j', async name => {
      const { settings, scope } = providerOf(trial.engine.kind, trial.server.secrets, Date.now)
      const isSaved = [
        settings.safeParse({ ...trial.server.settings, database: name }).success,
        scope.safeParse(trial.server.roleScope(name)).success,
      ]
      const exists = await trial.server.make(name)
      expect(isSaved).toEqual([exists, exists])
      if (!exists) return
      const account = trial.account({ scopes: [trial.server.roleScope(name)] })
      const minter = trial.open({ database: name })
      const credential = await trial.mint(account, minter)
      const whereabouts = await trial.ask(credential, trial.server.statements.whereabouts)
      expect(whereabouts).toEqual([{ place: name, acting: name }])
      const uri = new URL(revealed(credential.fields['uri']))
      expect([uri.username, uri.pathname.slice(1)].map(decodeURIComponent)).toEqual([account.name, name])
      expect(await trial.revoke(account, 'now', minter)).toMatchObject({ absent: true })
      await minter.close()
    })

    it('have done nothing else', async () => {
      expect(await trial.superuser(session => session.ask('SELECT * FROM orders'))).toHaveLength(3)
    })

    it.each(['none', 'NONE', 'public', 'PUBLIC', 'default', 'current_user'])(
      'and means something to the engine is a role that does not exist: %s',
      async name => {
        const account = trial.account({ scopes: [trial.server.roleScope(name)] })
        expect(await trial.failureOf(trial.mint(account))).toBeInstanceOf(NotMinted)
        expect(await trial.server.accounts(account.name)).toBe(0)
      },
    )
  })

  describe('a namespace and a service account whose names are hostile', () => {
    it.each(hostile)('are told in the name of the account in plain characters: %j', async name => {
      const workload: Workload = { ...paymentsApi, namespace: name, serviceAccount: { name, uid: name }, subject: name }
      const form = accountForm.parse({ name: 'cw_{deployment}_{namespace}_{serviceAccount}_{lease}' })
      const { longestName } = providerOf(trial.engine.kind, trial.server.secrets, Date.now)
      const meanings = [trial.server.scopes.read]
      const request = requestOf({ workload, meanings, account: { ...form, longestName } })
      const { account } = await instanceOn(leaseMemory(), { time: Date.now() }).hold(request, 'decision-1')
      expect(account.name).toMatch(/^cw_test_[a-z0-9_]+$/)
      expect(account.name.length).toBeLessThanOrEqual(longestName)
      const credential = await trial.mint(account)
      expect(await trial.ask(credential, trial.server.statements.login)).toEqual([{ login: account.name }])
      expect(await trial.revoke(account)).toMatchObject({ absent: true })
      expect(await trial.server.accounts(account.name)).toBe(0)
    })
  })

  it('an account whose name is hostile is made and ended all the same', async () => {
    const account = trial.account({ name: `cw_"'; --\\é\`` })
    const credential = await trial.mint(account)
    expect(await trial.ask(credential, 'SELECT * FROM orders')).toHaveLength(3)
    await trial.revoke(account)
    expect(await trial.server.accounts(account.name)).toBe(0)
  })

  it('a CA certificate that carries anything else, such as a key, is refused', () => {
    const { settings } = providerOf(trial.engine.kind, trial.server.secrets, Date.now)
    const fits = (ca: string) => settings.safeParse({ ...trial.server.settings, tls: { ca } }).success
    const ca = trial.server.otherAuthority
    expect(fits(ca)).toBe(true)
    expect(fits(`${ca}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`)).toBe(false)
  })
})
