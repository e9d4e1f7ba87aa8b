import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../../infra/local/cluster/cluster.ts'
import { audience, operator, pods, approver as second, serviceAccounts } from '../../infra/local/world.ts'
import { causeway, folderOf } from '../cli/causeway.ts'
import { type Answer, type Document, logIn, type RunningStack, runStack, send } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack
let cluster: Cluster
let writer: string
let approver: string

beforeAll(async () => {
  stack = await runStack()
  const place = { certificate: await stack.authority.issue(), dir: join(folderOf(stack), 'new-cluster') }
  cluster = await startCluster({ ...place, id: 'aks-new', serviceAccounts, pods })
  writer = await stack.operatorToken()
  approver = await stack.operatorToken({ application: 'approver' })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(async () => {
  await cluster?.stop()
  await stack?.stop()
})

type Ask = (path: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>

const asking =
  (method: string) =>
  (path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}, bearer = writer): Promise<Answer> =>
    send(`${stack.gateway.url}/manage/${path}`, {
      method,
      headers: { ...headers, authorization: `Bearer ${bearer}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
const [get, put, ask] = ['GET', 'PUT', 'POST'].map(asking) as [Ask, Ask, ReturnType<typeof asking>]
const absent = { 'if-none-match': '*' }
const at = (etag: unknown) => ({ 'if-match': String(etag) })

/** A pod of the new cluster asks for a login. */
const exchange = (subject_token: string) => () =>
  stack.exchange({ audience: 'orders-db', scope: 'read', subject_token })
const reasonOf = async ({ body }: Answer) => (await stack.recordsOf(String(body['decision_id'])))[0]?.reason

/** A change that another person has to approve: who proposed it may not, and nothing is changed until then. */
async function approved(proposed: Answer): Promise<void> {
  const { change } = proposed.body
  expect({ status: proposed.status, change }).toEqual({ status: 202, change: expect.any(String) })
  const roles = ['Rules.Write', 'Rules.Approve']
  const same = await stack.tenant.sign({ aud: audience, azp: randomUUID(), oid: operator.objectId, roles })
  const refused = await ask(`changes/${change}/approve`, undefined, {}, same)
  expect(refused).toMatchObject({ status: 403, body: { detail: expect.stringContaining('another person') } })
  expect((await get(`changes/${change}`)).body).toMatchObject({ change: { state: 'proposed' } })
  expect((await ask(`changes/${change}/approve`, undefined, {}, approver)).status).toBe(200)
}

async function doctor(tokenFile: string) {
  return causeway(['doctor', 'issuer', 'aks-new', '--token-file', tokenFile, '--stack', folderOf(stack)])
}

/** As an auditor does, after the timer has signed. */
async function verifyLog() {
  await stack.gateway.runTimer('checkpoint')
  const { auditor, ca, checkpointKey, cosmos } = stack.description
  const from = new Date(Date.now() - 3_600_000).toISOString()
  const where = ['--key', checkpointKey, '--endpoint', cosmos.endpoint, '--database', cosmos.database]
  return causeway(['verify-log', ...where, '--from', from], {
    IDENTITY_ENDPOINT: auditor.endpoint,
    IDENTITY_HEADER: auditor.header,
    AZURE_CLIENT_ID: auditor.clientId,
    NODE_EXTRA_CA_CERTS: ca,
  })
}

/** What the log tells of some decisions, oldest first. */
async function told(query: Readonly<Record<string, string>>): Promise<readonly Document[]> {
  const [from, to] = [-3_600_000, 3_600_000].map(offset => new Date(Date.now() + offset).toISOString())
  const range = { from: String(from), to: String(to), order: 'oldest' }
  const { status, body } = await get(`decisions?${new URLSearchParams({ ...range, ...query })}`)
  expect(status).toBe(200)
  return body['decisions'] as Document[]
}

test("an operator's day: a cluster comes, is mended, gets a rule by two persons and loses it in an incident, and the log proves it", async () => {
  const token = await cluster.token({ ...pod, audiences: [audience] })
  const tokenFile = join(folderOf(stack), 'pod-token')
  await writeFile(tokenFile, token)
  await registerAndMend(token, tokenFile)
  await agreeOnRule(token)
  const issued = await stack.issue({ audience: 'orders-db', scope: 'read', subject_token: token })
  // Nobody waits here until no instance may still be making the account.
  await stack.changeLease(String(issued.lease_id), { mintUntil: new Date(Date.now() - 60_000).toISOString() })
  const session = await logIn(issued)
  expect((await session.query('SELECT count(*)::int AS orders FROM orders')).rows).toEqual([{ orders: 3 }])
  await lockOut(token, String(issued.lease_id))
  await expect(session.query('SELECT')).rejects.toThrow()
  await expect(logIn(issued)).rejects.toMatchObject({ code: '28P01' })
  await expectLogToTell(String(issued.lease_id))
  expect(await verifyLog()).toMatchObject({ code: 0, err: '' })
})

const pod = { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-x2x7k' }

/** A new cluster is registered for an audience that its pods do not project tokens for; the doctor tells, and it is mended. */
async function registerAndMend(token: string, tokenFile: string): Promise<void> {
  const { issuer: model } = (await get('issuers/aks-local')).body
  const issuer = { ...(model as Document), id: 'aks-new', issuerUrl: cluster.issuerUrl, audiences: ['api://other'] }
  const { status, body } = await put('issuers/aks-new', issuer, absent)
  expect(status).toBe(201)
  const found = await ask('issuers/aks-new/check', { token })
  expect(found.body['token']).toMatchObject({ ok: false, check: 'token_audience', found: audience })
  expect(await doctor(tokenFile)).toMatchObject({ code: 2, out: expect.stringMatching(/^FAIL {2}token_audience/m) })
  const mended = { ...issuer, audiences: [audience] }
  expect((await put('issuers/aks-new', mended, at('"another"'))).status).toBe(412)
  expect((await put('issuers/aks-new', mended, at(body['etag']))).status).toBe(200)
  expect(await doctor(tokenFile)).toMatchObject({ code: 0, out: expect.stringContaining('"namespace": "payments"') })
}

/** The target wants two persons from now on. What the rule would change is read before it is proposed. */
async function agreeOnRule(token: string): Promise<void> {
  const known = await until(exchange(token), ({ body }) => body['error'] === 'invalid_target')
  expect(await reasonOf(known)).toBe('no_rule')
  const { target, etag } = (await get('targets/orders-db')).body
  await approved(await put('targets/orders-db', { ...(target as Document), requireApproval: true }, at(etag)))
  const workloads = [{ issuer: 'aks-new', namespace: 'payments', serviceAccount: 'api' }]
  const rule = { schema: 1, id: 'new-api', target: 'orders-db', effect: 'allow', workloads, scopes: ['read'] }
  const tried = await put('rules/orders-db/new-api?dryRun=true', rule, absent)
  expect(tried.body).toMatchObject({
    requiresApproval: true,
    impact: { newlyAllowed: [{ target: 'orders-db', workload: { issuer: 'aks-new' }, calls: 1 }], newlyDenied: [] },
  })
  expect(await reasonOf(await exchange(token)())).toBe('no_rule')
  await approved(await put('rules/orders-db/new-api', rule, absent))
  await until(exchange(token), ({ status }) => status === 200)
}

/** The cluster is locked out with what it has. */
async function lockOut(token: string, lease: string): Promise<void> {
  const blocks = { issuer: 'aks-new' }
  const lockdown = { schema: 1, id: 'incident-42', blocks, reason: 'incident 42', revokeLeases: true }
  expect((await put('lockdowns/incident-42', lockdown, absent)).status).toBe(201)
  const locked = await until(exchange(token), ({ status }) => status !== 200)
  expect(await reasonOf(locked)).toBe('locked_down')
  const revoked = async () => {
    await stack.gateway.runTimer('revoke-expired')
    return (await get(`leases/${lease}`)).body['lease'] as Document
  }
  await until(revoked, ({ state }) => state === 'revoked')
}

async function expectLogToTell(lease: string): Promise<void> {
  const changes = await told({ kind: 'admin', operator: operator.objectId })
  const pairs = (...actions: string[]) => actions.flatMap(action => [`${action} intended`, `${action} done`])
  const stale = ['put intended', 'put failed']
  const registered = [...pairs('put', 'check', 'check'), ...stale, ...pairs('put', 'check')]
  expect(changesOf(changes, 'aks-new')).toEqual(registered)
  for (const id of ['orders-db', 'new-api']) expect(changesOf(changes, id)).toEqual(pairs('propose'))
  expect(changesOf(changes, 'incident-42')).toEqual(pairs('put'))
  const approvals = await told({ kind: 'admin', operator: second.objectId })
  for (const id of ['orders-db', 'new-api']) expect(changesOf(approvals, id)).toEqual(pairs('put'))
  const asked = await told({ issuer: 'aks-new', kind: 'exchange' })
  const reasons = asked.map(({ outcome, reason }) => (outcome === 'denied' ? reason : outcome))
  expect([...new Set(reasons)]).toEqual(['no_rule', 'allowed', 'locked_down'])
  expect(await told({ lease, kind: 'revocation' })).toMatchObject([
    { outcome: 'revoked', lease: { cause: 'lockdown', lockdown: 'incident-42', evidence: { sessionsEnded: 1 } } },
  ])
}

function changesOf(records: readonly Document[], id: string): readonly string[] {
  const about = records.filter(({ document }) => (document as Document)['id'] === id)
  return about.map(({ action, outcome }) => `${action} ${outcome}`)
}
