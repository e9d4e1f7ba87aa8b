import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Host } from '../../infra/local/host/spawn.ts'
import { startGateway } from '../../infra/local/stack.ts'
import { type Answer, type Document, lasting, post, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let second: Host
let manage: AskManage
let target: string
let path: string

beforeAll(async () => {
  // Both look for changes as often as they do in Azure.
  const settings = { CAUSEWAY_REFRESH_INTERVAL: 'PT3S' }
  stack = await runStack({ settings })
  second = await startGateway(stack, { settings })
  manage = await askingOf(stack)
})
beforeEach(async () => {
  target = `orders-${randomUUID().slice(0, 8)}`
  path = `rules/${target}/allow-${target}`
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'], changes: lasting })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(async () => {
  await second?.stop()
  await stack?.stop()
})

/** An exchange at a process of the gateway. */
async function exchange({ url }: Host): Promise<Answer> {
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: await stack.podToken(),
  }
  const answer = await post(`${url}/token`, new URLSearchParams({ ...form, audience: target }))
  for (const secret of [answer.body['access_token'], credentialOf(answer)['uri']])
    if (secret) stack.note(String(secret))
  return answer
}

const credentialOf = ({ body }: Answer) => (body['credential'] ?? {}) as Document
const isIssued = ({ status }: Answer) => status === 200
const isRefused = ({ status }: Answer) => status !== 200

/** Both processes have answered, and remember what they have read. */
async function warmed(): Promise<readonly Answer[]> {
  const answers = [await exchange(stack.gateway), await exchange(second), await exchange(second)]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  return answers
}

/** Looks four times a second, for the 15 seconds within which every process must know at the most. */
async function within15Seconds<T>(look: () => Promise<T>, awaited: (seen: T) => boolean): Promise<T> {
  for (let looks = 0; looks <= 60; looks++) {
    const seen = await look()
    if (awaited(seen)) return seen
    await pause(250)
  }
  throw new Error('the second process does not obey within 15 seconds')
}

async function putChanged(changes: Document): Promise<Answer> {
  const { rule, etag } = (await manage(path)).body
  const headers = { 'if-match': String(etag) }
  return manage(path, { method: 'PUT', body: { ...(rule as Document), ...changes }, headers })
}

describe('a process that has decided before, and changed nothing itself, obeys within 15 seconds', () => {
  test('a rule that another process has changed, and changed back', async () => {
    await warmed()
    expect((await putChanged({ workloads: [{ issuer: 'aks-local', namespace: 'billing' }] })).status).toBe(200)
    const refused = await within15Seconds(() => exchange(second), isRefused)
    expect(refused).toMatchObject({ status: 400, body: { error: 'invalid_target' } })
    expect(await stack.recordsOf(String(refused.body['decision_id']))).toMatchObject([{ reason: 'no_rule' }])
    expect((await putChanged({ workloads: [{ issuer: 'aks-local', namespace: 'payments' }] })).status).toBe(200)
    await within15Seconds(() => exchange(second), isIssued)
  })

  test('a lockdown, and its end', async () => {
    await warmed()
    const id = `incident-${target}`
    const body = { schema: 1, id, blocks: { target }, reason: 'incident 42' }
    const made = await manage(`lockdowns/${id}`, { method: 'PUT', body, headers: { 'if-none-match': '*' } })
    expect(made.status).toBe(201)
    const refused = await within15Seconds(() => exchange(second), isRefused)
    expect(await stack.recordsOf(String(refused.body['decision_id']))).toMatchObject([{ reason: 'locked_down' }])
    const headers = { 'if-match': String(made.body['etag']) }
    expect((await manage(`lockdowns/${id}`, { method: 'DELETE', headers })).status).toBe(200)
    await within15Seconds(() => exchange(second), isIssued)
  })

  test('a revocation: it hands the lease out no more', async () => {
    const answers = await warmed()
    const [lease] = answers.map(({ body }) => String(body['lease_id']))
    expect(answers.map(({ body }) => body['lease_id'])).toEqual([lease, lease, lease])
    expect((await manage(`leases/${lease}/revoke`, { method: 'POST' })).status).toBe(202)
    const another = await within15Seconds(
      () => exchange(second),
      answer => isIssued(answer) && answer.body['lease_id'] !== lease,
    )
    expect(credentialOf(another)['username']).not.toBe(credentialOf(answers[0] as Answer)['username'])
  })
})
