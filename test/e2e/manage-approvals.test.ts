import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { approver, audience, operator } from '../../infra/local/world.ts'
import { type Answer, type Document, type RunningStack, runStack, send } from '../running-stack.ts'

let stack: RunningStack
let writer: string
let second: string

beforeAll(async () => {
  stack = await runStack()
  writer = await stack.operatorToken()
  second = await stack.operatorToken({ application: 'approver' })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

interface Asked {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly bearer?: string
}

function manage(path: string, { method = 'GET', body, headers, bearer = writer }: Asked = {}): Promise<Answer> {
  return send(`${stack.gateway.url}/manage/${path}`, {
    method,
    headers: { ...headers, authorization: `Bearer ${bearer}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

const toCreate = { 'if-none-match': '*' }
const toReplace = (etag: unknown) => ({ 'if-match': String(etag) })
const decide = (change: string, what: 'approve' | 'withdraw', bearer = second) =>
  manage(`changes/${change}/${what}`, { method: 'POST', bearer })

/** A target that wants a second person, with a rule. */
async function guarded(): Promise<{ id: string; rule: string; etag: string }> {
  const id = `vault-${randomUUID().slice(0, 8)}`
  await stack.addTarget({ id, like: 'mainframe-ftp', scopes: ['login'], changes: { requireApproval: true } })
  const rule = `rules/${id}/allow-${id}`
  return { id, rule, etag: String((await manage(rule)).body['etag']) }
}

/** A change of the rule of a guarded target, proposed. */
async function proposed(priority = 5): Promise<{ change: string; rule: string; etag: string }> {
  const { rule, etag } = await guarded()
  const body = { ...((await manage(rule)).body['rule'] as Document), priority }
  const answer = await manage(rule, { method: 'PUT', body, headers: toReplace(etag) })
  expect({ status: answer.status, lapses: answer.body['lapsesAt'] }).toEqual({
    status: 202,
    lapses: expect.any(String),
  })
  return { change: String(answer.body['change']), rule, etag }
}

async function adminRecords(id: string): Promise<readonly Document[]> {
  return (await stack.records()).filter(
    ({ kind, document }) => kind === 'admin' && (document as Document)['id'] === id.split('/').at(-1),
  )
}

describe('a change of what requires approval', () => {
  test('is not made before another person approves exactly it, and then it is, once', async () => {
    const { change, rule, etag } = await proposed()
    expect((await manage(rule)).body).toMatchObject({ etag })
    const shown = await manage(`changes/${change}`, { bearer: second })
    expect(shown.body).toMatchObject({
      change: { state: 'proposed', proposedBy: { objectId: operator.objectId }, expected: { etag } },
      diff: [{ pointer: '/priority', after: 5 }],
      isOutdated: false,
    })
    expect((await manage('changes')).body['changes']).toContainEqual(expect.objectContaining({ id: change }))
    const approved = await decide(change, 'approve')
    expect(approved.status).toBe(200)
    expect((await manage(rule)).body).toMatchObject({ etag: approved.body['etag'], rule: { priority: 5 } })
    expect((await decide(change, 'approve')).status).toBe(409)
  })

  test('is on record: proposed, approved by whom, done', async () => {
    const { change, rule } = await proposed()
    await decide(change, 'approve')
    const told = (await adminRecords(rule)).map(({ action, outcome, operator, approval }) => ({
      action,
      outcome,
      by: (operator as Document)['subject'],
      approval,
    }))
    const approval = { change, proposedBy: expect.objectContaining({ objectId: operator.objectId }) }
    const by = { put: approver.objectId, propose: operator.objectId }
    expect(told).toHaveLength(4)
    for (const action of ['propose', 'put'] as const) {
      for (const outcome of ['intended', 'done'])
        expect(told).toContainEqual({ action, outcome, by: by[action], approval })
    }
  })

  test('is made once where two persons approve it at the same time', async () => {
    const { change, rule } = await proposed()
    const third = await stack.tenant.sign({
      aud: audience,
      azp: randomUUID(),
      oid: randomUUID(),
      roles: ['Rules.Approve'],
      idtyp: 'app',
    })
    // Both have read the change before either is written.
    const removeFault = stack.cosmos.faults.add({ container: 'changes', action: 'replace', delayMs: 700 })
    const answers = await Promise.all([decide(change, 'approve'), decide(change, 'approve', third)])
    removeFault()
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409])
    const done = (await adminRecords(rule)).filter(({ action, outcome }) => action === 'put' && outcome === 'done')
    expect(done).toHaveLength(1)
  })

  test('is not approved by who proposed it, whatever application and roles they have by then', async () => {
    const { change, rule, etag } = await proposed()
    const same = await stack.tenant.sign({
      aud: audience,
      azp: randomUUID(),
      oid: operator.objectId,
      roles: ['Rules.Approve'],
      idtyp: 'app',
    })
    expect((await decide(change, 'approve', same)).status).toBe(403)
    expect((await decide(change, 'approve', writer)).status).toBe(403)
    expect((await manage(rule)).body['etag']).toBe(etag)
  })

  test('is refused where the document changed meanwhile, has lapsed, or was withdrawn', async () => {
    const changed = await proposed()
    const item = stack.documents.container('rules').item(`${changed.rule.split('/')[2]}`, changed.rule.split('/')[1])
    const { resource } = await item.read()
    await item.replace({ ...resource, priority: 9 })
    expect((await decide(changed.change, 'approve')).status).toBe(412)
    expect((await manage(changed.rule)).body).toMatchObject({ rule: { priority: 9 } })

    const lapsed = await proposed()
    const kept = stack.documents.container('changes').item(lapsed.change, lapsed.change)
    await kept.replace({ ...(await kept.read()).resource, lapsesAt: '2026-01-01T00:00:00.000Z' })
    expect((await decide(lapsed.change, 'approve')).status).toBe(410)

    const withdrawn = await proposed()
    expect((await decide(withdrawn.change, 'withdraw', writer)).status).toBe(200)
    expect((await decide(withdrawn.change, 'approve')).status).toBe(409)
    expect((await manage(withdrawn.rule)).body['etag']).toBe(withdrawn.etag)
  })
})

describe('approval is required', () => {
  test('of who would end it: the target says so before and after', async () => {
    const { id } = await guarded()
    const { target, etag } = (await manage(`targets/${id}`)).body
    const body = { ...(target as Document), requireApproval: false }
    const answer = await manage(`targets/${id}`, { method: 'PUT', body, headers: toReplace(etag) })
    expect(answer.status).toBe(202)
    expect((await manage(`targets/${id}`, { method: 'DELETE', headers: toReplace(etag) })).status).toBe(202)
  })

  test('of rules that are made, removed or restored, and of guardrails that say so; of nothing else', async () => {
    const { id, rule, etag } = await guarded()
    const { rule: document } = (await manage(rule)).body
    const made = { ...(document as Document), id: 'made' }
    const creation = await manage(`rules/${id}/made`, { method: 'PUT', body: made, headers: toCreate })
    expect(creation.status).toBe(202)
    const { etag: first } = (await decide(String(creation.body['change']), 'approve')).body
    const [version] = (await manage(`rules/${id}/made/versions`)).body['versions'] as Document[]
    const restore = `rules/${id}/made/versions/${version?.['id']}/restore`
    expect((await manage(restore, { method: 'POST', headers: toReplace(first) })).status).toBe(202)
    const removal = await manage(`${rule}?leases=keep`, { method: 'DELETE', headers: toReplace(etag) })
    expect(removal.status).toBe(202)
    expect((await decide(String(removal.body['change']), 'approve')).body).toMatchObject({ removed: true })
    expect((await manage(rule)).status).toBe(404)
    const guardrail = {
      schema: 1,
      id: `g-${id}`,
      target: '*',
      effect: 'deny',
      workloads: [{ issuer: '*', namespace: 'x' }],
    }
    const save = (body: Document) => manage(`guardrails/g-${id}`, { method: 'PUT', body, headers: toCreate })
    expect((await save({ ...guardrail, requireApproval: true })).status).toBe(202)
    expect((await save(guardrail)).status).toBe(201)
  })

  test('of a change that could be saved: one that could not is refused at once', async () => {
    const { rule, etag } = await guarded()
    const body = { ...((await manage(rule)).body['rule'] as Document), scopes: ['drop'] }
    expect((await manage(rule, { method: 'PUT', body, headers: toReplace(etag) })).status).toBe(422)
    expect(
      (await manage(rule, { method: 'PUT', body: { ...body, scopes: ['login'] }, headers: toReplace('"x"') })).status,
    ).toBe(412)
  })
})
