import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type RunningStack, runStack, send } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const lease = `${'0'.repeat(64)}.0`
const decision = '01a2028f-ad9a-72b1-8cc6-7e1d14ca08ba'
const signal = 'posture/cluster/aks-local/scan'

/** Who may ask which route: the answer to everybody else is 403. */
const routes: readonly [method: string, path: string, may: readonly string[]][] = [
  ['GET', 'decisions', ['Decisions.Read', 'Decisions.Read.payments']],
  ['GET', `decisions/${decision}`, ['Decisions.Read', 'Decisions.Read.payments']],
  ['GET', 'leases', ['Leases.Read', 'Leases.Read.payments', 'Leases.Revoke', 'Leases.Revoke.payments']],
  ['GET', `leases/${lease}`, ['Leases.Read', 'Leases.Read.payments', 'Leases.Revoke', 'Leases.Revoke.payments']],
  ['POST', `leases/${lease}/revoke`, ['Leases.Revoke', 'Leases.Revoke.payments']],
  ['POST', 'leases/revoke', ['Leases.Revoke', 'Leases.Revoke.payments']],
  ['GET', signal, ['Posture.Write', 'Rules.Read', 'Rules.Write', 'Rules.Approve', 'Trust.Write', 'Lockdown.Write']],
  ['PUT', signal, ['Posture.Write']],
  ['DELETE', signal, ['Posture.Write']],
  ['GET', 'lockdowns', ['Rules.Read', 'Rules.Write', 'Rules.Approve', 'Trust.Write', 'Lockdown.Write']],
  ['PUT', 'lockdowns/an-incident', ['Lockdown.Write']],
  ['DELETE', 'lockdowns/an-incident', ['Lockdown.Write']],
]

const roles = [
  'Rules.Read',
  'Rules.Write',
  'Rules.Approve',
  'Trust.Write',
  'Leases.Read',
  'Leases.Revoke',
  'Decisions.Read',
  'Lockdown.Write',
  'Posture.Write',
  'Leases.Read.payments',
  'Leases.Revoke.payments',
  'Decisions.Read.payments',
]
/** What looks like a role and is none: of no namespace, or one that has no suffix. */
const none = [
  'Decisions.Read.',
  'Decisions.Readpayments',
  'Decisions.Read.*',
  'Leases.Revoke.A b',
  'Posture.Write.payments',
  'Lockdown.Write.payments',
  'decisions.read',
]

describe.each(routes)('%s /manage/%s', (method, path, may) => {
  test('is for those who have one of its roles, and for nobody else', async () => {
    const told: string[] = []
    for (const role of [...roles, ...none]) {
      const { status } = await manage(path, { method, roles: [role] })
      if (status !== 403) told.push(role)
      expect([403, 200, 202, 400, 404, 428]).toContain(status)
    }
    expect(told.toSorted()).toEqual([...may].toSorted())
  })

  test("is not for a caller without an operator's token", async () => {
    const url = `${stack.gateway.url}/manage/${path}`
    expect((await send(url, { method })).status).toBe(401)
    const authorization = `Bearer ${await stack.podToken()}`
    expect((await send(url, { method, headers: { authorization } })).status).toBe(401)
  })

  test('tells another method which is right', async () => {
    expect(await manage(path, { method: 'PATCH' })).toMatchObject({ status: 405 })
  })
})
