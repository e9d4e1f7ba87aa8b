import { beforeEach, expect, test } from 'vitest'
import { Secret } from '../../shared/credentials/secret.ts'
import type { HeldLease } from '../../shared/leases/hold-lease.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { noon, paymentsApi } from '../rules/facts.ts'
import { instanceOn, type LeaseMemory, leaseMemory, requestOf, storeDown } from './lease-store.ts'

let store: LeaseMemory
let held: HeldLease
const leases = () => instanceOn(store, { time: noon })

beforeEach(async () => {
  store = leaseMemory()
  const first = leases()
  held = await first.hold(requestOf(), 'decision-1')
  await first.activate(held)
})

const find = (token: string, workload = paymentsApi) => leases().findHeld(new Secret(token), workload)

test('a workload finds its own lease by its id and by its secret', async () => {
  expect((await find(held.stored.lease.id))?.lease.id).toBe(held.stored.lease.id)
  expect((await find(held.secret.reveal()))?.lease.id).toBe(held.stored.lease.id)
})

test('a workload finds it with a token that another key signed', async () => {
  const workload = { ...paymentsApi, token: { ...paymentsApi.token, keyId: 'key-2' } }
  expect((await find(held.stored.lease.id, workload))?.lease.id).toBe(held.stored.lease.id)
})

test.each<[string, Workload]>([
  ['another pod', { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } }],
  ['another service account', { ...paymentsApi, subject: 'system:serviceaccount:billing:batch' }],
  ['a service account made anew', { ...paymentsApi, serviceAccount: { name: 'api', uid: 'new' } }],
  ['another issuer', { ...paymentsApi, issuer: { ...paymentsApi.issuer, id: 'aks-dev' } }],
])('%s finds it neither by its id nor by its secret', async (_, workload) => {
  expect(await find(held.stored.lease.id, workload)).toBe(undefined)
  expect(await find(held.secret.reveal(), workload)).toBe(undefined)
})

test.each(['', 'x', '0'.repeat(64), `${'0'.repeat(64)}.0`, `${'0'.repeat(64)}.9`])(
  'nothing is found by "%s"',
  async token => {
    expect(await find(token)).toBe(undefined)
  },
)

test("a lease that is not active is nobody's", async () => {
  store.put({ ...held.stored.lease, state: 'revoking' })
  expect(await find(held.stored.lease.id)).toBe(undefined)
  expect(await find(held.secret.reveal())).toBe(undefined)
})

test('a lease that changed since it was found is not given back unseen', async () => {
  const found = await find(held.stored.lease.id)
  if (!found) throw new Error('expected to find the lease')
  store.put(found.lease)
  await expect(leases().release(found)).rejects.toMatchObject({ reason: 'lease_lost' })
  store.before('replace', storeDown)
  await expect(leases().release(found)).rejects.toMatchObject({ reason: 'lease_unavailable' })
})
