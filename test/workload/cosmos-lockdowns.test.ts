import { beforeEach, expect, test } from 'vitest'
import { unavailable } from '../../shared/errors.ts'
import { cosmosLockdowns, type RevokingLockdowns } from '../../shared/workload/cosmos-lockdowns.ts'
import { noon, paymentsApi } from '../rules/facts.ts'
import { failureOf } from './tokens.ts'

let change: (document: Readonly<Record<string, unknown>>) => void
let fresh: boolean
let lockdowns: RevokingLockdowns

beforeEach(() => {
  fresh = true
  lockdowns = cosmosLockdowns(onChange => {
    change = onChange
    return {
      async ensureFresh() {
        if (!fresh) throw unavailable('snapshot_stale')
      },
      stop: () => {},
    }
  })
})

const subject = { workload: paymentsApi, actor: undefined, target: 'orders-db', rules: [] }
const found = (time = noon) => lockdowns.find(subject, time)
const document = { schema: 1, id: 'incident-7', blocks: { namespace: 'payments' }, reason: 'stolen', _etag: '"1"' }

test('a lockdown that comes blocks, and one that is lifted does no more', async () => {
  expect(await found()).toBe(undefined)
  change(document)
  expect(await found()).toBe('incident-7')
  change({ id: 'incident-7', deleted: true, _etag: '"2"' })
  expect(await found()).toBe(undefined)
})

test('a lockdown that changes counts as it is now', async () => {
  change(document)
  change({ ...document, blocks: { namespace: 'billing' } })
  expect(await found()).toBe(undefined)
})

test('one of many is enough, and those that expired or name others do not count', async () => {
  change({ ...document, id: 'old', expiresAt: new Date(noon - 1).toISOString() })
  change({ ...document, id: 'other', blocks: { namespace: 'billing' } })
  expect(await found()).toBe(undefined)
  change({ ...document, id: 'third' })
  expect(await found()).toBe('third')
})

test.each<[string, object]>([
  ['has a member that nobody knows', { ...document, blocks: { namespac: 'billing' } }],
  ['has lost what it blocks', { id: 'incident-7', schema: 1, reason: 'x' }],
  ['is of another schema', { ...document, schema: 2, blocks: { namespace: 'billing' } }],
  ['is almost a tombstone', { id: 'incident-7', deleted: 'true' }],
])('a lockdown that %s blocks everything, until it can be read', async (_, unreadable) => {
  change(unreadable as Readonly<Record<string, unknown>>)
  expect(await found()).toBe('incident-7')
  change({ ...document, blocks: { namespace: 'billing' } })
  expect(await found()).toBe(undefined)
})

const revoking = async (time = noon) => (await lockdowns.revoking(time)).map(({ id }) => id)
const revokes = { ...document, revokeLeases: true }

test('leases are revoked by a lockdown that says so, while it stands', async () => {
  change(document)
  change({ ...revokes, id: 'revokes' })
  change({ ...revokes, id: 'until-noon', expiresAt: new Date(noon).toISOString() })
  expect(await revoking(noon - 1)).toEqual(['revokes', 'until-noon'])
  expect(await revoking()).toEqual(['revokes'])
  change({ id: 'revokes', deleted: true })
  expect(await revoking()).toEqual([])
})

test('a lockdown that cannot be read blocks everything and revokes nothing, even if it did before', async () => {
  change(revokes)
  change({ ...revokes, blocks: { namespac: 'payments' } })
  expect(await found()).toBe('incident-7')
  expect(await revoking()).toEqual([])
})

test('a snapshot that could be too old is 503, whether anything is blocked or not', async () => {
  fresh = false
  expect(await failureOf(revoking())).toMatchObject({ code: 'temporarily_unavailable', reason: 'snapshot_stale' })
  expect(await failureOf(found())).toMatchObject({ code: 'temporarily_unavailable', reason: 'snapshot_stale' })
})
