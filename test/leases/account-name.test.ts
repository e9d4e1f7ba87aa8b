import { describe, expect, test } from 'vitest'
import { type AccountForm, accountForm } from '../../shared/account-form.ts'
import { accountName, ownNames } from '../../shared/leases/account-name.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { paymentsApi } from '../rules/facts.ts'

const templates = [
  'cw_{deployment}_{lease}',
  'c_{deployment}_{namespace}_{lease}',
  'svc_{deployment}_{lease}_{serviceAccount}',
]

function formOf(name?: string, longestName = 63): AccountForm {
  return { ...accountForm.parse(name === undefined ? {} : { name }), longestName }
}

function nameOf(form: AccountForm, lease = 'slot.0', workload: Partial<Workload> = {}): string {
  return accountName({ form, deployment: 'prod', lease, workload: { ...paymentsApi, ...workload } })
}

describe('the name of an account', () => {
  test('is 32 characters at most unless its target says otherwise, for the longest deployment too', () => {
    const longest = accountName({
      form: formOf(undefined, 32),
      deployment: 'd'.repeat(12),
      lease: 'a.0',
      workload: paymentsApi,
    })
    expect(longest).toMatch(/^cw_d{12}_[a-z2-7]{16}$/)
    expect(longest).toHaveLength(32)
  })

  test("shows as much of the workload's names as fits", () => {
    expect(nameOf(formOf('c_{deployment}_{namespace}_{lease}'))).toMatch(/^c_prod_payments_[a-z2-7]{16}$/)
    expect(nameOf(formOf('c_{deployment}_{namespace}_{lease}', 30))).toMatch(/^c_prod_paymen_[a-z2-7]{16}$/)
  })

  test.each([`x'; DROP ROLE "admin" --`, 'Ünïcode-\u202e', 'n'.repeat(300), ''])(
    'is [a-z0-9_] alone for a namespace called %j',
    namespace => {
      const workload = { namespace, serviceAccount: { name: namespace, uid: 'uid' } }
      for (const template of templates) {
        for (const longestName of [40, 63]) {
          const name = nameOf(formOf(template, longestName), 'slot.0', workload)
          expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
          expect(name.length).toBeLessThanOrEqual(longestName)
        }
      }
    },
  )

  test('is another for another lease, whatever the template', () => {
    for (const template of templates) {
      expect(nameOf(formOf(template), 'slot.0')).toBe(nameOf(formOf(template), 'slot.0'))
      expect(nameOf(formOf(template), 'slot.0')).not.toBe(nameOf(formOf(template), 'slot.1'))
    }
  })
})

describe('the names of one deployment', () => {
  test.each(templates)('are told from all others: %s', template => {
    const { prefix, isOwn } = ownNames(formOf(template), 'prod')
    const name = nameOf(formOf(template))
    expect(isOwn(name)).toBe(true)
    expect(name.startsWith(prefix)).toBe(true)
    const others = [`${name}-`, `x${name}`, name.replace('prod', 'prod2'), name.replace('prod', 'pro'), name.slice(1)]
    expect(others.filter(isOwn)).toEqual([])
  })

  test("do not hold a person's account that begins alike", () => {
    const { isOwn } = ownNames(formOf(), 'prod')
    expect(['cw_prod_admin', 'cw_prod_', 'cw_prod_ABCDEFGHIJKLMNOP', 'cw_prod_abcdefghijklmno1'].filter(isOwn)).toEqual(
      [],
    )
  })
})
