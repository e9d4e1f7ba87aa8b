import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { causeway, folderWith } from './causeway.ts'
import { stubGateway } from './stub-gateway.ts'

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends) await end()
  ends = []
})

async function stub(answers: Parameters<typeof stubGateway>[0], files: Readonly<Record<string, unknown>> = {}) {
  const gateway = await stubGateway({ 'POST /token': [200, { access_token: 'a' }], ...answers })
  const { folder, remove } = await folderWith({ 'stack.json': gateway.stackFile, token: 'a.b.c', ...files })
  ends.push(gateway.stop, remove)
  return {
    folder,
    run: (...args: readonly string[]) => causeway([...args, '--stack', folder]),
    url: gateway.stackFile.gateway,
  }
}

/** Up a line, over what stands there, and back as if nothing had been. */
const hostile = '\u001b[1A\u001b[2K\u009b2Kok    token_audience: so\u202e\u0007\r'
const unseen = /(?!\n)[\p{Cc}\p{Cf}]/u

test("an unverified token's words cannot repaint the doctor's", async () => {
  const token = { ok: false, check: 'token_audience', expected: hostile, found: hostile, rule: { subject: hostile } }
  const { run, folder } = await stub({ 'POST /manage/issuers/a/check': [200, { ok: false, steps: [], token }] })
  for (const options of [[], ['--json']]) {
    const { code, out } = await run('doctor', 'issuer', 'a', '--token-file', join(folder, 'token'), ...options)
    expect(code).toBe(2)
    expect(out).toContain('token_audience')
    expect(out).not.toMatch(unseen)
  }
})

test('the whole answer as JSON means what it meant', async () => {
  const steps = [{ step: 'a', ok: true, expected: hostile, found: '\u{e0041}\u2028' }]
  const { run } = await stub({ 'POST /manage/issuers/a/check': [200, { ok: true, steps }] })
  expect(JSON.parse((await run('doctor', 'issuer', 'a', '--json')).out)).toEqual({ ok: true, steps })
})

test("a refusal's words cannot repaint the terminal", async () => {
  const refused = { error: hostile, error_description: hostile, decision_id: hostile }
  const { folder, url } = await stub({ 'POST /token': [400, refused] })
  const env = { CAUSEWAY_TOKEN_FILE: join(folder, 'token'), CAUSEWAY_URL: url }
  const { code, out, err } = await causeway(['exchange', hostile], env)
  expect({ code, out, err }).toMatchObject({ code: 1, out: '', err: expect.stringContaining('400 \\u001b[1A') })
  expect(err).not.toMatch(unseen)
})

test('what is wrong with a document is told, and does nothing', async () => {
  const problems = [{ pointer: hostile, detail: hostile }, hostile, { [hostile]: hostile }]
  const { folder, run } = await stub(
    { 'PUT /manage/rules/t/a': [422, { detail: hostile, problems }] },
    { 'access/rules/a.json': { id: 'a', target: 't' } },
  )
  const { code, err } = await run('apply', join(folder, 'access'))
  expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^causeway: create rules\/t\/a: 422 .*ok /) })
  expect(err.trim().split('\n').length).toBe(4)
  expect(err).not.toMatch(unseen)
})

test('what differs is shown, and does nothing', async () => {
  const stored = { id: 'a', target: 't', whenDenied: hostile, workloads: [{ subject: `safe${hostile}` }] }
  const wanted = { id: 'a', target: 't', whenDenied: 'so', workloads: [{ subject: `other${hostile}` }] }
  const { folder, run } = await stub(
    {
      'GET /manage/rules': [200, { rules: [{ etag: 'e', rule: stored }] }],
      'GET /openapi.json': [200, offersDryRun],
      'PUT /manage/rules/t/a?dryRun=true': [200, { lint: [hostile], impact: { [hostile]: hostile } }],
    },
    { 'access/rules/a.json': wanted },
  )
  const { code, out } = await run('plan', join(folder, 'access'))
  expect(code).toBe(2)
  expect(out).toContain('~ /whenDenied: ')
  expect(out).not.toMatch(unseen)
})

const offersDryRun = { paths: { '/manage/rules/{target}/{id}': { put: { parameters: [{ name: 'dryRun' }] } } } }
