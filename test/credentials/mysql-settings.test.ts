import { expect, it } from 'vitest'
import { mysqlScope, mysqlSettings } from '../../shared/credentials/mysql-settings.ts'
import { cachingSha2Verifier } from '../../shared/credentials/mysql-verifier.ts'
import { password } from './mysql-fixture.ts'

const login = { user: 'minter', password: { vault: 'corp', secret: 'minter' } }

it('settings refuse a host that the driver would not compare with the certificate', () => {
  const fits = (host: string) => mysqlSettings.safeParse({ host, database: 'orders', admin: login }).success
  expect(['db.corp.example', 'localhost'].filter(fits)).toHaveLength(2)
  expect(['10.0.0.1', '::1', '/run/mysqld.sock', 'a@b', 'a,b', 'a b', ''].filter(fits)).toEqual([])
})

it('a scope means a role or grants, of what is in the list and of no system database', () => {
  const fits = (scope: unknown) => mysqlScope.safeParse(scope).success
  const grant = (on: string, ...privileges: string[]) => ({ grants: [{ privileges, on }] })
  expect(
    [{ role: 'r' }, grant('a.*', 'SELECT'), grant('a.b.c', 'SELECT'), grant('a.*', 'EXECUTE')].filter(fits),
  ).toHaveLength(4)
  const wrong = [grant('*.*', 'SELECT'), grant('MySQL.*', 'SELECT'), grant('a', 'SELECT'), grant('.b', 'SELECT')]
  const more = [
    grant('a.*', 'GRANT OPTION'),
    grant('a.*', 'SUPER'),
    grant('a.*'),
    grant('a.b', 'EXECUTE'),
    grant('a.b', 'all'),
  ]
  const names = ['x'.repeat(300), '', 'a\0', 'a ', '\u{1f4a5}'].map(role => ({ role }))
  expect([...wrong, ...more, ...names, { role: 'r', grants: [] }, {}].filter(fits)).toEqual([])
})

it('the verifier for MySQL 8 is the one that its own servers make', () => {
  // The published example of hashcat's mode 7401.
  const salt = Buffer.from('F9CC98CE08892924F50A213B6BC571A2C11778C5', 'hex')
  expect(cachingSha2Verifier('hashcat', salt)).toMatch(/bTy95Y99eAME1dwEkHOA1ndHGBWz\.1bxSSRkuTXFGV\/$/)
  expect(cachingSha2Verifier(password())).toMatch(/^\$A\$005\$[0-9A-Za-z]{20}[./0-9A-Za-z]{43}$/)
})
