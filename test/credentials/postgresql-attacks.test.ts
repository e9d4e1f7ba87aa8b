import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Minter } from '../../shared/credentials/credential-provider.ts'
import type { PostgresqlScope } from '../../shared/credentials/postgresql-settings.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { NotMinted } from '../../shared/errors.ts'
import { permitted } from './permission.ts'
import { attacks } from './postgresql-attacks.ts'
import { anAccount, type Fixture, openMinter, password, startFixture } from './postgresql-fixture.ts'

describe('on the server as an operator prepares it', () => {
  let fixture: Fixture
  let minter: Minter<PostgresqlScope>

  beforeAll(async () => {
    fixture = await startFixture({ max_prepared_transactions: '4', max_locks_per_transaction: '10' })
    minter = openMinter(fixture)
  })
  afterAll(async () => {
    await minter?.close()
    await fixture?.stop()
  })

  attacks(() => ({
    minter,
    minterLogin: 'causeway_minter',
    revokerLogin: 'causeway_revoker',
    superuser: fixture.superuser,
  }))

  it('an object with as many rights on it as fit is told as full, and nothing is made', async () => {
    const fill = (from: number) => `DO $$ BEGIN FOR n IN ${from}..${from + 99} LOOP BEGIN
        EXECUTE 'CREATE ROLE filler_' || n; EXECUTE 'GRANT SELECT ON full_up TO filler_' || n;
      EXCEPTION WHEN program_limit_exceeded THEN EXIT; END; END LOOP; END $$`
    await fixture.superuser(async client => {
      await client.query('CREATE TABLE full_up (); GRANT SELECT ON full_up TO causeway_minter WITH GRANT OPTION')
      for (let from = 1; from < 3000; from += 100) await client.query(fill(from))
    })
    const account = anAccount({ scopes: [{ statements: ['GRANT SELECT ON public.full_up TO {account}'], names: {} }] })
    const error: unknown = await minter.mint(account, new Secret(password()), permitted()).catch(e => e)
    expect(error).toBeInstanceOf(NotMinted)
    expect(error).toMatchObject({ code: 'slow_down', reason: 'target_full', detail: { code: '54000' } })
    expect(await fixture.roles(account.name)).toBe(0)
  })
})
