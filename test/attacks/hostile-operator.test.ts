import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type AskManage, askingOf } from '../e2e/operator-requests.ts'
import { until } from '../e2e/until.ts'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
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
