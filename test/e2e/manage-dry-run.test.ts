import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'
import { until } from './until.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const toCreate = { 'if-none-match': '*' }
const toReplace = (etag: unknown) => ({ 'if-match': String(etag) })
const payments = { issuer: 'aks-local', subject: 'system:serviceaccount:payments:api' }

const allowRule = (id: string, target: string, changes: Document = {}) => ({
  schema: 1,
  id,
  target,
  effect: 'allow',
  workloads: [{ issuer: 'aks-local', namespace: 'payments' }],
  scopes: ['read'],
  ...changes,
})

/** A target of its own that `payments` gets a lease of, under the rule `allow-<target>`. */
async function leased(): Promise<{ target: string; path: string; etag: string; lease: string }> {
  const target = `orders-${randomUUID().slice(0, 8)}`
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'] })
  const { lease_id: lease } = await stack.issue({ audience: target })
  const path = `rules/${target}/allow-${target}`
  return { target, path, etag: String((await manage(path)).body['etag']), lease: String(lease) }
}

/** As if no instance could give anything by the rule any more. */
async function removedLongAgo(target: string): Promise<void> {
  const id = `allow-${target}`
  const versions = stack.documents.container('versions')
  const of = JSON.stringify(['rules', target, id])
  const { resources } = await versions.items.query<Document>('SELECT * FROM c', { partitionKey: of }).fetchAll()
  const at = new Date(Date.now() - 31_000).toISOString()
  for (const version of resources) await versions.item(String(version['id']), of).replace({ ...version, at })
}

const leaseOf = async (id: string) => (await stack.leases()).find(lease => lease['id'] === id)

describe('a dry run', () => {
  test('of a save tells what would be different, and whom it would newly deny, and saves nothing', async () => {
    const { target, path, etag } = await leased()
    const before = await manage(path)
    const body = { ...(before.body['rule'] as Document), workloads: [{ issuer: 'aks-local', namespace: 'billing' }] }
    const answer = await manage(`${path}?dryRun=true`, { method: 'PUT', body, headers: toReplace(etag) })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      etag,
      diff: [{ pointer: '/workloads/0/namespace', before: 'payments', after: 'billing' }],
      impact: { newlyDenied: [{ target, workload: payments, calls: 1 }], newlyAllowed: [], judged: 1, complete: true },
    })
    expect((await manage(path)).body).toEqual(before.body)
  })

  test('of what is there already has no impact, though others were denied before, and tells how many those are', async () => {
    const { target, path } = await leased()
    const billing = await stack.podToken('billing/batch')
    expect((await stack.exchange({ audience: target, subject_token: billing })).status).toBe(400)
    const rule = allowRule('later', target, { workloads: [{ issuer: 'aks-local', namespace: 'billing' }] })
    expect((await manage(`rules/${target}/later`, { method: 'PUT', body: rule, headers: toCreate })).status).toBe(201)
    const { rule: body } = (await manage(path)).body
    expect((await manage(`${path}?dryRun=true`, { method: 'PUT', body })).body).toMatchObject({
      diff: [],
      impact: { newlyAllowed: [], newlyDenied: [], judged: 2, drift: 1 },
    })
  })

  test('of a removal tells whom it would deny, and of a rule that is new whom it would allow', async () => {
    const { target, path } = await leased()
    const removal = await manage(`${path}?dryRun=true`, { method: 'DELETE' })
    expect(removal.body).toMatchObject({ impact: { newlyDenied: [{ workload: payments, calls: 1 }] } })
    expect((removal.body['diff'] as Document[])[0]).toMatchObject({ pointer: '', before: { target } })
    const billing = await stack.podToken('billing/batch')
    expect((await stack.exchange({ audience: target, subject_token: billing })).status).toBe(400)
    const body = allowRule('new', target, { workloads: [{ issuer: 'aks-local', namespace: 'billing' }] })
    const draft = await manage(`rules/${target}/new?dryRun=true`, { method: 'PUT', body, headers: toCreate })
    expect(draft.body).toMatchObject({ impact: { newlyAllowed: [{ calls: 1, scopes: ['read'] }], newlyDenied: [] } })
    expect((await manage(`rules/${target}/new`)).status).toBe(404)
  })

  test('of a guardrail judges the recorded decisions of every target, and warns of what it makes unreachable', async () => {
    const { target } = await leased()
    const id = `guard-${randomUUID()}`
    const body = { schema: 1, id, target: '*', effect: 'deny', workloads: [{ issuer: '*', namespace: 'payments' }] }
    const answer = await manage(`guardrails/${id}?dryRun=true`, { method: 'PUT', body })
    const { newlyDenied } = answer.body['impact'] as { newlyDenied: Document[] }
    expect(newlyDenied).toContainEqual(expect.objectContaining({ target, workload: payments, calls: 1 }))
    expect(answer.body['lint']).toContainEqual(expect.objectContaining({ kind: 'unreachable', target }))
    expect(answer.body['lintComplete']).toBe(true)
  })

  test('answers what the save would: a stale ETag, a document that is refused, one that is not there', async () => {
    const { target, path } = await leased()
    const body = allowRule(`allow-${target}`, target, { scopes: ['drop'] })
    const refused = await manage(`${path}?dryRun=true`, { method: 'PUT', body })
    expect({ status: refused.status, problems: refused.body['problems'] }).toMatchObject({
      status: 422,
      problems: [{ pointer: '/scopes/0' }],
    })
    const stale = await manage(`${path}?dryRun=true`, { method: 'DELETE', headers: toReplace('"stale"') })
    expect(stale.status).toBe(412)
    expect((await manage('rules/orders-db/nothing?dryRun=true', { method: 'DELETE' })).status).toBe(404)
  })

  test('that is misspelt saves nothing, and of a target it tells the difference', async () => {
    const { target } = await leased()
    const { target: document, etag } = (await manage(`targets/${target}`)).body
    const body = { ...(document as Document), maxTtl: 'PT2H' }
    const headers = toReplace(etag)
    expect((await manage(`targets/${target}?dryRun=yes`, { method: 'PUT', body, headers })).status).toBe(400)
    const answer = await manage(`targets/${target}?dryRun=true`, { method: 'PUT', body, headers })
    expect(answer.body).toMatchObject({ diff: [{ pointer: '/maxTtl', before: 'PT1H', after: 'PT2H' }] })
    expect((await manage(`targets/${target}`)).body['etag']).toBe(etag)
  })
})

