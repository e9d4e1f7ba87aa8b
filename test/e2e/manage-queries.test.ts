import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { containers } from '../../infra/local/containers.ts'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterAll(async () => {
  expect(await stack?.leaks()).toEqual([])
  await stack?.stop()
})

/** A request that does something. */
interface Doing {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly roles?: readonly string[]
}

const toCreate = { 'if-none-match': '*' }
const toReplace = (etag: unknown) => ({ 'if-match': String(etag) })
const newId = () => `made-${randomUUID().slice(0, 8)}`
const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()

async function calendar(): Promise<{ path: string; body: Document; headers: Doing['headers'] & object }> {
  const id = newId()
  const [path, body] = [`calendars/${id}`, { schema: 1, id, days: ['2026-12-25'] }]
  const { body: made } = await manage(path, { method: 'PUT', body, headers: toCreate })
  return { path, body, headers: toReplace(made['etag']) }
}

async function version(): Promise<Doing> {
  const { path, headers } = await calendar()
  const [first] = (await manage(`${path}/versions`)).body['versions'] as [Document]
  return { method: 'POST', path: `${path}/versions/${first['id']}/restore`, headers }
}

async function change(what: 'approve' | 'withdraw'): Promise<Doing> {
  const id = newId()
  await stack.addTarget({ id, like: 'mainframe-ftp', scopes: ['login'], changes: { requireApproval: true } })
  const rule = `rules/${id}/allow-${id}`
  const { body } = await manage(rule)
  const changed = { ...(body['rule'] as Document), priority: 5 }
  const proposed = await manage(rule, { method: 'PUT', body: changed, headers: toReplace(body['etag']) })
  return { method: 'POST', path: `changes/${proposed.body['change']}/${what}`, roles: ['Rules.Approve'] }
}

/** A lease of a target and rule of their own, named alike but for `allow-`. */
async function lease(): Promise<{ id: string; target: string }> {
  const target = newId()
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'] })
  const { lease_id } = await stack.issue({ audience: target })
  return { id: String(lease_id), target }
}

async function stuckLease(): Promise<Doing> {
  const { id } = await lease()
  const past = { mintUntil: at(-60), expiresAt: at(-60) }
  await stack.changeLease(id, { state: 'revoking', attempts: 1, lastError: 'server_changed', ...past })
  return { method: 'POST', path: `leases/${id}/gone`, body: { reason: 'decommissioned' } }
}

async function removedRule(): Promise<Doing> {
  const { target } = await lease()
  const rule = `rules/${target}/allow-${target}`
  const headers = toReplace((await manage(rule)).body['etag'])
  expect((await manage(`${rule}?leases=keep`, { method: 'DELETE', headers })).status).toBe(200)
  return { method: 'POST', path: `${rule}/revoke-leases` }
}

const signal = () => `posture/cluster/aks-local/${newId()}`
const observation = () => ({ observedAt: at(-60), expiresAt: at(3600), value: { high: 0 } })

async function observed(): Promise<Doing> {
  const path = signal()
  expect((await manage(path, { method: 'PUT', body: observation() })).status).toBe(200)
  return { method: 'DELETE', path }
}

/** Every document that there is, but for what is counted meanwhile. */
async function everything(): Promise<readonly unknown[]> {
  const query = 'SELECT * FROM c'
  const read = containers.map(({ id }) => stack.documents.container(id).items.query<Document>(query).fetchAll())
  const documents = (await Promise.all(read)).flatMap(({ resources }) => resources)
  return documents.filter(({ kind }) => kind !== 'count')
}

const lockdown = { schema: 1, blocks: { namespace: 'nobody' }, reason: 'an exercise' }

test.each<[string, string, () => Doing | Promise<Doing>]>([
  ['PUT', 'dryrun', async () => ({ method: 'PUT', ...(await calendar()) })],
  ['DELETE', 'dryrun', async () => ({ method: 'DELETE', ...(await calendar()) })],
  ['restore', 'dryrun', version],
  ['a lockdown', 'dryrun', () => ({ method: 'POST', path: 'lockdowns', body: lockdown })],
  ['approve', 'dryRun', () => change('approve')],
  ['withdraw', 'dryRun', () => change('withdraw')],
  ['PUT of posture', 'dryRun', () => ({ method: 'PUT', path: signal(), body: observation() })],
  ['DELETE of posture', 'dryRun', observed],
  ['revoke', 'dryRun', async () => ({ method: 'POST', path: `leases/${(await lease()).id}/revoke` })],
  [
    'revoke by filter',
    'dryrun',
    async () => {
      const filter = { target: (await lease()).target }
      return { method: 'POST', path: 'leases/revoke', body: { filter, expected: 1 } }
    },
  ],
  ['gone', 'dryRun', stuckLease],
  ['what a removed rule left', 'dryRun', removedRule],
  ['check of a target', 'dryRun', () => ({ method: 'POST', path: 'targets/orders-db/check' })],
  [
    'evaluation of a token',
    'dryRun',
    async () => {
      const body = { token: await stack.podToken(), target: 'orders-db' }
      return { method: 'POST', path: 'evaluate', body }
    },
  ],
])('%s with ?%s=true, which it does not take, changes nothing, and without it does', async (_, parameter, make) => {
  const { path, ...doing } = await make()
  const before = await everything()
  const { status, headers, body } = await manage(`${path}?${parameter}=true`, doing)
  expect({ status, type: headers.get('content-type'), body }).toMatchObject({
    status: 400,
    type: 'application/problem+json',
    body: { problems: [{ pointer: `/${parameter}`, detail: 'expected no such parameter' }] },
  })
  expect(await everything()).toEqual(before)
  expect([200, 201, 202]).toContain((await manage(path, doing)).status)
  expect(await everything()).not.toEqual(before)
})

test('a lease is not revoked by POST leases/{id}/revoke?dryRun=true', async () => {
  const { id } = await lease()
  const state = async () => (await stack.leases()).find(one => one['id'] === id)?.['state']
  expect((await manage(`leases/${id}/revoke?dryRun=true`, { method: 'POST' })).status).toBe(400)
  expect(await state()).toBe('active')
  expect((await manage(`leases/${id}/revoke`, { method: 'POST' })).status).toBe(202)
  expect(await state()).toBe('revoking')
})
