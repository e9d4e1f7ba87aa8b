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

interface Leased {
  readonly target: string
  readonly path: string
  readonly etag: string
  readonly lease: string
  /** How often it was asked for, each time for another lease: twice where a window was about to end the first time. */
  readonly calls: number
}

/** A target of its own that `payments` gets a lease of, under the rule `allow-<target>`. */
async function leased(): Promise<Leased> {
  const target = `orders-${randomUUID().slice(0, 8)}`
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'] })
  const { lease_id: lease } = await stack.issue({ audience: target })
  const path = `rules/${target}/allow-${target}`
  const { length: calls } = (await stack.leases()).filter(one => one['target'] === target)
  return { target, path, etag: String((await manage(path)).body['etag']), lease: String(lease), calls }
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
    const { target, path, etag, calls } = await leased()
    const before = await manage(path)
    const body = { ...(before.body['rule'] as Document), workloads: [{ issuer: 'aks-local', namespace: 'billing' }] }
    const answer = await manage(`${path}?dryRun=true`, { method: 'PUT', body, headers: toReplace(etag) })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      etag,
      diff: [{ pointer: '/workloads/0/namespace', before: 'payments', after: 'billing' }],
      impact: { newlyDenied: [{ target, workload: payments, calls }], newlyAllowed: [], judged: calls, complete: true },
    })
    expect((await manage(path)).body).toEqual(before.body)
  })

  test('of what is there already has no impact, though others were denied before, and tells how many those are', async () => {
    const { target, path, calls } = await leased()
    const billing = await stack.podToken('billing/batch')
    expect((await stack.exchange({ audience: target, subject_token: billing })).status).toBe(400)
    const rule = allowRule('later', target, { workloads: [{ issuer: 'aks-local', namespace: 'billing' }] })
    expect((await manage(`rules/${target}/later`, { method: 'PUT', body: rule, headers: toCreate })).status).toBe(201)
    const { rule: body } = (await manage(path)).body
    expect((await manage(`${path}?dryRun=true`, { method: 'PUT', body })).body).toMatchObject({
      diff: [],
      impact: { newlyAllowed: [], newlyDenied: [], judged: calls + 1, drift: 1 },
    })
  })

  test('of a removal tells whom it would deny, and of a rule that is new whom it would allow', async () => {
    const { target, path, calls } = await leased()
    const removal = await manage(`${path}?dryRun=true`, { method: 'DELETE' })
    expect(removal.body).toMatchObject({ impact: { newlyDenied: [{ workload: payments, calls }] } })
    expect((removal.body['diff'] as Document[])[0]).toMatchObject({ pointer: '', before: { target } })
    const billing = await stack.podToken('billing/batch')
    expect((await stack.exchange({ audience: target, subject_token: billing })).status).toBe(400)
    const body = allowRule('new', target, { workloads: [{ issuer: 'aks-local', namespace: 'billing' }] })
    const draft = await manage(`rules/${target}/new?dryRun=true`, { method: 'PUT', body, headers: toCreate })
    expect(draft.body).toMatchObject({ impact: { newlyAllowed: [{ calls: 1, scopes: ['read'] }], newlyDenied: [] } })
    expect((await manage(`rules/${target}/new`)).status).toBe(404)
  })

  test('of a guardrail judges the recorded decisions of every target, and warns of what it makes unreachable', async () => {
    const { target, calls } = await leased()
    const id = `guard-${randomUUID()}`
    const body = { schema: 1, id, target: '*', effect: 'deny', workloads: [{ issuer: '*', namespace: 'payments' }] }
    const answer = await manage(`guardrails/${id}?dryRun=true`, { method: 'PUT', body })
    const { newlyDenied } = answer.body['impact'] as { newlyDenied: Document[] }
    expect(newlyDenied).toContainEqual(expect.objectContaining({ target, workload: payments, calls }))
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

describe('a dry run of what rules rest on', () => {
  const tried = async (path: string, changes?: Document) => {
    const found = Object.entries((await manage(path)).body).find(([, value]) => typeof value === 'object')
    const body = { ...(found?.[1] as Document), ...changes }
    const answer = await manage(`${path}?dryRun=true`, changes ? { method: 'PUT', body } : { method: 'DELETE' })
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 })
    return answer.body
  }
  const none = { newlyAllowed: [], newlyDenied: [] }
  const denied = (reason: string, calls: number) => ({
    newlyAllowed: [],
    newlyDenied: [{ workload: payments, calls, reason }],
  })

  test('of a target tells whose requests it would end, and which rules would name nothing', async () => {
    const { target, calls } = await leased()
    const path = `targets/${target}`
    expect(await tried(path, {})).toMatchObject({
      diff: [],
      lint: [],
      lintComplete: true,
      impact: { ...none, judged: calls },
    })
    expect(await tried(path, { enabled: false })).toMatchObject({ impact: denied('target_disabled', calls) })
    const nothing = { target, rule: `allow-${target}`, kind: 'names-nothing' }
    const { target: document } = (await manage(path)).body
    const { read: _, ...scopes } = (document as Document)['scopes'] as Document
    const changes = { scopes, defaultScopes: [] }
    expect(await tried(path, changes)).toMatchObject({ lint: [nothing], impact: denied('scope_unknown', calls) })
    expect(await tried(path)).toMatchObject({ lint: [nothing], impact: denied('target_unknown', calls) })
    const dev = await tried(path, { labels: { environment: 'dev' } })
    expect(dev).toMatchObject({ impact: denied('condition_not_met', calls) })
  })

  test('of an issuer tells whose requests it would end, and which rules would be about others or nobody', async () => {
    const { target, calls } = await leased()
    const about = { target, rule: `allow-${target}` }
    const path = 'issuers/aks-local'
    const mine = (body: Document, outcome: string) =>
      ((body['impact'] as Document)[outcome] as Document[]).filter(change => change['target'] === target)
    const same = await tried(path, {})
    expect(same).toMatchObject({ diff: [], lint: [], impact: none })
    const off = await tried(path, { enabled: false })
    expect(off['lint']).toContainEqual(expect.objectContaining({ ...about, kind: 'names-nothing' }))
    expect(mine(off, 'newlyDenied')).toMatchObject([{ workload: payments, calls, reason: 'issuer_disabled' }])
    expect(mine(await tried(path), 'newlyDenied')).toMatchObject([{ reason: 'issuer_unknown' }])
    const labelled = allowRule('labelled', target, { workloads: [{ issuer: { labels: { tier: 'gold' } } }] })
    await stack.documents.container('rules').items.create({ ...labelled, crossEnvironment: true })
    const gold = await tried(path, { labels: { tier: 'gold', environment: 'dev' } })
    const selection = { target, rule: 'labelled', kind: 'selection', text: 'it would be about issuer "aks-local"' }
    expect(gold['lint']).toContainEqual(selection)
    expect(mine(gold, 'newlyDenied')).toEqual([])
  })

  test('of an issuer that acts for others tells which those are', async () => {
    const [id, other] = [`portal-${randomUUID().slice(0, 8)}`, `legacy-${randomUUID().slice(0, 8)}`]
    const issuer = { schema: 1, kind: 'oidc', audiences: ['x'] }
    const { items } = stack.documents.container('issuers')
    await items.create({ ...issuer, id, issuerUrl: `https://${id}.example/` })
    const actors = [{ issuer: id, subject: 'portal' }]
    await items.create({ ...issuer, id: other, issuerUrl: `https://${other}.example/`, actors })
    expect(await tried(`issuers/${id}`)).toMatchObject({ lint: [{ issuer: other, kind: 'names-nothing' }] })
  })

  test('of a calendar tells whose requests its days would end, and the rules that would miss it', async () => {
    const { target, path, calls } = await leased()
    const id = `days-${randomUUID().slice(0, 8)}`
    const calendar = { schema: 1, id, days: ['2020-12-25'] }
    await stack.documents.container('calendars').items.create(calendar)
    const time = [{ from: '00:00', to: '24:00', timeZone: 'UTC', notOn: [id] }]
    const { rule, etag } = (await manage(path)).body
    const body = { ...(rule as Document), conditions: { time } }
    expect((await manage(path, { method: 'PUT', body, headers: toReplace(etag) })).status).toBe(200)
    expect(await tried(`calendars/${id}`, {})).toMatchObject({ lint: [], impact: { ...none, judged: calls } })
    // The request was yesterday, if it is midnight by now.
    const days = [0, 86_400_000].map(ago => new Date(Date.now() - ago).toISOString().slice(0, 10))
    expect(await tried(`calendars/${id}`, { days })).toMatchObject({
      lint: [],
      impact: denied('condition_not_met', calls),
    })
    const missed = { target, rule: `allow-${target}`, kind: 'calendar' }
    expect(await tried(`calendars/${id}`)).toMatchObject({ lint: [missed], impact: denied('condition_not_met', calls) })
  })

  test('of a lockdown tells how many live leases it names', async () => {
    const { target, calls } = await leased()
    const body = { schema: 1, id: 'tried', blocks: { target }, reason: 'an exercise' }
    const answer = await manage('lockdowns/tried?dryRun=true', { method: 'PUT', body })
    expect(answer.body).toMatchObject({ dryRun: true, matchingLeases: { found: calls, more: false } })
    expect((await manage('lockdowns/tried')).status).toBe(404)
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
    const { target, path, etag, lease, calls } = await leased()
    const workloads = [{ issuer: 'aks-local', namespace: 'billing' }]
    await stack.documents.container('rules').items.create(allowRule('another', target, { workloads }))
    const subject_token = await stack.podToken('billing/batch')
    const asked = () => stack.exchange({ audience: target, subject_token })
    const other = String((await until(asked, ({ status }) => status === 200)).body['lease_id'])
    const answer = await manage(`${path}?leases=revoke`, { method: 'DELETE', headers: toReplace(etag) })
    expect(answer.body).toMatchObject({ removed: true, leases: { marked: calls, more: true, againAfter: 15 } })
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