describe('who removes a rule', () => {
  test('has to say what becomes of its leases, and until then removes nothing', async () => {
    const { path, etag } = await leased()
    const answer = await manage(path, { method: 'DELETE', headers: toReplace(etag) })
    expect({ status: answer.status, detail: answer.body['detail'] }).toEqual({
      status: 400,
      detail: expect.stringMatching(/leases=keep.*leases=revoke/),
    })
    expect((await manage(path)).status).toBe(200)
  })

  test('and keeps its leases lets them live', async () => {
    const { path, etag, lease } = await leased()
    expect((await manage(`${path}?leases=keep`, { method: 'DELETE', headers: toReplace(etag) })).status).toBe(200)
    expect(await leaseOf(lease)).toMatchObject({ state: 'active' })
  })

  test('and revokes its leases marks those, and no others, as due', async () => {
    const { target, path, etag, lease } = await leased()
    const workloads = [{ issuer: 'aks-local', namespace: 'billing' }]
    await stack.documents.container('rules').items.create(allowRule('another', target, { workloads }))
    const subject_token = await stack.podToken('billing/batch')
    const asked = () => stack.exchange({ audience: target, subject_token })
    const other = String((await until(asked, ({ status }) => status === 200)).body['lease_id'])
    const answer = await manage(`${path}?leases=revoke`, { method: 'DELETE', headers: toReplace(etag) })
    expect(answer.body).toMatchObject({ removed: true, leases: { marked: 1, more: true, againAfter: 15 } })
    expect(await leaseOf(lease)).toMatchObject({ cause: 'operator' })
    expect(await leaseOf(other)).toMatchObject({ state: 'active' })
    const again = await manage(`${path}/revoke-leases`, { method: 'POST' })
    expect(again.body).toMatchObject({ leases: { marked: 0, more: true, againAfter: 15 } })
    await removedLongAgo(target)
    const late = await manage(`${path}/revoke-leases`, { method: 'POST' })
    expect(late.body).toMatchObject({ leases: { marked: 0, more: false } })
    expect((await manage(`rules/${target}/another/revoke-leases`, { method: 'POST' })).status).toBe(409)
  })
})
