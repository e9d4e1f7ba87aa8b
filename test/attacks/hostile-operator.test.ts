import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../../infra/local/stack.ts'
import { type AskManage, askingOf } from '../e2e/operator-requests.ts'
import { until } from '../e2e/until.ts'
import { type Document, post, type RunningStack, runStack, send } from '../running-stack.ts'
import { expectRefused, type Refusal } from './refusal.ts'

// What somebody with every app role but that of approving cannot do alone.

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const toCreate = { 'if-none-match': '*' }

describe('a guardrail that wants a second person', () => {
  const denied: Refusal = { status: 400, error: 'invalid_target', reason: 'denied_by_rule', recorded: 'denied' }

  test("on a namespace holds that namespace's pods, whatever one person calls their cluster", async () => {
    const id = `held-${randomUUID().slice(0, 8)}`
    await stack.addTarget({ id, like: 'mainframe-ftp', scopes: ['login'] })
    expect((await stack.exchange({ audience: id })).status).toBe(200)
    const workloads = [{ issuer: '*', namespace: 'payments' }]
    const guardrail = { schema: 1, id, target: '*', effect: 'deny', requireApproval: true, workloads }
    await stack.documents.container('rules').items.create(guardrail)
    onTestFinished(async () => {
      await stack.documents.container('rules').items.upsert({ id, target: '*', deleted: true })
    })
    const held = await until(
      () => stack.exchange({ audience: id }),
      ({ status }) => status !== 200,
    )
    await expectRefused(stack, held, denied)

    const bySubject = [{ issuer: 'aks-local', subject: 'system:serviceaccount:payments:api' }]
    const rule = { schema: 1, id: 'by-subject', target: id, effect: 'allow', scopes: ['login'], workloads: bySubject }
    const opened = await manage(`rules/${id}/by-subject`, { method: 'PUT', body: rule, headers: toCreate })
    expect(opened.status).toBe(201)
    const { issuer, etag } = (await manage('issuers/aks-local')).body
    const body = { ...(issuer as Document), kind: 'oidc' }
    const renamed = await manage('issuers/aks-local', { method: 'PUT', body, headers: { 'if-match': String(etag) } })
    expect(renamed.status).toBe(202)
    await expectRefused(stack, await stack.exchange({ audience: id }), denied)
  })
})

describe('the key from which passwords are derived', () => {
  const reserved: Refusal = {
    status: 503,
    error: 'temporarily_unavailable',
    reason: 'secret_reserved',
    recorded: 'failed',
    retryAfter: 30,
  }
  const keyIn = (vault: string, secret = 'causeway-derivation-key') => ({ login: { secret: { vault, secret } } })

  test('is handed out by no target, though a manage role that has another key let it be saved', async () => {
    const id = `thief-${randomUUID().slice(0, 8)}`
    await stack.addTarget({ id, like: 'mainframe-ftp', scopes: ['login'] })
    const { target, etag } = (await manage(`targets/${id}`)).body
    const settings = { CAUSEWAY_ROLE: 'manage', CAUSEWAY_DERIVATION_KEY: 'corp/another-derivation-key' }
    const desk = await startGateway(stack, { settings })
    onTestFinished(() => desk.stop())
    const saved = await send(`${desk.url}/manage/targets/${id}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${await stack.operatorToken()}`, 'if-match': String(etag) },
      body: JSON.stringify({ ...(target as Document), scopes: keyIn('corp') }),
    })
    expect(saved.status).toBe(200)
    await expectRefused(stack, await stack.exchange({ audience: id, scope: 'login' }), reserved)
    expect((await stack.exchange({ audience: 'orders-db' })).status).toBe(200)
  })

  test('nor by one that was written past every check, under another alias and in other letters', async () => {
    const id = `thief-${randomUUID().slice(0, 8)}`
    const changes = { scopes: keyIn('again', 'Causeway-Derivation-Key') }
    await stack.addTarget({ id, like: 'mainframe-ftp', changes, scopes: ['login'] })
    const vaults = { corp: stack.vault.url, again: new URL('/', stack.vault.url).href }
    const other = await startGateway(stack, { settings: { CAUSEWAY_VAULTS: JSON.stringify(vaults) } })
    onTestFinished(() => other.stop())
    const form = { audience: id, scope: 'login', subject_token: await stack.podToken() }
    const types = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    }
    const answer = await post(`${other.url}/token`, new URLSearchParams({ ...types, ...form }))
    await expectRefused(stack, answer, reserved)
  })

  test('nor shown to the API server that an issuer names for reviews', async () => {
    const issuers = stack.documents.container('issuers')
    const { resource } = await issuers.item('aks-local', 'aks-local').read<Document>()
    const { secret: credential } = keyIn('corp').login
    await issuers.items.upsert({ ...resource, tokenReview: { apiServer: 'https://localhost:9/', credential } })
    onTestFinished(async () => {
      await issuers.items.upsert(resource ?? {})
      await until(
        () => stack.exchange({ audience: 'orders-db' }),
        ({ status }) => status === 200,
      )
    })
    const answer = await until(
      () => stack.exchange({ audience: 'orders-db' }),
      ({ status }) => status !== 200,
    )
    await expectRefused(stack, answer, { ...reserved, recorded: 'unverified' })
  })
})
