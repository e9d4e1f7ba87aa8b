import { describe, expect, test } from 'vitest'
import { accountForm, roomForVariables } from '../shared/account-form.ts'

const accepts = (name: string) => accountForm.safeParse({ name }).success

describe('the template of account names', () => {
  test.each(['cw_{deployment}_{lease}', 'a1_{deployment}_x{namespace}_{serviceAccount}_{lease}_z'])(
    'may be %s',
    name => {
      expect(accepts(name)).toBe(true)
    },
  )

  test.each([
    ['names no lease: two accounts would be one', 'cw_{deployment}_'],
    ['names no deployment: nobody could tell whose it is', 'cw_{lease}'],
    ['lets two deployments begin alike', 'cw_{deployment}{lease}'],
    ['begins as another deployment does', 'cw_pro{deployment}_{lease}'],
    ['begins with the deployment: a word of another may be its name', '{deployment}_{namespace}_{lease}'],
    ['has two words before the deployment: the second may be the name of one', 'cw_a_{deployment}_{lease}'],
    ['has what changes before the deployment', '{lease}_{deployment}_'],
    ['names the lease twice', '{deployment}_{lease}{lease}'],
    ['names what there is not', '{deployment}_{pod}_{lease}'],
    ['holds a quote', `cw"_{deployment}_{lease}`],
    ['holds capitals', 'CW_{deployment}_{lease}'],
    ['begins with a digit', '1_{deployment}_{lease}'],
    ['leaves a brace open', '{deployment}_{lease}_{'],
  ])('is refused where it %s', (_, name) => {
    expect(accepts(name)).toBe(false)
  })

  test('has room for what changes, or not', () => {
    expect(roomForVariables('cw_{deployment}_{lease}', 32)).toBe(1)
    expect(roomForVariables('cws_{deployment}_{lease}', 32)).toBe(0)
    expect(roomForVariables('c_{deployment}_{lease}_{namespace}', 33)).toBe(1)
    expect(roomForVariables('c_{deployment}_{namespace}_{serviceAccount}_{lease}', 63)).toBe(15)
  })
})

describe('the password', () => {
  test('has 160 bits at least', () => {
    const digits = '0123456789'
    expect(accountForm.safeParse({ password: { length: 48, alphabet: digits } }).success).toBe(false)
    expect(accountForm.safeParse({ password: { length: 49, alphabet: digits } }).success).toBe(true)
  })

  test.each([
    ['a character twice', { alphabet: 'aabcdefghijklmnop' }],
    ['a space', { alphabet: 'abc defghijklmnop' }],
    ['what is not ASCII', { alphabet: 'abcdefghijklmnopä' }],
    ['19 characters', { length: 19 }],
    ['65 characters', { length: 65 }],
  ])('may not have %s', (_, password) => {
    expect(accountForm.safeParse({ password }).success).toBe(false)
  })
})
