import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Document, type RunningStack, runStack, send } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const evaluate = (body: Document) => manage('evaluate', { method: 'POST', body })
const api = { issuer: 'aks-local', namespace: 'payments', serviceAccount: 'api' }
const toCreate = { 'if-none-match': '*' }

/** A target of its own that `payments` is allowed to have, under these conditions. */
async function newTarget(conditions: Document = {}): Promise<string> {
  const id = `ftp-${randomUUID().slice(0, 8)}`
  await stack.addTarget({ id, like: 'mainframe-ftp', scopes: ['login'] })
  const rule = `rules/${id}/allow-${id}`
  const { rule: document, etag } = (await manage(rule)).body
  const body = { ...(document as Document), conditions }
  expect((await manage(rule, { method: 'PUT', body, headers: { 'if-match': String(etag) } })).status).toBe(200)
  return id
}

describe('an evaluation', () => {
  test('of a form decides as an exchange would, with the trace of every rule, and writes and issues nothing', async () => {
    const before = (await stack.records()).length
    const allowed = await evaluate({ facts: { ...api, target: 'orders-db' } })
    expect(allowed.body).toMatchObject({
      outcome: 'allowed',
      decision: { grant: { scopes: ['read'] }, rules: [{ id: 'payments-api-orders' }] },
    })
    const denied = await evaluate({ facts: { ...api, namespace: 'quarantine', target: 'orders-db' } })
    expect(denied.body).toMatchObject({ outcome: 'denied', reason: 'denied_by_rule' })
    const { trace } = denied.body['decision'] as { trace: Document[] }
    expect(trace.map(({ rule }) => rule).toSorted()).toEqual(['payments-api-orders', 'quarantine'])
    expect((await evaluate({ facts: { ...api, target: 'no-such' } })).body).toMatchObject({ reason: 'target_unknown' })
    expect((await stack.records()).length).toBe(before)
    expect(await stack.leases()).toEqual([])
  })

  test('works for times past and future', async () => {
    const monday = { days: ['mon'], from: '07:00', to: '19:00', timeZone: 'UTC' }
    const target = await newTarget({ time: [monday] })
    for (const [time, outcome] of [
      ['2026-06-01T12:00:00Z', 'allowed'],
      ['2026-06-02T12:00:00Z', 'denied'],
      ['2030-06-03T12:00:00Z', 'allowed'],
    ]) {
      const answer = await evaluate({ facts: { ...api, target, time } })
      expect({ time, outcome: answer.body['outcome'] }).toEqual({ time, outcome })
    }
  })

  test('of a pasted token verifies it, counts an expired one with a note, and keeps it nowhere', async () => {
    const token = await stack.podToken()
    const fresh = await evaluate({ token, target: 'orders-db', scopes: ['write'] })
    expect(fresh.body).toMatchObject({ outcome: 'allowed', facts: { workload: { namespace: 'payments' } } })
    expect(fresh.text).not.toContain(token)
    const [head = '', payload = '', signature = ''] = token.split('.')
    const forged = `${head}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    const refused = await evaluate({ token: forged, target: 'orders-db' })
    expect({ status: refused.status, detail: refused.body['detail'] }).toEqual({
      status: 400,
      detail: expect.stringMatching(/signature/),
    })
    const expired = await evaluate({ token: await expiredToken(), target: 'orders-db' })
    expect(expired.body).toMatchObject({
      outcome: 'allowed',
      notes: [expect.stringMatching(/expired at/), expect.anything()],
    })
  })

  test('of a pasted token is on record with who asked and of what, whatever came of it; one without is not', async () => {
    const target = await newTarget()
    const told = async () =>
      (await stack.records()).flatMap(({ kind, action, outcome, document, operator }) => {
        const isThis = kind === 'admin' && action === 'check' && (document as Document)['id'] === target
        return isThis ? [{ outcome, document, by: (operator as Document)['subject'] }] : []
      })
    await evaluate({ facts: { ...api, target } })
    expect(await told()).toEqual([])
    await evaluate({ token: await stack.podToken(), target })
    const document = { container: 'targets', id: target, partition: target }
    const by = expect.any(String)
    const done = ['intended', 'done'].map(outcome => ({ outcome, document, by }))
    expect(await told()).toEqual(expect.arrayContaining(done))
    await evaluate({ token: 'no token', target })
    expect((await told()).map(({ outcome }) => outcome).toSorted()).toEqual(['done', 'failed', 'intended', 'intended'])
  })

  test('of facts in full, and of none, says what is wrong by pointer', async () => {
    const whole = (await evaluate({ facts: { ...api, target: 'orders-db' } })).body['facts'] as Document
    expect((await evaluate({ facts: whole })).body).toMatchObject({ outcome: 'allowed' })
    const wrong = await evaluate({ facts: { ...whole, scopes: 'read' } })
    expect({ status: wrong.status, problems: wrong.body['problems'] }).toMatchObject({
      status: 400,
      problems: [{ pointer: '/facts/scopes' }],
    })
    const nobody = await evaluate({ facts: { ...api, issuer: 'nobody', target: 'orders-db' } })
    expect(nobody.body['problems']).toMatchObject([{ pointer: '/facts/issuer' }])
  })

  test('tells of the lockdown that stands above the rules', async () => {
    const target = await newTarget()
    const id = `locked-${randomUUID()}`
    const body = { schema: 1, id, blocks: { target }, reason: 'an exercise' }
    await manage(`lockdowns/${id}`, { method: 'PUT', body, headers: toCreate })
    expect((await evaluate({ facts: { ...api, target } })).body).toMatchObject({
      outcome: 'denied',
      reason: 'locked_down',
      lockdown: id,
      decision: { outcome: 'allowed' },
    })
    expect((await manage(`access?target=${target}`)).body).toMatchObject({ lockdowns: [{ id }] })
  })
})

/** A token that expired an hour ago: the cluster signs whatever it is told. */
async function expiredToken(): Promise<string> {
  const payload = (await stack.podToken()).split('.')[1] ?? ''
  const claims = z
    .looseObject({ iat: z.number(), nbf: z.number(), exp: z.number() })
    .parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  const earlier = (time: number) => time - 7_200
  const { iat, nbf, exp } = claims
  const token = await stack.cluster.sign({ ...claims, iat: earlier(iat), nbf: earlier(nbf), exp: earlier(exp) })
  stack.note(token)
  return token
}

describe('impact', () => {
  test('judges a draft or a removal by what was recorded in a range, and says how much that was', async () => {
    const target = await newTarget()
    const { decision_id } = (await stack.exchange({ audience: target })).body
    const ask = (body: Document) => manage('impact', { method: 'POST', body })
    const remove = { id: `allow-${target}`, target }
    expect((await ask({ remove })).body).toMatchObject({
      newlyDenied: [{ calls: 1, decisions: [decision_id] }],
      judged: 1,
      notJudged: 0,
      complete: true,
    })
    const earlier = await ask({ remove, from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' })
    expect(earlier.body).toMatchObject({ newlyDenied: [], judged: 0 })
    const later = await ask({ remove, from: '2100-01-01T00:00:00Z', to: '2100-01-02T00:00:00Z' })
    expect(later.body).toMatchObject({ newlyDenied: [], judged: 0 })
    await stack.exchange({ audience: target })
    expect((await ask({ remove, max: 1 })).body).toMatchObject({ judged: 1, complete: false })
    expect((await ask({ remove, max: 0 })).status).toBe(400)
    expect((await ask({ rule: { id: 'x', target, effect: 'allow' } })).status).toBe(422)
    expect((await ask({})).status).toBe(400)
  })
})

describe('impact, to who may not read every decision,', () => {
  test.each([[['Rules.Read']], [['Rules.Write', 'Decisions.Read.payments']]])(
    'tells how much would change and nothing of whose requests it was (%s)',
    async roles => {
      const target = await newTarget()
      const { decision_id } = (await stack.exchange({ audience: target })).body
      const body = { remove: { id: `allow-${target}`, target } }
      const path = `rules/${target}/allow-${target}?dryRun=true&leases=keep`
      const dryRun = { method: 'DELETE', roles: [...roles, 'Rules.Write'] }
      const told = [
        (await manage('impact', { method: 'POST', body, roles })).body,
        (await manage(path, dryRun)).body['impact'],
      ]
      for (const impact of told) {
        expect(impact).toMatchObject({
          judged: 1,
          counts: { newlyDenied: { changes: 1, calls: 1 }, newlyAllowed: { changes: 0, calls: 0 } },
          withheld: expect.stringMatching(/Decisions\.Read/),
        })
        for (const part of ['serviceaccount', decision_id]) expect(JSON.stringify(impact)).not.toContain(part)
      }
      const whole = (await manage('impact', { method: 'POST', body, roles: ['Rules.Read', 'Decisions.Read'] })).body
      expect(whole).toMatchObject({ newlyDenied: [{ decisions: [decision_id] }] })
      expect(whole).not.toHaveProperty('withheld')
    },
  )
})

describe('access', () => {
  test('tells who can reach a target, under which conditions, and what could still deny', async () => {
    const target = await newTarget({ network: { in: ['10.0.0.0/8'] } })
    const answer = await manage(`access?target=${target}`)
    expect(answer.body).toMatchObject({
      target,
      enabled: true,
      allows: [
        {
          rule: `allow-${target}`,
          scopes: ['login'],
          workloads: [{ issuer: 'aks-local', namespace: 'payments' }],
          conditions: ['network', 'environment'],
          whatCouldDeny: [],
        },
      ],
    })
    expect((await manage('access?target=no-such')).status).toBe(404)
    expect((await manage('access')).status).toBe(400)
  })

  test('tells what a namespace can reach, and not what others can', async () => {
    const target = await newTarget()
    const reached = async (query: string) => {
      const { body } = await manage(`access?${query}`)
      return (body['targets'] as Document[]).map(one => one['target'])
    }
    expect(await reached('namespace=payments&issuer=aks-local')).toEqual(expect.arrayContaining([target, 'orders-db']))
    expect(await reached('namespace=payments')).not.toContain('mainframe-ftp')
    expect(await reached('namespace=billing&issuer=aks-local')).not.toContain(target)
    expect((await manage('access?namespace=payments&issuer=nobody')).status).toBe(404)
  })
})

test('access tells of a lockdown that stands behind many that expired, and that those are all', async () => {
  const target = await newTarget()
  const lockdowns = stack.documents.container('lockdowns').items
  const lockdown = { schema: 1, blocks: { target }, reason: 'an exercise' }
  const expiresAt = '2026-01-01T00:00:00Z'
  for (let each = 0; each < 120; each++) await lockdowns.create({ ...lockdown, id: `a-${randomUUID()}`, expiresAt })
  const standing = `z-${randomUUID()}`
  await lockdowns.create({ ...lockdown, id: standing })
  const { body } = await manage(`access?target=${target}`)
  expect(body).toMatchObject({ complete: true, lockdowns: [{ id: standing }] })
  expect(body['lockdowns']).toHaveLength(1)
})

describe('an iCalendar', () => {
  const post = async (id: string, body: string) =>
    send(`${stack.gateway.url}/manage/calendars/${id}/icalendar`, {
      method: 'POST',
      body,
      headers: { ...toCreate, 'content-type': 'text/calendar', authorization: `Bearer ${await stack.operatorToken()}` },
    })
  const lines = (...events: string[]) =>
    ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//test', ...events, 'END:VCALENDAR', ''].join('\r\n')

  test('becomes a calendar like any other; what cannot be read is refused, and nothing is saved', async () => {
    const id = `holidays-${randomUUID()}`
    const day = ['BEGIN:VEVENT', 'UID:1', 'DTSTAMP:20260101T000000Z', 'DTSTART;VALUE=DATE:20271225', 'END:VEVENT']
    expect((await post(id, 'BEGIN:NOTHING')).status).toBe(422)
    expect((await manage(`calendars/${id}`)).status).toBe(404)
    expect((await post(id, lines(...day))).status).toBe(201)
    expect((await manage(`calendars/${id}`)).body).toMatchObject({ calendar: { id, days: ['2027-12-25'] } })
    expect((await post(id, lines(...day))).status).toBe(412)
  })
})
