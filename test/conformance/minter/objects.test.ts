import { afterEach, describe, expect, it } from 'vitest'
import type { Account } from '../../../shared/credentials/credential-provider.ts'
import { onEachEngine } from './on-each-engine.ts'

onEachEngine(trial => {
  const objectsOn = (table: string) => trial.server.statements.objects(table)

  afterEach(() =>
    trial.superuser(async session => {
      for (const { drop } of objectsOn('orders')) await session.ask(drop)
    }),
  )

  /** Makes an account that has made objects, as far as the engine lets it: what cannot be made gives nobody anything. */
  async function builder(table: string): Promise<Account<unknown>> {
    const account = trial.account({ scopes: [trial.server.scopes.build] })
    const credential = await trial.mint(account)
    for (const { make } of objectsOn(table)) await trial.ask(credential, make).catch(() => undefined)
    return account
  }

  /** Whether anybody at all gets through to the table by them: the superuser may use everything. */
  async function through(table: string): Promise<readonly boolean[]> {
    const worked: boolean[] = []
    for (const { use } of objectsOn(table)) {
      const using = trial.superuser(session => session.ask(use))
      worked.push(
        await using.then(
          () => true,
          () => false,
        ),
      )
    }
    return worked
  }

  describe('a view, a function and a trigger that an account has made', () => {
    it('reach what its scope reaches while it lives, and once it is gone where its revocation says so', async () => {
      const { objectsStay: stay } = trial.engine
      const account = await builder('orders')
      expect(await through('orders')).toEqual([true, true, true])
      const told = stay ? { definedByRoles: 3 } : { orphans: 3 }
      expect(await trial.revoke(account)).toMatchObject({ absent: true, ...told })
      expect(await trial.server.accounts(account.name)).toBe(0)
      expect(await through('orders')).toEqual([stay, stay, stay])
    })

    it('give nobody what its scope did not reach, neither before its revocation nor after', async () => {
      const account = await builder('secrets')
      expect(await through('secrets')).toEqual([false, false, false])
      await trial.revoke(account)
      expect(await through('secrets')).toEqual([false, false, false])
    })
  })
})
