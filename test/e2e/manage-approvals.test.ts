import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../../infra/local/stack.ts'
import { approver, audience, operator } from '../../infra/local/world.ts'
import { type Answer, type Document, type RunningStack, runStack, send } from '../running-stack.ts'

let stack: RunningStack
let writer: string
let second: string

/** An issuer whose actor says which address a client has. */
const forwarder = `forwarder-${randomUUID().slice(0, 8)}`

beforeAll(async () => {
  const forwarders = JSON.stringify([{ issuer: forwarder, subject: 'apim' }])
  const settings = { CAUSEWAY_APPROVAL_BY_APPLICATIONS: 'false', CAUSEWAY_FORWARDERS: forwarders }
  stack = await runStack({ settings })
  writer = await stack.operatorToken()
  second = await person(approver.objectId)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

/** The token of somebody who signed in. */
function person(oid: string, claims: Document = {}): Promise<string> {
  const roles = ['Rules.Read', 'Rules.Write', 'Rules.Approve']
  const signedIn = { idtyp: 'user', scp: 'manage', sub: `pairwise-${oid}` }
  return stack.tenant.sign({ aud: audience, azp: operator.clientId, oid, roles, ...signedIn, ...claims })
}

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
async function proposed(priority = 5, bearer = writer): Promise<{ change: string; rule: string; etag: string }> {
  const { rule, etag } = await guarded()
  const body = { ...((await manage(rule)).body['rule'] as Document), priority }
  const answer = await manage(rule, { method: 'PUT', body, headers: toReplace(etag), bearer })
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

  test('tells who is to approve it what it would come to, as a dry run does, and nothing of it once it is settled', async () => {
    const { id, rule, etag } = await guarded()
    expect((await stack.exchange({ audience: id })).status).toBe(200)
    const removal = await manage(`${rule}?leases=keep`, { method: 'DELETE', headers: toReplace(etag) })
    const change = String(removal.body['change'])
    const shown = (await manage(`changes/${change}`, { bearer: second })).body
    const { lint, lintComplete, impact } = (await manage(`${rule}?dryRun=true`, { method: 'DELETE', bearer: second }))
      .body
    expect(shown).toMatchObject({ lint, lintComplete })
    expect(shown['impact']).toMatchObject({ counts: { newlyDenied: { changes: 1, calls: 1 } }, judged: 1 })
    expect(Object.keys(shown['impact'] as Document)).toEqual(Object.keys(impact as Document))
    expect((await decide(change, 'approve')).status).toBe(200)
    expect((await manage(`changes/${change}`)).body).not.toHaveProperty('impact')
  })

  test('is on record: proposed, approved by whom, done', async () => {
    const { change, rule } = await proposed()
    await decide(change, 'approve')
    const told = (await adminRecords(rule)).map(({ action, outcome, operator, approval }) => ({
      action,
      outcome,
      by: ((operator as Document)['entra'] as Document)['objectId'],
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
    const third = await person(randomUUID())
    // Both have read the change before either is written.
    const removeFault = stack.cosmos.faults.add({ container: 'changes', action: 'replace', delayMs: 700 })
    const answers = await Promise.all([decide(change, 'approve'), decide(change, 'approve', third)])
    removeFault()
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409])
    const done = (await adminRecords(rule)).filter(({ action, outcome }) => action === 'put' && outcome === 'done')
    expect(done).toHaveLength(1)
  })

  test('is not approved by the person who proposed it, by whichever application they sign in', async () => {
    const oid = randomUUID()
    const { change, rule, etag } = await proposed(5, await person(oid))
    const elsewhere = await person(oid, { azp: randomUUID(), sub: 'another-pairwise-name' })
    const refused = await decide(change, 'approve', elsewhere)
    expect(refused).toMatchObject({ status: 403, body: { detail: expect.stringMatching(/another person/) } })
    expect((await manage(rule)).body['etag']).toBe(etag)
    expect((await decide(change, 'approve')).status).toBe(200)
  })

  test('is approved by no application, since whoever holds its credential may be who proposed it', async () => {
    const { change, rule, etag } = await proposed(5, await person(randomUUID()))
    const pipeline = { azp: randomUUID(), oid: randomUUID(), roles: ['Rules.Approve'], idtyp: 'app' }
    const refused = await decide(change, 'approve', await stack.tenant.sign({ aud: audience, ...pipeline }))
    expect(refused).toMatchObject({ status: 403, body: { detail: expect.stringMatching(/expected a person/) } })
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

test('a change is withdrawn by who proposed it, may propose the like, or may approve it; by nobody else', async () => {
  const withdrawnBy = async (change: string, roles: readonly string[], oid: string = randomUUID()) =>
    (await decide(change, 'withdraw', await person(oid, { roles }))).status
  const [own, likely, approvable] = [await proposed(), await proposed(), await proposed()]
  for (const roles of [['Trust.Write'], ['Rules.Read'], ['Lockdown.Write']]) {
    expect(await withdrawnBy(own.change, roles)).toBe(403)
  }
  expect(await withdrawnBy(own.change, ['Decisions.Read'])).toBe(403)
  expect((await manage(`changes/${own.change}`)).body).toMatchObject({ change: { state: 'proposed' } })
  expect(await withdrawnBy(own.change, ['Rules.Read'], operator.objectId)).toBe(200)
  expect(await withdrawnBy(likely.change, ['Rules.Write'])).toBe(200)
  expect(await withdrawnBy(approvable.change, ['Rules.Approve'])).toBe(200)
  const { id } = await guarded()
  const { etag } = (await manage(`targets/${id}`)).body
  const removal = await manage(`targets/${id}`, { method: 'DELETE', headers: toReplace(etag) })
  expect(await withdrawnBy(String(removal.body['change']), ['Rules.Write'])).toBe(403)
  expect(await withdrawnBy(String(removal.body['change']), ['Trust.Write'])).toBe(200)
})

describe('the list of changes', () => {
  const listed = async (query = '') => {
    const { status, body } = await manage(`changes${query}`)
    expect(status).toBe(200)
    const changes = body['changes'] as Document[]
    return { ids: changes.map(({ id }) => id), changes, body }
  }

  test('tells those that wait, the newest first, without what is to be saved; of others, those that are named', async () => {
    const [older, newer] = [await proposed(), await proposed()]
    const withdrawn = await proposed()
    await decide(withdrawn.change, 'withdraw', writer)
    const { ids, changes } = await listed()
    expect(ids.slice(0, 2)).toEqual([newer.change, older.change])
    expect(ids).not.toContain(withdrawn.change)
    expect(changes.filter(change => 'document' in change)).toEqual([])
    expect((await listed('?state=withdrawn')).ids[0]).toBe(withdrawn.change)
    const item = stack.documents.container('changes').item(older.change, older.change)
    await item.replace({ ...(await item.read()).resource, lapsesAt: '2026-01-01T00:00:00.000Z' })
    expect((await listed()).ids).not.toContain(older.change)
    expect((await listed('?state=lapsed')).ids).toContain(older.change)
    expect((await manage('changes?state=perhaps')).status).toBe(400)
    expect((await manage('changes?continuation=garbage')).status).toBe(400)
  })

  test('tells of one that cannot be read by its id, and of the others as ever', async () => {
    const { change } = await proposed()
    const id = randomUUID().replace(/^./, 'f')
    const unreadable = { id, state: 'proposed', lapsesAt: '2100-01-01T00:00:00.000Z' }
    await stack.documents.container('changes').items.create(unreadable)
    const { ids, body } = await listed()
    expect(ids).toContain(change)
    expect(body['unreadable']).toEqual([id])
  })

  test('goes on where a page ended', async () => {
    const { change } = await proposed()
    const changes = stack.documents.container('changes')
    const { resource } = await changes.item(change, change).read<Document>()
    const made = Array.from({ length: 60 }, (_, at) => `00000000-0000-7000-8000-0000000000${at + 10}`)
    for (const id of made) await changes.items.upsert({ ...resource, id, state: 'refused' })
    const first = await listed('?state=refused')
    const rest = await listed(`?state=refused&continuation=${first.body['continuation']}`)
    const all = [...first.ids, ...rest.ids]
    expect(all.filter(id => made.includes(String(id)))).toEqual(made.toReversed())
    expect(rest.body).not.toHaveProperty('continuation')
  })
})

test('who proposes what waits already is told of that change; another content, or version, is another change', async () => {
  const { change, rule, etag } = await proposed(5)
  const document = (await manage(rule)).body['rule'] as Document
  const put = async (priority: number) => {
    const body = { ...document, priority }
    return (await manage(rule, { method: 'PUT', body, headers: toReplace(etag) })).body['change']
  }
  expect(await put(5)).toBe(change)
  expect(await put(6)).not.toBe(change)
  const remove = async (leases: string) =>
    (await manage(`${rule}?leases=${leases}`, { method: 'DELETE', headers: toReplace(etag) })).body['change']
  const kept = await remove('keep')
  expect(await remove('keep')).toBe(kept)
  expect(await remove('revoke')).not.toBe(kept)
  await decide(change, 'withdraw', writer)
  expect(await put(5)).not.toBe(change)
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

describe('an issuer', () => {
  const put = (id: string, body: unknown, headers: Record<string, string>) =>
    manage(`issuers/${id}`, { method: 'PUT', body, headers })
  const issuerOf = (id: string, changes: Document = {}) => ({
    ...{ schema: 1, id, issuerUrl: `https://${id}.example/`, kind: 'kubernetes', audiences: [audience] },
    ...changes,
  })

  /** A guarded target whose one rule is about workloads that a selector finds, in no namespace that there is. */
  async function guardedBy(selector: Document, changes: Document = {}): Promise<string> {
    const { id } = await guarded()
    const workloads = [{ namespace: 'nowhere', ...selector }]
    const rule = { schema: 1, id: 'opens', target: id, effect: 'allow', scopes: ['login'], workloads, ...changes }
    await stack.documents.container('rules').items.create(rule)
    return id
  }

  /** A guardrail that wants a second person, until the test ends: others make issuers alone. */
  async function guardrailOn(selector: Document, changes: Document = {}): Promise<void> {
    const id = `guardrail-${randomUUID().slice(0, 8)}`
    const guardrail = { schema: 1, id, target: '*', effect: 'deny', requireApproval: true, workloads: [selector] }
    await stack.documents.container('rules').items.create({ ...guardrail, ...changes })
    onTestFinished(async () => {
      await stack.documents.container('rules').items.upsert({ id, target: '*', deleted: true })
    })
  }

  test.each<[string, (tag: string) => Document, (tag: string) => Document]>([
    ['its id', tag => ({ issuer: `${tag}-a` }), () => ({})],
    ['how its id begins', tag => ({ issuer: `${tag}*` }), () => ({})],
    ['its labels', tag => ({ issuer: { labels: { tag } } }), tag => ({ labels: { tag, environment: 'prod' } })],
    ['who acts for it', tag => ({ issuer: 'aks-local', actor: { issuer: `${tag}-a`, subject: '*' } }), () => ({})],
  ])('that a rule of such a target finds by %s is made and changed by two persons', async (_, selector, changes) => {
    const tag = `team-${randomUUID().slice(0, 8)}`
    const id = `${tag}-a`
    await guardedBy(selector(tag))
    expect((await put(id, issuerOf(id, changes(tag)), toCreate)).status).toBe(202)
    expect((await manage(`issuers/${id}`)).status).toBe(404)
    expect((await put(`other-${tag}`, issuerOf(`other-${tag}`), toCreate)).status).toBe(201)
    await stack.documents.container('issuers').items.create(issuerOf(id, changes(tag)))
    const { issuer, etag } = (await manage(`issuers/${id}`)).body
    const stolen = { ...(issuer as Document), labels: {}, keys: { jwksUri: 'https://elsewhere.example/keys' } }
    expect((await put(id, stolen, toReplace(etag))).status).toBe(202)
    expect((await manage(`issuers/${id}`)).body['etag']).toBe(etag)
  })

  test.each<[string, Document, boolean]>([
    ['such a rule is about', {}, true],
    ['says so itself', { requireApproval: true }, false],
  ])('that acts for one that %s is changed, or made again, by two persons', async (_, changes, isRuled) => {
    const id = `legacy-${randomUUID().slice(0, 8)}`
    const actor = `${id}-apim`
    const documents = stack.documents.container('issuers').items
    await documents.create(issuerOf(actor))
    await documents.create(issuerOf(id, { actors: [{ issuer: actor, subject: 'apim' }], ...changes }))
    if (isRuled) await guardedBy({ issuer: id })
    const now = toReplace((await manage(`issuers/${actor}`)).body['etag'])
    const stolen = issuerOf(actor, { keys: { jwksUri: 'https://elsewhere.example/keys' } })
    expect((await put(actor, stolen, now)).status).toBe(202)
    expect((await manage(`issuers/${actor}`, { method: 'DELETE', headers: now })).status).toBe(200)
    expect((await put(actor, stolen, toCreate)).status).toBe(202)
  })

  test('that names actors and such a rule is about is removed by two persons: its actor would be guarded no more', async () => {
    const id = `legacy-${randomUUID().slice(0, 8)}`
    const actor = `${id}-apim`
    const stored = issuerOf(id, { actors: [{ issuer: actor, subject: 'apim' }] })
    await stack.documents.container('issuers').items.create(issuerOf(actor))
    await stack.documents.container('issuers').items.create(stored)
    const now = async (of: string) => toReplace((await manage(`issuers/${of}`)).body['etag'])
    const target = await guardedBy({ issuer: id })
    const removal = { method: 'DELETE', headers: await now(id) }
    expect((await manage(`issuers/${id}?dryRun=true`, removal)).body).toMatchObject({ requiresApproval: true })
    expect((await manage(`issuers/${id}`, removal)).status).toBe(202)
    const stolen = issuerOf(actor, { keys: { jwksUri: 'https://elsewhere.example/keys' } })
    expect((await put(actor, stolen, await now(actor))).status).toBe(202)
    const shut = { ...stored, enabled: false }
    expect((await put(id, shut, await now(id))).status).toBe(200)
    expect((await put(actor, stolen, await now(actor))).status).toBe(202)
    await stack.documents.container('rules').item('opens', target).replace({ id: 'opens', target, deleted: true })
    expect((await manage(`issuers/${id}`, { method: 'DELETE', headers: await now(id) })).status).toBe(200)
  })

  test('whose actor says which address a client has is changed by two persons where such a rule asks for it', async () => {
    await stack.documents.container('issuers').items.upsert(issuerOf(forwarder))
    const { etag } = (await manage(`issuers/${forwarder}`)).body
    const changed = (path: string) => issuerOf(forwarder, { keys: { jwksUri: `https://elsewhere.example/${path}` } })
    const network = { conditions: { network: { in: ['10.0.0.0/8'] } } }
    await guardedBy({ issuer: 'aks-local' }, { effect: 'deny', ...network })
    const alone = await put(forwarder, changed('one'), toReplace(etag))
    expect(alone.status).toBe(200)
    await guardedBy({ issuer: 'aks-local' }, network)
    expect((await put(forwarder, changed('two'), toReplace(alone.body['etag']))).status).toBe(202)
  })

  test('whose actor an exchange took an address from counts as such, though the settings here do not name it', async () => {
    const id = `unnamed-${randomUUID().slice(0, 8)}`
    await stack.documents.container('issuers').items.create(issuerOf(id))
    await guardedBy({ issuer: 'aks-local' }, { conditions: { network: { in: ['10.0.0.0/8'] } } })
    const changed = (path: string) => issuerOf(id, { keys: { jwksUri: `https://elsewhere.example/${path}` } })
    const alone = await put(id, changed('one'), toReplace((await manage(`issuers/${id}`)).body['etag']))
    expect(alone.status).toBe(200)
    const check = async () => (await manage(`issuers/${id}/check`, { method: 'POST' })).body['steps'] as Document[]
    expect((await check()).find(({ step }) => step === 'forwarder')).toBe(undefined)
    const at = new Date().toISOString()
    const client = { address: '10.0.0.1', provenance: 'forwarded' }
    const record = { id: randomUUID(), stream: randomUUID(), kind: 'exchange', at, client, actor: { issuer: { id } } }
    await stack.documents.container('decisions').items.create(record)
    expect((await put(id, changed('two'), toReplace(alone.body['etag']))).status).toBe(202)
    expect(await check()).toContainEqual({
      step: 'forwarder',
      ok: null,
      expected: 'CAUSEWAY_FORWARDERS is the same for manage as for exchange',
      found: expect.stringContaining(`for example at ${at}: here it names none of it, or none any more`),
    })
  })

  test('of which the records cannot tell now whether an exchange did counts as such', async () => {
    const id = `untold-${randomUUID().slice(0, 8)}`
    await stack.documents.container('issuers').items.create(issuerOf(id))
    const { etag } = (await manage(`issuers/${id}`)).body
    await guardedBy({ issuer: 'aks-local' }, { conditions: { network: { in: ['10.0.0.0/8'] } } })
    const removeFault = stack.cosmos.faults.add({ container: 'decisions', action: 'query', status: 503 })
    const changed = await put(
      id,
      issuerOf(id, { keys: { jwksUri: 'https://elsewhere.example/keys' } }),
      toReplace(etag),
    )
    removeFault()
    expect(changed.status).toBe(202)
  })

  test.each<[string, Document]>([
    ['a network', { network: { notIn: ['10.0.0.0/8'] } }],
    ['a country', { geography: { clientCountry: ['DE'] } }],
    ['an expression', { expression: "client.address == '10.0.0.1'" }],
  ])('whose actor says so is changed by two persons where such a guardrail asks by %s', async (_, conditions) => {
    await stack.documents.container('issuers').items.upsert(issuerOf(forwarder))
    await guardrailOn({ issuer: 'some-other' }, { conditions })
    const { etag } = (await manage(`issuers/${forwarder}`)).body
    const labelled = issuerOf(forwarder, { labels: { seen: 'again' } })
    expect((await put(forwarder, labelled, toReplace(etag))).status).toBe(202)
  })

  test('is shut by one person, and opened again by two', async () => {
    const id = `team-${randomUUID().slice(0, 8)}`
    await stack.documents.container('issuers').items.create(issuerOf(id))
    await guardedBy({ issuer: id })
    const { etag } = (await manage(`issuers/${id}`)).body
    const shut = await put(id, issuerOf(id, { enabled: false }), toReplace(etag))
    expect(shut.status).toBe(200)
    const otherwise = issuerOf(id, { enabled: false, keys: { jwksUri: 'https://elsewhere.example/keys' } })
    expect((await put(id, otherwise, toReplace(shut.body['etag']))).status).toBe(202)
    expect((await put(id, issuerOf(id), toReplace(shut.body['etag']))).status).toBe(202)
    const removed = await manage(`issuers/${id}`, { method: 'DELETE', headers: toReplace(shut.body['etag']) })
    expect(removed.status).toBe(200)
    expect((await put(id, issuerOf(id), toCreate)).status).toBe(202)
  })

  test('that says so itself is changed and removed by two persons, and shut by one', async () => {
    const id = `team-${randomUUID().slice(0, 8)}`
    const document = issuerOf(id, { requireApproval: true })
    expect((await put(id, document, toCreate)).status).toBe(202)
    await stack.documents.container('issuers').items.create(document)
    const { etag } = (await manage(`issuers/${id}`)).body
    expect((await put(id, issuerOf(id), toReplace(etag))).status).toBe(202)
    expect((await manage(`issuers/${id}`, { method: 'DELETE', headers: toReplace(etag) })).status).toBe(202)
    expect((await put(id, { ...document, enabled: false }, toReplace(etag))).status).toBe(200)
  })

  test('is not taken out of the reach of such a guardrail by one person', async () => {
    const tag = `team-${randomUUID().slice(0, 8)}`
    const labelled = issuerOf(tag, { labels: { tag } })
    expect((await put(tag, labelled, toCreate)).status).toBe(201)
    await guardrailOn({ issuer: '*', namespace: 'nowhere' })
    const { etag } = (await manage(`issuers/${tag}`)).body
    const same = await put(tag, labelled, toReplace(etag))
    expect(same.status).toBe(200)
    await guardrailOn({ issuer: { labels: { tag } } })
    expect((await put(tag, issuerOf(tag), toReplace(same.body['etag']))).status).toBe(202)
  })

  test.each<[string, Document]>([
    ['an expression', { expression: "workload.issuer.labels['environment'] == 'dev'" }],
    ['a region', { geography: { clusterRegion: ['westeurope'] } }],
  ])('is not taken out of the reach of %s in such a guardrail by one person', async (_, conditions) => {
    const tag = `team-${randomUUID().slice(0, 8)}`
    const dev = issuerOf(tag, { labels: { environment: 'dev' }, region: 'westeurope' })
    const { etag } = (await put(tag, dev, toCreate)).body
    await guardrailOn({ issuer: '*' }, { conditions })
    expect((await put(tag, issuerOf(tag), toReplace(etag))).status).toBe(202)
    expect((await put(`${tag}-b`, issuerOf(`${tag}-b`), toCreate)).status).toBe(202)
  })

  describe('whose tokens such a guardrail holds off by the labels of their cluster', () => {
    const dev = { labels: { environment: 'dev' } }
    const prod = { labels: { environment: 'prod' } }

    /** A cluster in development, made by one person, and then the guardrail. */
    async function heldOff(): Promise<{ id: string; etag: unknown }> {
      const id = `cluster-${randomUUID().slice(0, 8)}`
      const made = await put(id, issuerOf(id, dev), toCreate)
      expect(made.status).toBe(201)
      await guardrailOn({ issuer: dev })
      return { id, etag: made.body['etag'] }
    }

    const elsewhere = (id: string, changes: Document = {}) =>
      issuerOf(`${id}-b`, { ...prod, issuerUrl: `https://${id}.example/`, ...changes })

    test('is not removed and made again with other labels by one person', async () => {
      const { id, etag } = await heldOff()
      expect((await manage(`issuers/${id}`, { method: 'DELETE', headers: toReplace(etag) })).status).toBe(200)
      expect((await put(id, issuerOf(id, prod), toCreate)).status).toBe(202)
      expect((await manage(`issuers/${id}`)).status).toBe(404)
    })

    test('is not shut and made again by another id by one person', async () => {
      const { id, etag } = await heldOff()
      expect((await put(id, issuerOf(id, { ...dev, enabled: false }), toReplace(etag))).status).toBe(200)
      expect((await put(`${id}-b`, elsewhere(id), toCreate)).status).toBe(202)
      expect((await manage(`issuers/${id}-b`)).status).toBe(404)
    })

    test.each<[string, (id: string) => Document, (id: string) => Document]>([
      ['is turned to its URL', id => issuerOf(`${id}-b`, prod), id => elsewhere(id)],
      ['is opened', id => elsewhere(id, { enabled: false }), id => elsewhere(id)],
      [
        'is given its keys',
        id => elsewhere(id, { keys: { jwksUri: 'https://elsewhere.example/keys' } }),
        id => elsewhere(id, { keys: { jwksUri: `https://${id}.example/keys` } }),
      ],
    ])('is not replaced by another that %s by one person', async (_, stored, changed) => {
      const { id, etag } = await heldOff()
      const other = `${id}-b`
      await stack.documents.container('issuers').items.create(stored(id))
      expect((await put(id, issuerOf(id, { ...dev, enabled: false }), toReplace(etag))).status).toBe(200)
      const now = toReplace((await manage(`issuers/${other}`)).body['etag'])
      expect((await put(other, changed(id), now)).status).toBe(202)
      const relabelled = { ...stored(id), labels: { environment: 'test' } }
      expect((await put(other, relabelled, now)).status).toBe(200)
    })
  })

  test.each<[string, Document]>([
    ['an id', { issuer: 'some-other' }],
    ['how an id begins', { issuer: 'some-*' }],
    ['a kind', { issuer: '*', kind: 'oidc' }],
    ['a region', { issuer: '*', region: 'westeurope' }],
    ['an actor', { issuer: '*', actor: { issuer: 'some-other', subject: '*' } }],
  ])('is made by two persons as long as such a guardrail finds others by %s', async (_, selector) => {
    await guardrailOn(selector)
    const id = `team-${randomUUID().slice(0, 8)}`
    expect((await put(id, issuerOf(id), toCreate)).status).toBe(202)
  })

  test.each<[string, Document, Document]>([
    ['a namespace', { namespace: 'nowhere' }, { kind: 'oidc' }],
    ['a service account', { serviceAccount: 'nobody' }, { kind: 'oidc' }],
    ['its uid', { serviceAccountUid: 'none' }, { kind: 'entra' }],
    ['a pod', { pod: 'none-*' }, { relax: ['unbound'] }],
    ['a node', { node: 'none' }, { relax: ['unbound'] }],
    ['a subject', { subject: 'nobody' }, { audiences: ['api://other'] }],
  ])('is not led past such a guardrail on %s, as what it is or anew, by one person', async (_, members, changes) => {
    const id = `team-${randomUUID().slice(0, 8)}`
    const { etag } = (await put(id, issuerOf(id), toCreate)).body
    await guardrailOn({ issuer: '*', ...members })
    const same = {
      ...{ relax: [], users: false, enabled: true, keys: { discovery: true }, keepClaims: [], network: 'public' },
      ...{ algorithms: ['RS256', 'ES256'], maxTokenAge: 'PT60M', clockTolerance: 'PT30S' },
    }
    const relabelled = await put(id, issuerOf(id, { labels: { seen: 'again' }, ...same }), toReplace(etag))
    expect(relabelled.status).toBe(200)
    expect((await put(id, issuerOf(id, changes), toReplace(relabelled.body['etag']))).status).toBe(202)
    expect((await put(`${id}-b`, issuerOf(`${id}-b`, changes), toCreate)).status).toBe(202)
  })

  test.each<[string, Document, Document]>([
    ['a claim', { claims: { '/environment': ['dev'] } }, { keepClaims: ['environment'] }],
    [
      'posture',
      { posture: [{ of: 'cluster', signal: 'drift', require: { '/seen': { equals: true } }, maxAge: 'PT1H' }] },
      { keys: { jwksUri: 'https://elsewhere.example/keys' } },
    ],
  ])('is not led past such a guardrail that asks for %s by one person', async (_, conditions, changes) => {
    const id = `team-${randomUUID().slice(0, 8)}`
    const { etag } = (await put(id, issuerOf(id), toCreate)).body
    await guardrailOn({ issuer: '*' }, { conditions, notBefore: '2100-01-01T00:00:00Z' })
    expect((await put(id, issuerOf(id, changes), toReplace(etag))).status).toBe(202)
  })

  test.each<[string, Document, Document]>([
    ['whose actor is not asked for', { actors: [{ issuer: 'aks-local', subject: 'apim' }] }, {}],
    [
      'that the API server is not asked about',
      { tokenReview: { apiServer: 'https://api.example', credential: { vault: 'corp', secret: 'reviewer' } } },
      {},
    ],
    ['of other algorithms', { algorithms: ['ES256'] }, {}],
    ['by keys at private addresses', {}, { network: 'private' }],
    ['of a greater age', {}, { maxTokenAge: 'PT24H' }],
    ['of a clock that is further off', { clockTolerance: 'PT0S' }, {}],
  ])('does not come to count tokens %s by one person while there is such a guardrail', async (_, stored, changes) => {
    const id = `team-${randomUUID().slice(0, 8)}`
    await stack.documents.container('issuers').items.create(issuerOf(id, stored))
    await guardrailOn({ issuer: 'some-other' })
    const { etag } = (await manage(`issuers/${id}`)).body
    const relabelled = await put(id, issuerOf(id, { ...stored, labels: { seen: 'again' } }), toReplace(etag))
    expect(relabelled.status).toBe(200)
    expect((await put(id, issuerOf(id, changes), toReplace(relabelled.body['etag']))).status).toBe(202)
  })

  test('is made by one person where such guardrails are about everyone, by the time and the address', async () => {
    const network = { notIn: ['10.0.0.0/8'] }
    const time = [{ from: '07:00', to: '19:00', timeZone: 'UTC' }]
    await guardrailOn({ issuer: '*' }, { conditions: { network, time }, notBefore: '2100-01-01T00:00:00Z' })
    const id = `team-${randomUUID().slice(0, 8)}`
    expect((await put(id, issuerOf(id), toCreate)).status).toBe(201)
  })

  test('is not changed by one person as long as a rule of such a target cannot be read', async () => {
    const id = `team-${randomUUID().slice(0, 8)}`
    const target = await guardedBy({ issuer: 'aks-local' }, { effect: 'perhaps' })
    expect((await put(id, issuerOf(id), toCreate)).status).toBe(202)
    const item = stack.documents.container('rules').item('opens', target)
    await item.replace({ id: 'opens', target, deleted: true })
    expect((await put(id, issuerOf(id), toCreate)).status).toBe(201)
  })
})

describe('a calendar', () => {
  const calendar = (id: string) => ({ schema: 1, id, days: ['2026-12-25'] })
  const window = (id: string) => ({ time: [{ from: '07:00', to: '19:00', timeZone: 'UTC', notOn: [id] }] })
  const put = (id: string, headers: Record<string, string>) =>
    manage(`calendars/${id}`, { method: 'PUT', body: { ...calendar(id), days: [] }, headers })

  test.each<[string, (id: string, target: string) => Document]>([
    ['a rule of such a target', (_, target) => ({ target, effect: 'deny' })],
    ['such a guardrail', () => ({ target: '*', effect: 'deny', requireApproval: true })],
  ])('that %s names is changed and removed by two persons', async (_, rule) => {
    const id = `days-${randomUUID().slice(0, 8)}`
    await stack.documents.container('calendars').items.create(calendar(id))
    const { etag } = (await manage(`calendars/${id}`)).body
    const { id: target } = await guarded()
    const alone = await put(id, toReplace(etag))
    expect(alone.status).toBe(200)
    const workloads = [{ issuer: '*', namespace: 'nowhere' }]
    const naming = { schema: 1, id, workloads, conditions: window(id), ...rule(id, target) }
    await stack.documents.container('rules').items.create(naming)
    onTestFinished(async () => {
      await stack.documents.container('rules').items.upsert({ id, target: rule(id, target)['target'], deleted: true })
    })
    const now = toReplace(alone.body['etag'])
    expect((await put(id, now)).status).toBe(202)
    expect((await manage(`calendars/${id}`, { method: 'DELETE', headers: now })).status).toBe(202)
    expect((await manage(`calendars/${id}?dryRun=true`, { method: 'DELETE' })).body['requiresApproval']).toBe(true)
  })
})

describe('a secret of a target that wants a second person', () => {
  const named = { vault: 'corp', secret: 'Mainframe-FTP' }

  test('is named by no other target or issuer without one', async () => {
    await guarded()
    const id = `thief-${randomUUID().slice(0, 8)}`
    const login = { user: 'minter', password: named }
    const settings = { host: 'elsewhere.example', database: 'orders', admin: login }
    const target = { schema: 1, id, provider: 'postgresql', settings, scopes: { read: { role: 'reader' } } }
    expect((await manage(`targets/${id}`, { method: 'PUT', body: target, headers: toCreate })).status).toBe(202)
    const review = { apiServer: 'https://elsewhere.example/', credential: named }
    const issuer = { schema: 1, id, issuerUrl: `https://${id}.example/`, kind: 'kubernetes', audiences: [audience] }
    const body = { ...issuer, tokenReview: review }
    expect((await manage(`issuers/${id}`, { method: 'PUT', body, headers: toCreate })).status).toBe(202)
    expect((await manage(`issuers/${id}`, { method: 'PUT', body: issuer, headers: toCreate })).status).toBe(201)
  })

  test('is named by no issuer without one, though it is called like the target', async () => {
    const id = `vault-${randomUUID().slice(0, 8)}`
    const own = { vault: 'corp', secret: `only-${id}` }
    const changes = { requireApproval: true, scopes: { login: { secret: own } } }
    await stack.addTarget({ id, like: 'mainframe-ftp', scopes: ['login'], changes })
    const review = { apiServer: 'https://elsewhere.example/', credential: own }
    const url = `https://${id}.example/`
    const body = { schema: 1, id, issuerUrl: url, kind: 'kubernetes', audiences: [audience], tokenReview: review }
    expect((await manage(`issuers/${id}`, { method: 'PUT', body, headers: toCreate })).status).toBe(202)
    expect((await manage(`issuers/${id}`)).status).toBe(404)
  })

  test('is recognised under another alias of its vault', async () => {
    await guarded()
    const vaults = { corp: stack.vault.url, again: new URL('/', stack.vault.url).href }
    const other = await startGateway(stack, { settings: { CAUSEWAY_VAULTS: JSON.stringify(vaults) } })
    const id = `thief-${randomUUID().slice(0, 8)}`
    const save = (secret: string) =>
      send(`${other.url}/manage/targets/${id}`, {
        method: 'PUT',
        headers: { ...toCreate, authorization: `Bearer ${writer}` },
        body: JSON.stringify({
          ...{ schema: 1, id, provider: 'key-vault-secret', settings: {} },
          scopes: { login: { secret: { vault: 'again', secret } } },
        }),
      })
    try {
      expect((await save('Mainframe-FTP')).status).toBe(202)
      expect((await save('some-secret')).status).toBe(201)
    } finally {
      await other.stop()
    }
  })

  test('is never the key from which passwords are derived', async () => {
    const id = `thief-${randomUUID().slice(0, 8)}`
    const scopes = { key: { secret: { vault: 'corp', secret: 'Causeway-Derivation-Key' } } }
    const body = { schema: 1, id, provider: 'key-vault-secret', settings: {}, scopes }
    const answer = await manage(`targets/${id}`, { method: 'PUT', body, headers: toCreate })
    expect({ status: answer.status, problems: answer.body['problems'] }).toEqual({
      status: 422,
      problems: [{ pointer: '/settings', detail: expect.stringContaining("the gateway's own") }],
    })
  })
})
