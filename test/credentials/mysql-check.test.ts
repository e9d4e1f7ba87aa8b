import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readGrant } from '../../shared/credentials/mysql-grants-check.ts'
import type { MysqlScope } from '../../shared/credentials/mysql-settings.ts'
import { type Fixture, openMinter, read, startFixture } from './mysql-fixture.ts'
import { missingServer } from './mysql-server.ts'

const missing = missingServer()

test.each([
  ['GRANT SELECT (`Host`, `User`) ON `mysql`.`user` TO `r`@`%`', { privileges: [], database: 'mysql', table: 'user' }],
  [
    'GRANT SELECT, CREATE VIEW ON `a\\_b`.* TO `m`@`%` WITH GRANT OPTION',
    { privileges: ['SELECT', 'CREATE VIEW'], database: 'a_b', table: '*', handsOn: true },
  ],
  [
    "GRANT CREATE USER ON *.* TO `m`@`%` IDENTIFIED BY PASSWORD '*AB' REQUIRE SSL",
    { privileges: ['CREATE USER'], database: '*', handsOn: false },
  ],
  ['GRANT `a``b`@`%`,`c`@`%` TO `m`@`%` WITH ADMIN OPTION', { roles: ['a`b', 'c'], handsOn: true }],
])('%s is read', (line, expected) => expect(readGrant(line)).toMatchObject(expected))

describe.skipIf(missing !== undefined)('a check of MariaDB', () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await startFixture()
  })
  afterAll(() => fixture?.stop())

  const scopes: Readonly<Record<string, MysqlScope>> = {
    read,
    role: { role: 'orders_read' },
    all: { grants: [{ privileges: ['SELECT'], on: 'elsewhere.*' }] },
  }
  const steps = async (settings: Record<string, unknown> = {}) => {
    const minter = openMinter(fixture, settings)
    const found = (await minter.check?.(scopes, AbortSignal.timeout(20_000))) ?? []
    await minter.close()
    return Object.fromEntries(found.map(step => [step.step, step]))
  }

  test('tells what the revoker may, and of the admin that it cannot be told', async () => {
    const { 'create-accounts': create, 'grant-scope read': grant, ...told } = await steps()
    expect(Object.values(told).filter(({ ok }) => ok === false)).toEqual([])
    expect(told).toMatchObject({
      certificate: { ok: true },
      'see-accounts': { ok: true },
      'end-sessions': { ok: true },
    })
    expect([create?.ok, grant?.ok]).toEqual([null, null])
  })

  test('tells of the admin what it may hand on, where the server lets it read that', async () => {
    await fixture.superuser(root => root.query('GRANT SELECT ON mysql.* TO revoker'))
    const told = await steps()
    await fixture.superuser(root => root.query('REVOKE SELECT ON mysql.* FROM revoker'))
    expect(told).toMatchObject({
      'create-accounts': { ok: true },
      'grant-scope read': { ok: true },
      'grant-scope role': { ok: true },
      'grant-scope all': { ok: false },
    })
  })

  test('tells of a revoker that may not revoke, and of one that may not log in', async () => {
    const weak = { user: 'minter', password: { vault: 'corp', secret: 'minter' } }
    const told = await steps({ revoker: weak })
    expect(told).toMatchObject({ 'see-sessions': { ok: false }, 'end-sessions': { ok: false } })
    const wrong = await steps({ revoker: { user: 'revoker', password: { vault: 'corp', secret: 'minter' } } })
    expect(wrong['login']).toMatchObject({ ok: false, found: expect.stringContaining('1045') })
    expect(await steps({ tls: { ca: fixture.otherAuthority } })).toMatchObject({ tls: { ok: false } })
  })
})
